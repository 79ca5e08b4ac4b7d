// A button beside a text that copies it. Without this file the text is there to be marked.
document.documentElement.classList.add("scripted");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  if ("select" in source) {
    source.select();
  } else {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
  } catch {
    if (!document.execCommand("copy")) return; // a frame may not write to the clipboard, but copy what is marked
  }
  document.getElementById("announcer").textContent = button.dataset.copied;
  button.textContent = button.dataset.copied;
});
