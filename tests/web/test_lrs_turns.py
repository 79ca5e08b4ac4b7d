"""Statements are stored by one request of a process after the other, and nobody stands in the way for long."""

import json
import socket
from base64 import b64encode
from urllib.parse import urlsplit

from lti_mentor.web.lrs_statements import TURN
from tests.support.record_store import post, statement


def test_a_sender_who_is_slow_holds_up_nobody(lrs_client):
    body = json.dumps(statement()).encode()
    key = b64encode(":".join(lrs_client.key).encode()).decode()
    place = urlsplit(lrs_client.address)
    head = (
        f"POST /xapi/statements HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Basic {key}\r\n"
        f"Content-Type: application/json\r\nX-Experience-API-Version: {lrs_client.version}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), timeout=20) as slow:
        slow.sendall(head.encode() + body[:100])
        post(lrs_client, statement())
        assert not TURN.locked(), "the turn begins when all is here"
        slow.sendall(body[100:])
        assert slow.recv(100).startswith(b"HTTP/1.1 200")


def test_whoever_waits_long_for_the_turn_goes_on_without_it(lrs_client):
    with TURN:
        post(lrs_client, statement())
    assert not TURN.locked()
    post(lrs_client, statement(verb="wrong"), 400)
    assert not TURN.locked()
