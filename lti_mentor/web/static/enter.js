// The secret stands after the # of the address, which no server and no log ever gets to see.
const link = document.getElementById("link");

function take() {
  if (location.hash.length > 1) {
    link.value = location.hash.slice(1);
    document.getElementById("by-hand").hidden = true;
    history.replaceState(null, "", location.pathname);
  }
}

take();
window.addEventListener("hashchange", take);
