// Dynamic Registration 1.0, 3.6: tells the learning platform that the registration is over. The message says nothing
// else, and the platform's administration pages may have any origin.
const button = document.getElementById("close");
const platform = window.opener || (window.parent === window ? null : window.parent);
button.hidden = !platform; // a button that does nothing is not shown
button.addEventListener("click", () => {
  platform.postMessage({ subject: "org.imsglobal.lti.close" }, "*");
});
