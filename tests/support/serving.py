"""Serving an application on localhost in a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import make_server


@contextmanager
def served(
    make: Callable[[str], Flask], *, host: str = "localhost", scheme: str = "http", at: str = "127.0.0.1"
) -> Iterator[str]:
    """The address of the application, listening ``at`` one of this machine; ``make`` is given it before the first
    request."""
    encryption = {"ssl_context": "adhoc"} if scheme == "https" else {}
    server = make_server(at, 0, lambda environ, start: [], threaded=True, **encryption)
    address = f"{scheme}://{host}:{server.server_port}"
    server.app = make(address)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
