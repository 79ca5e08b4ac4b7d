"""The analyst's pages: figures and single statements, read from the record store alone."""

from lti_mentor.web.insight import export, home, statements
from lti_mentor.web.insight.blueprint import insight

__all__ = ["export", "home", "insight", "statements"]
