"""The production server: gunicorn with threads, each worker with an application of its own."""

import fcntl
import gc
import tempfile
from collections.abc import Callable
from mmap import mmap
from threading import Lock
from typing import Any, BinaryIO

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from lti_mentor.web import measured, request_log
from lti_mentor.web.measured import SIZE, Measures

COLLECT_AFTER = 10_000  # objects that are new and still there


class Server(BaseApplication):  # type: ignore[misc]
    """``run`` serves until told to stop."""

    def __init__(self, make: Callable[[], Flask], *, host: str, port: int, workers: int, log_level: str) -> None:
        self._make = make
        self._measures = _shared_measures()
        self._log_level = log_level
        self._options: dict[str, Any] = {
            "bind": f"{host}:{port}",
            "workers": workers,
            "worker_class": Worker,
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
        measured.share(app, self._measures)
        # What is here stays as long as the worker: no full collection in the middle of a request looks through it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        return app


class Worker(ThreadWorker):  # type: ignore[misc]
    """One that leaves new connections to the others while all of its threads are busy: nobody waits behind them.

    Those that are kept open send on meanwhile; so that they keep nobody out, a new one has its turn after as many
    requests as there are threads.
    """

    _answered = 0  # since a new connection had its turn

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled and not self._leaves_them())

    def accept(self, listener: object) -> None:
        self._answered = 0
        super().accept(listener)

    def enqueue_req(self, conn: object) -> None:
        super().enqueue_req(conn)
        if self._leaves_them():
            self.set_accept_enabled(False)

    def finish_request(self, conn: object, fs: object) -> None:
        self._answered += 1
        super().finish_request(conn, fs)

    def _leaves_them(self) -> bool:
        threads, idle = self.cfg.threads, len(self.keepalived_conns) + len(self.pending_conns)
        return bool(self.cfg.workers > 1 and self.nr_conns - idle >= threads > self._answered)


class FileLock:
    """For threads and processes alike; one that is killed holds up no other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._threads = file, Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        fcntl.lockf(self._file, fcntl.LOCK_EX)  # of this process, and gone with it

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._threads.release()


def _shared_measures() -> Measures:
    """In memory that all workers have in common."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the server runs)
    file.truncate(SIZE)
    return Measures(mmap(file.fileno(), SIZE), FileLock(file))
