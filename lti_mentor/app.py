"""create_app(settings): the only place where everything is put together."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

from lti_mentor import shipped
from lti_mentor.activity import record
from lti_mentor.db import Database, connect
from lti_mentor.operation import operation
from lti_mentor.settings import Settings, require_secret
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web import errors, forms, headers, language, measured, request_log, visit
from lti_mentor.web.about_me import about_me
from lti_mentor.web.accounts import accounts
from lti_mentor.web.admin import admin, admin_link
from lti_mentor.web.api import api
from lti_mentor.web.coordinator import coordinator
from lti_mentor.web.home import home
from lti_mentor.web.insight import insight
from lti_mentor.web.learner import learner
from lti_mentor.web.lrs import lrs
from lti_mentor.web.lrs_documents import documents
from lti_mentor.web.lrs_known import known
from lti_mentor.web.lrs_statements import statements
from lti_mentor.web.lti import lti
from lti_mentor.web.measured import Measures
from lti_mentor.web.mentor import mentor
from lti_mentor.web.observer import observer
from lti_mentor.web.pair import pair
from lti_mentor.web.picker import picker
from lti_mentor.web.privacy import privacy
from lti_mentor.web.profile import profile
from lti_mentor.web.registration import registration
from lti_mentor.web.reviews import reviews

VISITED: tuple[Blueprint, ...] = (
    home,
    learner,
    mentor,
    pair,
    coordinator,
    insight,
    admin,
    picker,
    reviews,
    observer,
    accounts,
    about_me,
    privacy,
)


class Application(Flask):
    """Flask looks at each view and hook, in every request, whether it is a coroutine. None of ours is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Settings, database: Database | None = None) -> Flask:
    """The tool as a WSGI application. Raises SettingsError."""
    require_secret(settings)
    app = Application("lti_mentor", template_folder=str(shipped.folder("templates")), static_folder="web/static")
    app.config.update(MAX_CONTENT_LENGTH=settings.max_body_bytes, MAX_FORM_MEMORY_SIZE=settings.max_body_bytes)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(visit_url=visit.visit_url)
    database = database or connect(settings.database_url)
    if settings.check_statements:
        record.check_statements(database)
    app.extensions["lti_mentor"] = Tool(settings, database, Vault(settings.secret_key))
    for part in (request_log, measured, language, errors, headers):
        part.install(app)
    app.before_request(visit.guard)
    app.register_blueprint(lti)
    app.register_blueprint(registration)
    app.register_blueprint(profile)
    for resource in (lrs, statements, documents, known):
        app.register_blueprint(resource)
    app.register_blueprint(api)
    app.register_blueprint(operation)
    app.register_blueprint(admin_link)
    for blueprint in VISITED:
        app.register_blueprint(blueprint, url_prefix=f"/v/<visit_key>{blueprint.url_prefix or ''}")
    forms.install(app)
    measured.share(app, Measures())
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app
