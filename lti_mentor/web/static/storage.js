// Keeps the secret of a launch in the storage of the learning platform, or fetches it from there (LTI Client Side
// postMessages): for browsers that keep no cookie for a page inside another one.
const waiting = document.getElementById("waiting");
const { ask, target, origin, key, value, next } = waiting.dataset;
const LONGEST = 5000, AGAIN = 250; // milliseconds: what the platform may take, and until it is asked once more
const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

function platformFrame() {
  const page = window.parent === window ? window.opener : window.parent;
  return target === "_parent" ? page : page.frames[target];
}

function giveUp() {
  stop();
  waiting.hidden = true;
  document.getElementById("otherwise").hidden = false;
}

function take(event) {
  const answer = event.data;
  if (event.origin !== origin || !answer || answer.message_id !== id || answer.subject !== `${ask}.response`) {
    return;
  }
  stop();
  if (answer.error || (ask === "lti.get_data" && !answer.value)) {
    giveUp();
  } else if (ask === "lti.put_data") {
    window.location.replace(next);
  } else {
    const form = waiting.closest("form");
    form.elements.browser_secret.value = answer.value;
    form.submit();
  }
}

function stop() {
  clearInterval(asking);
  clearTimeout(timer);
  window.removeEventListener("message", take);
}

function send() {
  try {
    platformFrame().postMessage({ subject: ask, message_id: id, key, ...(ask === "lti.put_data" && { value }) }, origin);
  } catch {
    giveUp(); // there is no such frame
  }
}

window.addEventListener("message", take);
const timer = setTimeout(giveUp, LONGEST);
const asking = setInterval(send, AGAIN); // the page of the platform may not listen yet
send();
