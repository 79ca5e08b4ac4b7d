"""What is sent along with statements, and signatures. The ids are those of the xAPI LRS conformance requirements."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.record_store import ANN, CONFIRMED, found, one, post, put, statement
from tests.support.several_parts import written
from xapi import multipart
from xapi.multipart import Part

SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"


def attached(content, **changes):
    return {
        "usageType": "https://lms.example.org/certificate",
        "display": {"en": "Certificate"},
        "contentType": "application/pdf",
        "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
    } | changes


def part(content, **changes):
    headers = {
        "Content-Type": "application/pdf",
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": hashlib.sha256(content).hexdigest(),
    } | changes
    return Part({name: value for name, value in headers.items() if value}, content)


def send(client, given, *parts, status=200, first="application/json", boundary="3f1b"):
    body = written([Part({"Content-Type": first}, json.dumps(given).encode()), *parts], "3f1b")
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    answer = client.ask("POST", "statements", {}, body, **headers)
    assert answer.status_code == status, answer.text
    return answer


PDF, PICTURE = b"%PDF-\r\n--not a boundary\r\n\x00\xff", b"\x89PNG\r\n\r\n"


def test_attachments_come_back_as_they_were_sent(lrs_client):
    """XAPI-00161, XAPI-00167; Part Two, 2.4.11."""
    first = statement(attachments=[attached(PDF), attached(PICTURE, contentType="image/png")])
    second = statement(attachments=[attached(PDF), attached(b"x", fileUrl="https://lms.example.org/x")])
    send(lrs_client, [first, second], part(PDF), part(PICTURE))
    for query, contents in (({}, [PDF, PICTURE]), ({"statementId": second["id"]}, [PDF])):
        plain = lrs_client.get("statements", {**query, "attachments": "false"})
        assert plain.headers["Content-Type"] == "application/json"
        answer = lrs_client.get("statements", {**query, "attachments": "true"})
        kind, _, boundary = answer.headers["Content-Type"].partition("; boundary=")
        assert kind == "multipart/mixed"
        said, *others = multipart.parts(answer.content, boundary)
        assert (said.headers["content-type"], json.loads(said.content)) == ("application/json", plain.json())
        assert multipart.contents(others) == {hashlib.sha256(each).hexdigest(): each for each in contents}
        assert [each.content for each in others if each.headers["content-type"] == "image/png"] == contents[1:]


def test_whoever_only_names_a_content_does_not_get_it(lrs_server, lrs_session):
    """An address in place of the content; the other one has sent it."""
    owner, other = (lrs_server.client(lrs_session, organization="Named") for _ in range(2))
    given, naming = (statement(attachments=[attached(PDF, fileUrl="https://lms.example.org/x")]) for _ in range(2))
    send(owner, given, part(PDF))
    post(other, naming)
    for said, has_it in ((naming, False), (given, True)):
        answer = other.get("statements", {"statementId": said["id"], "attachments": "true"})
        assert (PDF in answer.content) is has_it


def test_a_statement_without_attachments_may_come_in_parts_too(lrs_client):
    given = statement(attachments=[attached(b"x", fileUrl="https://lms.example.org/x")])
    send(lrs_client, [given, statement()])
    put(lrs_client, given)


NO_FIT: list[tuple[list[Part], dict[str, str]]] = [
    ([], {}),  # XAPI-00129: nothing came along
    ([part(PDF), part(PICTURE)], {}),  # XAPI-00128: more than is named
    ([part(PDF, **{"X-Experience-API-Hash": ""})], {}),  # XAPI-00132
    ([part(PDF, **{"X-Experience-API-Hash": "a" * 64})], {}),
    ([part(PICTURE, **{"X-Experience-API-Hash": hashlib.sha256(PDF).hexdigest()})], {}),
    ([Part({"Content-Type": "application/json"}, json.dumps(statement()).encode()), part(PDF)], {}),  # XAPI-00133
    ([part(PDF)], {"first": "text/plain"}),  # XAPI-00134
    ([part(PDF, **{"Content-Transfer-Encoding": "base64"})], {}),  # XAPI-00135
    ([part(PDF, **{"Content-Transfer-Encoding": ""})], {}),
    ([part(PDF)], {"boundary": "another"}),  # XAPI-00131
]


def test_parts_that_do_not_fit_the_statements_are_refused(lrs_client):
    for parts, options in NO_FIT:
        given = statement(attachments=[attached(PDF)])
        answer = send(lrs_client, given, *parts, status=400, **options)
        assert "Part Three, 1.5.2" in answer.json()["message"]
        one(lrs_client, given["id"], 404)


def test_an_attachment_without_an_address_does_not_come_in_json(lrs_client):
    """XAPI-00129"""
    post(lrs_client, statement(attachments=[attached(PDF)]), 400)


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key=KEY):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Issuer")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return base64.b64encode(made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


def signed(given, payload=None, algorithm="RS256", **headers):
    """The statement with its signature, and the part that has it."""
    key = KEY if algorithm.startswith("RS") else "s" * 64
    content = jwt.api_jws.encode(json.dumps(payload or given).encode(), key, algorithm, headers).encode()
    attachment = attached(content, usageType=SIGNATURE, contentType="application/octet-stream")
    return given | {"attachments": [attachment]}, part(content, **{"Content-Type": "application/octet-stream"})


def test_a_signed_statement_is_taken_when_the_signature_is_over_it(lrs_client):
    """XAPI-00115, XAPI-00117."""
    for algorithm in ("RS256", "RS384", "RS512"):
        given = statement(result={"duration": "PT1.23S"})
        send(lrs_client, *signed(given, algorithm=algorithm, x5c=[certificate()]))
        same = statement(result={"duration": "PT1.23S"})
        send(lrs_client, *signed(same, same | {"result": {"duration": "PT1.239S"}}, algorithm))


def test_a_signature_over_something_else_is_refused(lrs_client):
    """XAPI-00115, XAPI-00116, XAPI-00117."""
    other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    given = statement()
    whole, sent = signed(given)
    wrong_type = attached(sent.content, usageType=SIGNATURE, contentType="text/plain")
    no_signature = attached(b"no", usageType=SIGNATURE, contentType="application/octet-stream")
    for body, sent_along in (
        signed(given, statement()),
        signed(given, given | {"verb": {"id": CONFIRMED}}),
        signed(given, {"actor": ANN}),
        signed(given, algorithm="HS256"),
        signed(given, x5c=[certificate(other_key)]),
        signed(given, x5c=["no certificate"]),
        (given | {"attachments": [wrong_type]}, sent),
        (given | {"attachments": [no_signature]}, part(b"no")),
    ):
        answer = send(lrs_client, body, sent_along, status=400)
        assert "Part Two" in answer.json()["message"]
    post(lrs_client, whole | {"attachments": [whole["attachments"][0] | {"fileUrl": "https://lms.example.org/s"}]}, 400)
    one(lrs_client, given["id"], 404)


def test_statements_of_another_organization_are_never_seen(lrs_server, lrs_session):
    client, theirs = lrs_server.client(lrs_session), lrs_server.client(lrs_session)
    given = statement(attachments=[attached(PDF)])
    send(client, given, part(PDF))
    assert found(theirs) == []
    one(theirs, given["id"], 404)
    attachment = attached(PDF, fileUrl="https://lms.example.org/x")
    post(theirs, given | {"verb": {"id": CONFIRMED}, "attachments": [attachment]})
    answer = theirs.get("statements", {"attachments": "true"})
    assert PDF not in answer.content
