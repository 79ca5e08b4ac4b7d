"""Where the administrator's pages are; nobody else sees any of them."""

from flask import Blueprint

from lti_mentor.web import access

admin = Blueprint("admin", __name__, url_prefix="/admin")


@admin.before_request
def only_administrators() -> None:
    access.require("administrator")
