// Sends the form that a page consists of; without this file its button does.
document.querySelector("form[data-send]").requestSubmit();
