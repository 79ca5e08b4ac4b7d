"""python -m lti_mentor.practice: the practice LMS as a process."""

import logging
from pathlib import Path

import click

from lti_mentor.practice import world
from lti_mentor.practice.server import serve


@click.command()
@click.option("--port", default=8080)
@click.option("--world", "world_file", type=click.Path(path_type=Path, exists=True), required=True)
def main(port: int, world_file: Path) -> None:
    """Serve the platform described in a file."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serve(world.load(world_file), port)


main()
