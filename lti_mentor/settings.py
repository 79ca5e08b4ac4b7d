"""Settings: ``config/default.toml``, then the file named in LTI_MENTOR_CONFIG, then LTI_MENTOR_* variables.

Each setting is explained where its default is set. A wrong one is refused at start with a sentence.
"""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lti_mentor import shipped
from lti_mentor.errors import SettingsError

PREFIX = "LTI_MENTOR_"
FILE_VARIABLE = "LTI_MENTOR_CONFIG"


@dataclass(frozen=True, kw_only=True)
class Settings:
    base_url: str
    database_url: str
    secret_key: tuple[str, ...]
    allow_private_addresses: bool
    allowed_networks: tuple[str, ...]
    trusted_proxies: int
    login_minutes: int
    visit_hours: int
    clock_leeway_seconds: int
    key_cache_minutes: int
    key_retry_seconds: int
    connect_timeout_seconds: int
    read_timeout_seconds: int
    answer_timeout_seconds: int
    open_registration: bool
    logins_a_minute_of_address: int
    launches_a_minute_of_person: int
    launches_a_minute_of_platform: int
    registrations_an_hour: int
    registrations_an_hour_of_address: int
    max_body_bytes: int
    max_document_bytes: int
    default_locale: str
    default_time_zone: str
    minimum_group: int
    check_statements: bool
    job_lease_seconds: int
    worker_poll_seconds: int
    metrics_token: str
    log_level: str

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this installation. Raises SettingsError."""
    environ = os.environ if environ is None else environ
    values = _from_file(shipped.folder("config") / "default.toml")
    if environ.get(FILE_VARIABLE):
        values |= _from_file(Path(environ[FILE_VARIABLE]))
    for name, text in environ.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            values[_known(name[len(PREFIX) :].lower(), name)] = text
    return _checked(Settings(**{name: _typed(name, value) for name, value in values.items()}))


_TYPES: dict[str, Any] = get_type_hints(Settings)
_NAMES = frozenset(field.name for field in fields(Settings))


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingsError(f"The settings file {path} cannot be read: check the path in {FILE_VARIABLE}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from None
    return {_known(name, f"{name} in {path}"): value for name, value in values.items()}


def _known(name: str, shown: str) -> str:
    if name not in _NAMES:
        raise SettingsError(f"There is no setting {shown}: see config/default.toml for the names.")
    return name


def _typed(name: str, value: Any) -> Any:
    wanted = _TYPES[name]
    if wanted is bool:
        return _boolean(name, value)
    if wanted is int:
        return _integer(name, value)
    if wanted is str:
        return str(value)
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise SettingsError(f'{name} is a list of texts, such as ["a", "b"].')
    return tuple(part.strip() for part in parts if part.strip())


def _boolean(name: str, value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
    text = str(value).strip().lower()
    if text not in words:
        raise SettingsError(f"{name} is either true or false, not {value!r}.")
    return words[text]


def _integer(name: str, value: Any) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise SettingsError(f"{name} is a whole number, not {value!r}.") from None
    if number < 0:
        raise SettingsError(f"{name} is not below 0, {number} is.")
    return number


def _checked(settings: Settings) -> Settings:
    address = urlsplit(settings.base_url)
    if address.scheme not in ("http", "https") or not address.hostname or address.query or address.fragment:
        raise SettingsError("base_url is a public URL such as https://mentor.example.org.")
    if settings.base_url.endswith("/"):
        raise SettingsError("base_url has no slash at its end.")
    if _is_in_memory(settings.database_url):
        raise SettingsError(
            "database_url needs a file, such as sqlite:///lti-mentor.db: workers share nothing in memory."
        )
    if any(len(secret) < 32 for secret in settings.secret_key):
        raise SettingsError("Each value of secret_key has at least 32 characters: make one with openssl rand -hex 32.")
    if settings.minimum_group < 5:
        raise SettingsError("minimum_group cannot be below 5: smaller groups would show single people.")
    if settings.metrics_token and len(settings.metrics_token) < 32:
        raise SettingsError("metrics_token has at least 32 characters: make one with openssl rand -hex 32.")
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SettingsError("log_level is DEBUG, INFO, WARNING or ERROR.")
    _check_zone(settings.default_time_zone)
    for network in settings.allowed_networks:
        _check_network(network)
    return settings


def _is_in_memory(database_url: str) -> bool:
    scheme, _, file = database_url.partition("://")
    is_named = file.strip("/").partition("?")[0] not in ("", ":memory:")
    return scheme.startswith("sqlite") and (not is_named or "mode=memory" in file)


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingsError(f"default_time_zone {name!r} is not a time zone such as Europe/Berlin.") from None


def _check_network(network: str) -> None:
    try:
        ipaddress.ip_network(network)
    except ValueError:
        raise SettingsError(f"allowed_networks: {network!r} is not a network such as 10.20.0.0/16.") from None


def require_secret(settings: Settings) -> None:
    """Refuse to serve without a secret key. Raises SettingsError."""
    if not settings.secret_key:
        raise SettingsError(
            "LTI_MENTOR_SECRET_KEY is not set: make one with openssl rand -hex 32 and keep it;"
            " without it no stored secret can be opened."
        )
