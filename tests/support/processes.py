"""The commands of the tool as processes of their own, which a test may kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen]:
    """``lti-mentor`` with these arguments, in a process group of its own, which is gone afterwards."""
    command = [sys.executable, "-m", "lti_mentor.cli", *arguments]
    surroundings = os.environ | {f"LTI_MENTOR_{name}": value for name, value in environment.items()}
    with subprocess.Popen(command, env=surroundings, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                kill(process)


def kill(process: subprocess.Popen) -> None:
    """All of it at once, with no chance to clean up."""
    os.killpg(process.pid, signal.SIGKILL)
