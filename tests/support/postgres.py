"""A throw-away PostgreSQL cluster for one test run."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database in a new cluster; as root it runs as the user postgres."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    with tempfile.TemporaryDirectory(prefix="mentor-pg-") as folder:
        data, port = Path(folder) / "data", _free_port()
        _own(Path(folder))
        _run(programs / "initdb", "--auth=trust", "--username=mentor", "--encoding=UTF8", f"--pgdata={data}")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off"
        options += " -c deadlock_timeout=3s"  # tests make one meanwhile
        _run(programs / "pg_ctl", "start", "--wait", f"--pgdata={data}", f"--log={folder}/log", f"--options={options}")
        try:
            yield f"postgresql://mentor@127.0.0.1:{port}/postgres"
        finally:
            _run(programs / "pg_ctl", "stop", "--mode=immediate", f"--pgdata={data}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        postgres = pwd.getpwnam("postgres")
        shutil.chown(folder, postgres.pw_uid, postgres.pw_gid)


def _run(program: Path, *arguments: str) -> None:
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*as_postgres, str(program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/tmp")
