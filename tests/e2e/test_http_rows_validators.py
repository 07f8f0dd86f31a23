"""Rows of docs/http.md on validators, partial requests, caches and handshakes."""

import asyncio

import pytest
from certificates import write_certificate
from data_port import REWRITTEN, data_port
from messages import ask
from scripted_upstream import answering

from gateway.model.words import ConsentStatus
from gateway.runtime.settings import Tls
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

ROUTES = (
    REWRITTEN
    + """\
  - {name: read, match: {method: GET, path: /split}, to: shop, request: {rest: pass},
     response: {fields: {$.ssn: {is: government_id, for: service, as: drop}}, rest: pass}}
  - {name: write, match: {method: PUT, path: /split}, to: shop, request: {rest: pass}, response: {rest: pass}}
"""
)
JSON = b"Content-Type: application/json"
LEFT = b'{"email":"a@b.example"}'
ANN = b"X-User: ann@example.com"


def document(*lines: bytes, body: bytes = LEFT, status: bytes = b"200 OK") -> bytes:
    fields = (b"HTTP/1.1 " + status, JSON, *lines, b"Content-Length: %d" % len(body))
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


def under(*scripts):
    return data_port(*scripts, routes=ROUTES)


def under_limits(tls, **limits):
    return data_port(routes=ROUTES, tls=tls, **limits)


def members(answer) -> list[bytes]:
    return [member.strip() for value in answer.all(b"cache-control") for member in value.split(b",")]


async def test_row_29_a_tag_comes_back_on_a_route_that_only_writes():
    async with under(answering(document(b'ETag: "v1"'))) as port:
        seen = (await port.ask(ask(target=b"/split"))).all(b"etag")[0]
        await port.ask(ask(JSON, b"If-Match: " + seen, method=b"PUT", target=b"/split", body=LEFT))
        assert b'If-Match: "v1"\r\n' in port.upstream.requests[1]


async def test_row_29_what_consent_changed_has_another_tag():
    async with under(answering(document(b'ETag: "v1"', body=b'{"phone":"1"}'))) as port:
        before = await port.ask(ask(ANN, target=b"/mine"))
        services = port.gateway.services
        at = now_microseconds()
        services.consent.append(
            ConsentEvent(
                id=new_event_id(at),
                subject=await services.people.meet("ann@example.com"),
                purpose="ads",
                status=ConsentStatus.GIVEN,
                at=at,
                method="test",
            )
        )
        after = await port.ask(ask(ANN, target=b"/mine"))
        assert before.body != after.body
        assert before.all(b"etag") != after.all(b"etag")


async def test_row_29_what_is_no_entity_tag_validates_nothing():
    async with under(answering(document(b"ETag: v1"))) as port:
        assert (await port.ask(ask())).all(b"etag") != [b"v1"]


async def test_row_29_dates_cannot_validate_what_rules_rewrite():
    async with under(answering(document())) as port:
        await port.ask(ask(b"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"))
        assert b"if-modified-since" not in port.upstream.requests[0].lower()


async def test_row_31_a_partial_put_cannot_be_judged():
    async with under(answering(document())) as port:
        raw = ask(JSON, b"Content-Range: bytes 40-62/99", method=b"PUT", body=LEFT)
        assert (await port.ask(raw)).status == 400
        assert port.upstream.requests == []


async def test_row_35_a_private_field_is_not_a_private_answer():
    async with under(answering(document(b'Cache-Control: private="set-cookie", max-age=60'))) as port:
        assert b"private" in members(await port.ask(ask(ANN, target=b"/mine")))


@pytest.mark.parametrize("name", [b"CDN-Cache-Control", b"Surrogate-Control"])
async def test_row_35_no_word_to_a_shared_cache_overrules_private(name):
    async with under(answering(document(name + b": max-age=600"))) as port:
        assert not (await port.ask(ask(ANN, target=b"/mine"))).all(name.lower())


async def test_row_27_who_used_an_unknown_coding_learns_the_known_ones():
    async with under() as port:
        answer = await port.ask(ask(JSON, b"Content-Encoding: exi", method=b"POST", body=LEFT))
        assert (answer.status, bool(answer.all(b"accept-encoding"))) == (415, True)


async def test_row_50_a_tls_handshake_has_a_deadline(tmp_path):
    pem, private = write_certificate(tmp_path, "shop.example")
    async with under_limits(Tls(certificate=str(pem), key=str(private)), header_timeout=0.1) as port:
        silent = await port.connect()
        async with asyncio.timeout(1):
            assert await silent.reader.read() == b""
