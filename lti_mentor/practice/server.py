"""Serving the practice LMS on 127.0.0.1: in a thread for the tests, or as a process."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

from lti_mentor.practice.lms import Lms, create_lms
from lti_mentor.practice.world import World


@dataclass(frozen=True)
class Running:
    """A platform that answers."""

    url: str
    app: Flask

    @property
    def lms(self) -> Lms:
        return cast(Lms, self.app.extensions["lms"])

    @property
    def world(self) -> World:
        return self.lms.world


@contextmanager
def running(make_world: Callable[[str], World], *, port: int = 0) -> Iterator[Running]:
    """A platform in a thread; ``make_world`` is given its address."""
    server = _bound(make_world, port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{server.server_port}", cast(Flask, server.app))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _bound(make_world: Callable[[str], World], port: int) -> BaseWSGIServer:
    """Bind first, so that the world can name the port the kernel gave."""
    server = make_server("127.0.0.1", port, lambda environ, start: [], threaded=True)
    server.app = create_lms(make_world(f"http://127.0.0.1:{server.server_port}"))
    return server


def serve(world: World, port: int) -> None:
    """Serve until told to stop."""
    try:
        server = make_server("127.0.0.1", port, create_lms(world), threaded=True)
    except (OSError, SystemExit):
        sys.exit(f"Port {port} is taken by another program: stop it, or choose another port.")
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
