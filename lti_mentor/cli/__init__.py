"""lti-mentor: everything an administrator does from the command line."""

from lti_mentor.cli import deployments, lrs, people, platforms, running
from lti_mentor.cli.commands import main

__all__ = ["deployments", "lrs", "main", "people", "platforms", "running"]
