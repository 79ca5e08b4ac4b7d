"""Django's settings of the second platform; the two that differ each time come from the environment."""

import os

LMS_ROOT_URL = os.environ["SECOND_PLATFORM_URL"]  # also the issuer
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{os.environ['SECOND_PLATFORM_FOLDER']}/platform.db"}
}
SECRET_KEY = "a secret that is only used by the tests of this project"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]  # the issuer, and where a school shows its courses
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "config_models",
    "rest_framework",
    "lti_consumer",
]
MIGRATION_MODULES = dict.fromkeys(("auth", "contenttypes", "sessions", "config_models", "lti_consumer"))
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
MIDDLEWARE = [
    "edx_django_utils.cache.middleware.RequestCacheMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "edx_django_utils.cache.middleware.TieredCacheMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "tests.support.second_platform.urls"
PLATFORM_NAME = "Second platform"
OPENEDX_TELEMETRY: list[str] = []
USAGE_ID_PATTERN = r"(?P<usage_id>(?:i4x://?[^/]+/[^/]+/[^/]+/[^@]+(?:@[^/]+)?)|(?:[^/]+))"  # as in Open edX
