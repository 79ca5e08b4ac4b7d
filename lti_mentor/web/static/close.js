// Dynamic Registration 1.0, 3.6: tells the learning platform that the registration is over. The message says nothing
// else, and the platform's administration pages may have any origin.
document.getElementById("close").addEventListener("click", () => {
  (window.opener || window.parent).postMessage({ subject: "org.imsglobal.lti.close" }, "*");
});
