"""``python -m tests.support.second_platform TOOL_URL FOLDER PEOPLE``: serve until killed.

The first line it prints is JSON: what an administrator copies into the tool, and the ids of the first people. PEOPLE is
how many more are in the course.
"""

import json
import os
import sys
from importlib import import_module
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *words: object) -> None:
        """Nothing: the tests look at answers."""


def main(tool_url: str, folder: str, people: str) -> None:
    server = make_server("127.0.0.1", 0, lambda environ, start: [], server_class=Server, handler_class=Quiet)
    os.environ["SECOND_PLATFORM_URL"] = f"http://127.0.0.1:{server.server_port}"
    os.environ["SECOND_PLATFORM_FOLDER"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.second_platform.settings"
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    course = import_module("tests.support.second_platform.course")
    api = import_module("lti_consumer.api")
    course.stand_in()
    names = ["learner", "mentor", "coordinator"]
    known = course.people([*names, *(f"crowd-{number}" for number in range(int(people)))])
    tool = course.place_tool(tool_url)
    shown = api.get_lti_1p3_launch_info(course.launch_data(course.User.objects.first()))
    registration = {
        "issuer": os.environ["SECOND_PLATFORM_URL"],
        "client_id": tool.lti_1p3_client_id,
        "authorization_endpoint": shown["oidc_callback"],
        "token_endpoint": shown["token_url"],
        "jwks_uri": shown["keyset_url"],
        "deployment_ids": [shown["deployment_id"]],
    }
    server.set_app(get_wsgi_application())
    print(json.dumps({"registration": registration, "people": {name: known[name] for name in names}}), flush=True)
    server.serve_forever()


main(*sys.argv[1:])
