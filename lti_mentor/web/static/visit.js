// The first page of a visit without cookies was shown by the launch itself. Give it its own address, so that links,
// Back and forms with no address of their own work from there.
history.replaceState({ htmx: true }, "", document.body.dataset.here);
