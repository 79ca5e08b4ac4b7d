"""The blueprint that the analyst's pages share."""

from flask import Blueprint

insight = Blueprint("insight", __name__, url_prefix="/insight")
