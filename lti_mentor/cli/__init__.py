"""lti-mentor: everything an administrator does from the command line."""

from lti_mentor.cli import deployments, exports, lrs, people, platforms, retention, running, targets
from lti_mentor.cli.commands import main

__all__ = ["deployments", "exports", "lrs", "main", "people", "platforms", "retention", "running", "targets"]
