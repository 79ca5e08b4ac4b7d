// Dynamic Registration 1.0, 3.6: tells the learning platform that the registration is over. The message says nothing
// else, and the platform's administration pages may have any origin.
const button = document.getElementById("close");
button.hidden = false; // a button that does nothing yet is not shown
button.addEventListener("click", () => {
  (window.opener || window.parent).postMessage({ subject: "org.imsglobal.lti.close" }, "*");
});
