"""Running the tool, and its database."""

import signal
import socket
import threading
from pathlib import Path

import click

from lti_mentor import backup, migrations, settings
from lti_mentor.app import create_app
from lti_mentor.cli.commands import main, open_database, open_vault, ready_database
from lti_mentor.jobs import worker as jobs
from lti_mentor.tool import Tool
from lti_mentor.web import request_log


@main.command()
@click.option("--port", default=8000, help="Port of the tool; the practice LMS takes --lms-port.")
@click.option("--lms-port", default=8080)
def demo(port: int, lms_port: int) -> None:
    """Run the tool with a practice LMS and a seeded story, until Ctrl-C."""
    from lti_mentor.practice.demo import run  # noqa: PLC0415 (the practice LMS is no part of a production start)

    run(port, lms_port)


@main.command()
@click.option("--host", default="127.0.0.1")
@click.option("--port", default=8000)
@click.option("--workers", default=2)
def serve(host: str, port: int, workers: int) -> None:
    """Serve the tool with a production server."""
    loaded = settings.load()
    settings.require_secret(loaded)
    ready_database().engine.dispose()
    _check_port(host, port)
    from lti_mentor.server import Server  # noqa: PLC0415 (gunicorn does not import on every platform)

    Server(lambda: create_app(loaded), host=host, port=port, workers=workers, log_level=loaded.log_level).run()


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise click.ClickException(
                f"Port {port} is taken by another program: stop it, or choose another port."
            ) from None


@main.command()
def worker() -> None:
    """Work on jobs until stopped."""
    loaded = settings.load()
    request_log.to_standard_error(loaded.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    jobs.work(Tool(loaded, ready_database(), open_vault()), stop)


@main.group()
def db() -> None:
    """Prepare, save and bring back the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema up to date; the first time this also fixes the base of all IRIs."""
    migrations.prepare(open_database(), settings.load(), open_vault())
    click.echo("The database is up to date.")


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def db_backup(file: Path) -> None:
    """Save the database to FILE while the tool runs."""
    backup.save(open_database(), file)
    click.echo(f"The database is saved in {file}.")


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def db_restore(file: Path) -> None:
    """Bring the database back from FILE; stop the tool first."""
    backup.restore(open_database(), file)
    click.echo(f"The database is what it was in {file}.")
