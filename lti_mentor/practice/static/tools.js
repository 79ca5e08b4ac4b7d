const frame = document.querySelector("iframe");
window.addEventListener("message", (event) => {
  if (event.source === frame.contentWindow && event.data && event.data.subject === "org.imsglobal.lti.close") {
    window.location = frame.dataset.after;
  }
});
