"""The baseline: a bare pylti1p3next Flask tool as its documentation shows it, nothing added, nothing slowed down."""

from flask import Flask, jsonify
from pylti1p3.contrib.flask import FlaskMessageLaunch, FlaskOIDCLogin, FlaskRequest
from pylti1p3.contrib.flask.launch_data_storage.cache import FlaskCacheDataStorage
from pylti1p3.tool_config import ToolConfDict


class Cache(dict):  # type: ignore[type-arg]
    """The smallest cache that the library's storage accepts."""

    def set(self, key: str, value: object, timeout: int | None = None) -> None:
        self[key] = value


def create(issuer: str, client_id: str, private_key: str, public_key: str, *, key_cache: bool) -> Flask:
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
    storage = FlaskCacheDataStorage(Cache())

    @app.route("/lti/login", methods=["GET", "POST"])
    def login():  # type: ignore[no-untyped-def]
        request = FlaskRequest()
        oidc = FlaskOIDCLogin(request, conf, launch_data_storage=storage)
        return oidc.redirect(request.get_param("target_link_uri"))

    @app.post("/lti/launch")
    def launch():  # type: ignore[no-untyped-def]
        message = FlaskMessageLaunch(FlaskRequest(), conf, launch_data_storage=storage)
        if key_cache:
            message.set_public_key_caching(storage, cache_lifetime=7200)
        return jsonify(subject=message.get_launch_data()["sub"])

    return app
