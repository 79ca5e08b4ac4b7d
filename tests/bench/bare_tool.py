"""The baseline: a bare pylti1p3next Flask tool as its documentation shows it, nothing added, nothing slowed down."""

from typing import Any

from flask import Flask, jsonify, redirect, render_template_string, request, url_for
from pylti1p3.contrib.flask import FlaskMessageLaunch, FlaskOIDCLogin, FlaskRequest
from pylti1p3.contrib.flask.launch_data_storage.cache import FlaskCacheDataStorage
from pylti1p3.launch_data_storage.base import LaunchDataStorage
from pylti1p3.tool_config import ToolConfDict


class Cache(dict):  # type: ignore[type-arg]
    """The smallest cache that the library's storage accepts."""

    def set(self, key: str, value: object, timeout: int | None = None) -> None:
        self[key] = value


def create(issuer: str, client_id: str, private_key: str, public_key: str, *, key_cache: bool) -> Flask:
    """In one process: launches are kept in memory, and the answer of a launch is all there is."""
    storage = FlaskCacheDataStorage(Cache())
    app, conf = _with_login(issuer, client_id, private_key, public_key, storage)

    @app.post("/lti/launch")
    def launch():  # type: ignore[no-untyped-def]
        message = FlaskMessageLaunch(FlaskRequest(), conf, launch_data_storage=storage)
        if key_cache:
            message.set_public_key_caching(storage, cache_lifetime=7200)
        return jsonify(subject=message.get_launch_data()["sub"])

    return app


PAGE = """<!doctype html><html lang="en"><head><title>{{ title }}</title></head>
<body><h1>{{ title }}</h1><p>Hello {{ name }}. You are in {{ course }}.</p></body></html>"""


def create_with_page(issuer: str, client_id: str, private_key: str, public_key: str, *, key_cache: bool) -> Flask:
    """For several processes: launches are kept where the library keeps them, in the session cookie.

    A launch leads to a page of its own, which finds it again by its id.
    """
    keys = FlaskCacheDataStorage(Cache())
    app, conf = _with_login(issuer, client_id, private_key, public_key, None)

    @app.post("/lti/launch")
    def launch():  # type: ignore[no-untyped-def]
        message = FlaskMessageLaunch(FlaskRequest(), conf)
        if key_cache:
            message.set_public_key_caching(keys, cache_lifetime=7200)
        message.validate()
        return redirect(url_for("page", launch_id=message.get_launch_id()), 303)

    @app.get("/page")
    def page():  # type: ignore[no-untyped-def]
        message = FlaskMessageLaunch.from_cache(request.args["launch_id"], FlaskRequest(), conf)
        data = message.get_launch_data()
        course = data["https://purl.imsglobal.org/spec/lti/claim/context"]["title"]
        return render_template_string(PAGE, title="A page", name=data.get("name", data["sub"]), course=course)

    return app


def _with_login(
    issuer: str, client_id: str, private_key: str, public_key: str, storage: LaunchDataStorage[Any] | None
) -> tuple[Flask, ToolConfDict]:
    app = Flask("bare_tool")
    app.secret_key = "only for measuring"
    conf = ToolConfDict(
        {
            issuer: {
                "client_id": client_id,
                "auth_login_url": f"{issuer}/authorize",
                "auth_token_url": f"{issuer}/token",
                "key_set_url": f"{issuer}/jwks",
                "deployment_ids": ["1"],
            }
        }
    )
    conf.set_private_key(issuer, private_key)
    conf.set_public_key(issuer, public_key)

    @app.route("/lti/login", methods=["GET", "POST"])
    def login():  # type: ignore[no-untyped-def]
        given = FlaskRequest()
        oidc = FlaskOIDCLogin(given, conf, launch_data_storage=storage)
        return oidc.redirect(given.get_param("target_link_uri"))

    return app, conf
