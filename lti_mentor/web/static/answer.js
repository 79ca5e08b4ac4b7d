// This page answers a form, so Back could only show it by sending the form again, which browsers ask about on a page of
// their own. In the history it stands at the address of the form's page. htmx has no part in it.
history.replaceState(null, "", document.body.dataset.here);
