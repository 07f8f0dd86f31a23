"""Fail closed: what cannot be read, reached or recorded is refused by name, and nothing of it goes on."""

import gzip
import json
import resource

import pytest
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream, answer

ROUTES = """
routes:
  - name: things
    match: {method: [POST, GET], path: /things}
    to: shop
    body_limit: 20000
    request:
      fields:
        $.email: {is: contact.email, for: service}
    response:
      fields:
        $.email: {is: contact.email, for: service}
      rest: pass
"""
JSON = "Content-Type: application/json"
PLANT = b"planted-value"
GOOD = b'{"email":"planted-value"}'


@pytest.fixture(scope="module")
def shop():
    with RecordingUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(shop, tmp_path_factory):
    with GatewayProcess(tmp_path_factory.mktemp("refusals"), rules(ROUTES, shop.url)) as running:
        yield running


def raw(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def things(body: bytes, *headers: str) -> bytes:
    return request("POST", "/things", body, *(headers or (JSON,)))


BOMB = gzip.compress(b'{"email":"' + b"a" * 60_000_000 + b'"}')[:]
CASES = {
    "broken JSON": (things(b'{"email":"planted-value"'), 400, "unparsable_body"),
    "trailing bytes": (things(GOOD + b"x"), 400, "unparsable_body"),
    "NaN": (things(b'{"email":"planted-value","n":NaN}'), 400, "unparsable_body"),
    "byte order mark": (things(b"\xef\xbb\xbf" + GOOD), 400, "unparsable_body"),
    "invalid UTF-8": (things(b'{"email":"planted-value\xff"}'), 415, "undecodable_charset"),
    "duplicate key": (things(b'{"email":"a","email":"planted-value"}'), 400, "duplicate_key"),
    "too deep": (things(b'{"email":"planted-value","d":' + b"[" * 100 + b"]" * 100 + b"}"), 400, "too_deep"),
    "unknown media type": (things(GOOD, "Content-Type: application/x-unknown"), 415, "unknown_media_type"),
    "two media types": (things(GOOD, JSON, "Content-Type: text/plain"), 400, None),
    "unknown coding": (things(GOOD, JSON, "Content-Encoding: exi"), 415, "unknown_content_coding"),
    "mislabelled coding": (things(GOOD, JSON, "Content-Encoding: gzip"), 400, "unparsable_body"),
    "unlabelled coding": (things(gzip.compress(GOOD)), 415, "undecodable_charset"),
    "other charset": (things(GOOD, JSON + "; charset=utf-7"), 415, "undecodable_charset"),
    "over size": (things(b'{"email":"' + PLANT * 2000 + b'"}'), 413, "over_size"),
    "expansion": (things(BOMB[:19_000], JSON, "Content-Encoding: gzip"), None, None),
    "length and chunks": (
        raw("POST /things HTTP/1.1", "Host: a", JSON, "Content-Length: 3", "Transfer-Encoding: chunked",
            body=b"0\r\n\r\n" + PLANT), 400, "ambiguous_framing"),
    "two lengths": (
        raw("POST /things HTTP/1.1", "Host: a", JSON, "Content-Length: 2", "Content-Length: 3", body=PLANT), 400, None),
    "two hosts": (raw("GET /things HTTP/1.1", "Host: a", "Host: planted-value"), 400, None),
    "coded transfer": (
        raw("POST /things HTTP/1.1", "Host: a", JSON, "Transfer-Encoding: gzip, chunked",
            body=b"d\r\n" + PLANT + b"\r\n0\r\n\r\n"), 501, "not_implemented"),
    "space before colon": (raw("GET /things HTTP/1.1", "Host: a", "X-A : planted-value"), 400, None),
    "folded header": (raw("GET /things HTTP/1.1", "Host: a", "X-A: b", " planted-value"), 400, None),
    "long line": (raw("GET /things?" + "planted-value" * 2000 + " HTTP/1.1", "Host: a"), 414, None),
    "long headers": (raw("GET /things HTTP/1.1", "Host: a", "X-A: " + "planted-value" * 8000), 431, None),
    "HTTP/2.0": (raw("GET /things HTTP/2.0", "Host: planted-value"), 505, None),
    "two views of a path": (raw("GET /other%2f..%2fthings HTTP/1.1", "Host: a"), None, None),
    "tunnel": (raw("CONNECT planted-value:443 HTTP/1.1", "Host: planted-value"), 405, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_p1_refused_by_name_and_nothing_of_it_at_the_upstream(gateway, shop, name):
    message, status, code = CASES[name]
    before = len(shop.requests)
    client = Client(gateway.port)
    got, head, body = client.send(message)
    client.close()

    assert got >= 400
    if status is not None:
        assert got == status
    assert b"application/problem+json" in head
    problem = json.loads(body)
    if code is not None:
        assert problem["code"] == code
    assert PLANT not in head + body
    assert len(shop.requests) == before
    assert PLANT not in gateway.log.read_bytes()


def test_a_dead_upstream_is_a_502(tmp_path):
    with GatewayProcess(tmp_path, rules(ROUTES, "http://127.0.0.1:9")) as gateway:
        client = Client(gateway.port)
        status, _, body = client.send(things(GOOD))
        client.close()

    assert (status, json.loads(body)["code"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize("broken", [b"{broken", b'{"email":1,"email":2}', b"<html>planted-value"])
def test_an_unreadable_answer_is_a_502_without_its_content(tmp_path, broken):
    reply = answer(broken, JSON, status="500 Internal Server Error")
    with RecordingUpstream(answer=reply) as shop, GatewayProcess(tmp_path, rules(ROUTES, shop.url)) as gateway:
        client = Client(gateway.port)
        status, _, body = client.send(request("GET", "/things"))
        client.close()

    assert status == 502
    assert PLANT not in body


def test_p2_a_full_disk_for_the_log_stops_disclosure_and_service_resumes(tmp_path):
    with RecordingUpstream() as shop, GatewayProcess(tmp_path, rules(ROUTES, shop.url)) as gateway:
        client = Client(gateway.port)
        for pid in gateway.workers():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
        for _ in range(400):
            before = len(shop.requests)
            status, _, body = client.send(things(GOOD))
            if status != 200:
                break
        assert (status, json.loads(body)["code"]) == (503, "audit_unavailable")
        assert len(shop.requests) == before
        for pid in gateway.workers():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert client.send(things(GOOD))[0] == 200
        client.close()
    assert cli("audit", "verify", gateway.state, "--allow-unanchored", check=False).returncode == 0
