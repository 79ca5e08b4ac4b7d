"""The statement service of Learning Locker (GPL-3.0): a peer over HTTP alone, in a process and a folder of its own.

``make learning-locker`` installs it where there is npm; without it the tests that need it are left out.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from lti_mentor.activity.outside import TargetDraft

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".learning-locker"
PROGRAM = FOLDER / "node_modules" / "@learninglocker" / "xapi-statements" / "dist" / "server.js"
IS_INSTALLED = PROGRAM.exists()
HOW = "the other record store is not installed: make learning-locker does it"
IN_MEMORY = {"MODELS_REPO": "memory", "STORAGE_REPO": "memory", "AUTH_REPO": "test", "EVENTS_REPO": "test"}
KEY, SECRET = "any", "any"  # in memory it lets everybody in
VERSION = {"X-Experience-API-Version": "1.0.3"}


@dataclass(frozen=True)
class LearningLocker:
    url: str

    def draft(self, **changes) -> TargetDraft:
        given = {"label": "Learning Locker", "endpoint": f"{self.url}/xAPI", "key": KEY, "secret": SECRET}
        return TargetDraft(**{**given, **changes})

    def statements(self) -> list[dict]:
        """In the order in which they came, on one page: in memory, ``more`` misses some about every seven minutes.

        Its cursors are UUIDs of version 1 compared as texts, which begin with the bits of the clock that come round.
        """
        everything = f"{self.url}/xAPI/statements?ascending=true&limit=1000000"
        page = requests.get(everything, auth=(KEY, SECRET), headers=VERSION, timeout=120).json()
        assert not page["more"]
        found: list[dict] = page["statements"]
        return found


@contextmanager
def learning_locker(folder: Path) -> Iterator[LearningLocker]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    surroundings = os.environ | IN_MEMORY | {"EXPRESS_PORT": str(port), "WINSTON_CONSOLE_LEVEL": "error"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(["node", str(PROGRAM)], cwd=folder, env=surroundings, **quiet) as process:
        try:
            while process.poll() is None:
                try:
                    requests.get(f"http://127.0.0.1:{port}/xAPI/about", timeout=5)
                    break
                except requests.ConnectionError:
                    continue
            yield LearningLocker(f"http://127.0.0.1:{port}")
        finally:
            process.kill()
