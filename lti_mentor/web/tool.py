"""The running tool, as every view reaches for it."""

from typing import cast

from flask import current_app

from lti_mentor.tool import Tool


def tool() -> Tool:
    """The tool of the current request."""
    return cast(Tool, current_app.extensions["lti_mentor"])
