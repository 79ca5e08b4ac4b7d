"""Asking an LMS: what is refused, with real servers on loopback."""

import json
import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from flask import Response

from lti_mentor.errors import PlatformError
from lti_mentor.lti import http, services
from tests.support.recording import recording


@contextmanager
def answering(
    status: int = 200, body: bytes = b"{}", headers: dict[str, str] | None = None, hold: threading.Event | None = None
):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if hold is not None:
                hold.wait(10)
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def dripping(start: bytes = b"HTTP/1.1 200 OK\r\nX-Slow: ", drop: bytes = b"x"):
    """A platform that never comes to an end."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip():
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(start)
            while not over.wait(0.05 if len(drop) == 1 else 0):
                try:
                    connection.sendall(drop)
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/jwks"
    finally:
        over.set()
        thread.join()
        server.close()


def reason(url, settings) -> str:
    with pytest.raises(PlatformError) as refused:
        http.get_json(url, settings)
    return refused.value.reason


def test_json_is_read_when_loopback_is_allowed(loaded_settings):
    with answering(body=json.dumps({"keys": []}).encode()) as url:
        assert http.get_json(url, loaded_settings) == {"keys": []}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/jwks",
        "http://localhost:1/jwks",
        "http://[::1]:1/jwks",
        "http://[::ffff:127.0.0.1]:1/jwks",
        "http://10.0.0.1/jwks",
        "http://169.254.169.254/latest",
        "http://0.0.0.0/jwks",
        "http://[64:ff9b::7f00:1]/jwks",
        "http://[2002:7f00:1::]/jwks",
        "http://[::127.0.0.1]/jwks",
        "http://[fec0::1]/jwks",
        "http://[",
        "http://2130706433/jwks",
        "http://224.0.0.1/jwks",
        "file:///etc/passwd",
        "ftp://lms.example.org/jwks",
        "http:///jwks",
        "http://lms.example.org:99999/jwks",
        "http://straße.example/jwks",
    ],
)
def test_private_and_strange_addresses_are_never_asked(loaded_settings, url):
    assert reason(url, replace(loaded_settings, allow_private_addresses=False)) == "platform.address_refused"


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "[::ffff:169.254.169.254]", "0.0.0.0"],
)
def test_development_lets_in_this_machine_alone(loaded_settings, host):
    assert loaded_settings.allow_private_addresses
    assert reason(f"http://{host}:1/latest", loaded_settings) == "platform.address_refused"
    assert reason(f"https://{host}:1/latest", loaded_settings) == "platform.address_refused"


def test_a_network_of_the_intranet_can_be_allowed(loaded_settings):
    settings = replace(loaded_settings, allow_private_addresses=False, allowed_networks=("127.0.0.0/8",))
    with answering() as url:
        assert http.get_json(url, settings) == {}
    assert reason("http://10.0.0.1/", settings) == "platform.address_refused"


def test_a_host_in_letters_of_its_language_is_asked_for_and_named_in_ascii(loaded_settings, monkeypatch):
    find, found = socket.getaddrinfo, []

    def anywhere(name, *rest, **more):
        found.append(name)
        return find("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", anywhere)
    with recording(lambda _: Response("{}")) as (base, seen):
        http.get_json(base.replace(urlsplit(base).hostname, "münchen.example"), loaded_settings)
    assert [name for name in found if name.endswith(".example")] == ["xn--mnchen-3ya.example"]
    assert seen[0].headers["Host"].startswith("xn--mnchen-3ya.example:")


def test_redirects_errors_and_what_is_not_json_are_refused(loaded_settings):
    with answering(302, headers={"Location": "http://127.0.0.1/"}) as url:
        assert reason(url, loaded_settings) == "platform.bad_status"
    with answering(503) as url:
        assert reason(url, loaded_settings) == "platform.bad_status"
    for body in (b"<html>", b"[" * 200_000, b"\xff\xfe"):
        with answering(body=body) as url:
            assert reason(url, loaded_settings) == "platform.not_json"
    with answering(body=b" " * 1_100_000) as url:
        assert reason(url, loaded_settings) == "platform.too_large"


def test_a_silent_platform_is_not_waited_for(loaded_settings):
    hold = threading.Event()
    with answering(hold=hold) as url:
        assert reason(url, replace(loaded_settings, read_timeout_seconds=1)) == "platform.no_answer"
        hold.set()
    assert reason("http://127.0.0.1:9/", loaded_settings) == "platform.no_answer"


@contextmanager
def answering_with_tls(folder, name, *, speaks=True):
    """A platform with a certificate of its own for this name; or one that takes connections and says nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(issuer_name=who, subject_name=who, public_key=key.public_key(), serial_number=1)
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"a": 1}')

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that does not trust us hangs up
    if speaks:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}/jwks", certificate
    finally:
        if speaks:
            server.shutdown()
        server.server_close()


def test_a_trusted_platform_answers_over_tls(loaded_settings, tmp_path, monkeypatch):
    with answering_with_tls(tmp_path, "localhost") as (url, certificate):
        assert reason(url, loaded_settings) == "platform.no_answer"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert http.get_json(url, loaded_settings) == {"a": 1}


def test_a_certificate_of_another_name_is_not_believed(loaded_settings, tmp_path, monkeypatch):
    with answering_with_tls(tmp_path, "lms.example.org") as (url, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert reason(url, loaded_settings) == "platform.no_answer"


def test_a_platform_that_never_shakes_hands_is_cut_by_the_deadline(loaded_settings, tmp_path):
    patient = replace(loaded_settings, read_timeout_seconds=60, answer_timeout_seconds=1)
    with answering_with_tls(tmp_path, "localhost", speaks=False) as (url, _):
        assert reason(url, patient) == "platform.no_answer"


def test_an_answer_in_drops_is_cut(loaded_settings):
    with dripping() as url:
        assert reason(url, replace(loaded_settings, answer_timeout_seconds=1)) == "platform.no_answer"


def test_a_body_without_end_is_not_read_to_the_end(loaded_settings):
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536) as url:
        assert reason(url, loaded_settings) == "platform.too_large"


def test_what_is_sent_is_json_with_the_token(loaded_settings):
    with answering(201, body=b'{"a": 1}') as url:
        assert http.post_json(url, {"b": 2}, loaded_settings, bearer="t") == {"a": 1}


def test_nothing_is_asked_while_a_transaction_is_open(loaded_settings, sqlite_database):
    with answering() as url, sqlite_database.reading(), pytest.raises(RuntimeError):
        http.get_json(url, loaded_settings)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('</next?a=1>; rel="next"', {"next": "https://lms.example.org/next?a=1"}),
        ("<https://lms.example.org/m;jsessionid=A=B>; rel=next", {"next": "https://lms.example.org/m;jsessionid=A=B"}),
        ('</n>; title="a=b, c"; rel="Next prefetch"', dict.fromkeys(("next", "prefetch"), "https://lms.example.org/n")),
        ("</n?from=3&amp;section=2>; rel=“next”", {"next": "https://lms.example.org/n?from=3&section=2"}),
        (
            '</n?a&section=2>; rel="next", </d>; rel="differences"',
            {"next": "https://lms.example.org/n?a&section=2", "differences": "https://lms.example.org/d"},
        ),
        ("", {}),
    ],
)
def test_links_of_an_answer_are_read_as_rfc_8288_writes_them(header, found):
    headers = Message()
    if header:
        headers["Link"] = header
    assert services.links(http.Answer(200, headers, b""), "https://lms.example.org/members") == found


@pytest.mark.parametrize("header", ["next", '<http://[>; rel="next"', '</a; rel="next"', '</a> rel="next"'])
def test_a_link_that_cannot_be_read_is_an_error_and_no_end(header):
    headers = Message()
    headers["Link"] = header
    with pytest.raises(PlatformError) as refused:
        services.links(http.Answer(200, headers, b""), "https://lms.example.org/members")
    assert refused.value.reason == "platform.bad_link"
