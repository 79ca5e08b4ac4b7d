"""The blueprint that the coordinator's pages share."""

from flask import Blueprint

coordinator = Blueprint("coordinator", __name__, url_prefix="/coordinator")
