"""The production server: gunicorn with threads, each worker with an application of its own."""

import gc
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from lti_mentor.web import request_log

COLLECT_AFTER = 10_000  # objects that are new and still there


class Server(BaseApplication):  # type: ignore[misc]
    """``run`` serves until told to stop."""

    def __init__(self, make: Callable[[], Flask], *, host: str, port: int, workers: int, log_level: str) -> None:
        self._make = make
        self._log_level = log_level
        self._options: dict[str, Any] = {
            "bind": f"{host}:{port}",
            "workers": workers,
            "worker_class": "gthread",
            "threads": 4,
            "loglevel": "warning",
            "timeout": 60,
            "limit_request_line": 8190,  # a login by GET carries the whole hint of the platform
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        request_log.to_standard_error(self._log_level)
        app = self._make()
        # What is here stays as long as the worker: no full collection in the middle of a request looks through it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        return app
