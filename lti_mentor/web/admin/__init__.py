"""The administrator's pages."""

from lti_mentor.web.admin import (
    deployments,
    invitations,
    keys,
    log,
    lrs_keys,
    platforms,
    retention,
    rights,
    switches,
    targets,
)
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.admin.link import admin_link

__all__ = [
    "admin",
    "admin_link",
    "deployments",
    "invitations",
    "keys",
    "log",
    "lrs_keys",
    "platforms",
    "retention",
    "rights",
    "switches",
    "targets",
]
