"""Work outside a request."""
