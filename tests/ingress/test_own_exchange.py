"""Pages of the gateway's own over real sockets: framing, limits, counts and failures as everywhere."""

import asyncio
import logging

import pytest
from data_port import data_port
from messages import HOST, ask

from gateway.model.errors import Fault, Source, StoreDown
from gateway.model.words import Posture
from gateway.runtime.own_pages import OWN_PAGES, OwnAnswer

OTHER = ask(target=b"/other")


class Pages:
    """Answers `/own` by telling what it was asked, or fails as `fault` says."""

    body_limit = 10
    fault: Exception | None = None
    status = 200

    def __init__(self, gateway=None):
        self.asked = []
        self.closed = False

    def owns(self, target):
        return target.startswith(b"/own")

    async def answer(self, head, body):
        self.asked.append((head.method, head.target, body))
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        return OwnAnswer(self.status, ((b"Content-Type", b"text/plain"), (b"Set-Cookie", b"a=b")), b"page")

    def close(self):
        self.closed = True


def own_port(pages, **more):
    return data_port(own_pages=lambda _: pages, **more)


def counted(port):
    return {
        status: count
        for route, status, count in port.gateway.services.metrics.snapshot().exchanges
        if route == OWN_PAGES
    }


async def test_an_owned_target_is_answered_and_goes_nowhere():
    pages = Pages()
    async with own_port(pages) as port:
        client = await port.connect()
        for method, body in ((b"GET", None), (b"POST", b"a=1"), (b"POST", b""), (b"HEAD", None), (b"GET", None)):
            await client.send(ask(method=method, target=b"/own?x", body=body))
            answer = await client.answer(method.decode())
            assert (answer.status, answer.body) == (200, b"" if method == b"HEAD" else b"page")
            assert answer.fields[:2] == [(b"content-type", b"text/plain"), (b"set-cookie", b"a=b")]
            assert (answer.all(b"content-length"), len(answer.all(b"date"))) == ([b"4"], 1)
        assert port.upstream.requests == []
        await client.send(OTHER)
        assert (await client.answer()).body == b"ok"
        assert counted(port) == {200: 5}
        assert port.gateway.services.metrics.in_flight == 0
    assert pages.asked[1] == ("POST", b"/own?x", b"a=1")


async def test_a_body_in_chunks_is_read_whole():
    pages = Pages()
    async with own_port(pages) as port:
        client = await port.connect()
        head = b"POST /own HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        await client.send(head)
        assert (await client.head()).status == 100
        await client.send(b"3\r\na=1\r\n", b"2\r\n&b\r\n0\r\n\r\n")
        assert (await client.answer()).status == 200
    assert pages.asked == [("POST", b"/own", b"a=1&b")]


@pytest.mark.parametrize(
    "raw",
    [
        ask(method=b"POST", target=b"/own", body=b"x" * 11),
        b"POST /own HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
    ],
)
async def test_a_body_over_the_limit_is_refused(raw):
    pages = Pages()
    async with own_port(pages) as port:
        answer = await port.ask(raw)
        assert (answer.status, answer.code, answer.all(b"connection")) == (413, "over_size", [b"close"])
        assert counted(port) == {413: 1}
        assert port.gateway.services.metrics.in_flight == 0
    assert pages.asked == []


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (StoreDown(Posture.CONSENT_STORE_DOWN, "down"), 503, "consent_store_down"),
        (StoreDown(Posture.AUDIT_UNAVAILABLE, "down"), 503, "audit_unavailable"),
        (Fault("bad_request", Source.CLIENT, "why"), 400, "bad_request"),
        (KeyError("ada@example.org"), 500, "internal_error"),
    ],
)
async def test_a_page_that_fails_becomes_a_refusal(fault, status, code, caplog):
    pages = Pages()
    pages.fault = fault
    caplog.set_level(logging.CRITICAL, "gateway.ingress")
    async with own_port(pages) as port:
        answer = await port.ask(ask(target=b"/own"))
        assert (answer.status, answer.code) == (status, code)
        assert b"ada" not in answer.body
        assert counted(port) == {status: 1}


async def test_an_answer_without_content_has_no_length():
    pages = Pages()
    pages.status = 304
    async with own_port(pages) as port:
        client = await port.connect()
        for _ in range(2):
            await client.send(ask(target=b"/own"))
            answer = await client.answer()
            assert (answer.status, answer.all(b"content-length")) == (304, [])


async def test_a_client_of_http_1_0_is_answered_and_let_go():
    async with own_port(Pages()) as port:
        client = await port.connect()
        await client.send(b"GET /own HTTP/1.0\r\n" + HOST + b"\r\n")
        answer = await client.answer()
        assert (answer.body, answer.all(b"connection")) == (b"page", [b"close"])
        assert await client.rest() == b""


async def test_no_page_passes_a_websocket():
    pages = Pages()
    handshake = ask(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", target=b"/own")  # fmt: skip
    async with own_port(pages) as port:
        assert (await port.ask(handshake)).code == "upgrade_refused"
    assert pages.asked == []


async def test_a_head_that_cannot_be_read_without_doubt_reaches_no_page():
    pages = Pages()
    async with own_port(pages) as port:
        raw = b"POST /own HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        assert (await port.ask(raw)).status == 400
    assert pages.asked == []


async def test_a_connection_ends_after_its_share_of_requests_and_while_draining():
    async with own_port(Pages(), keepalive_requests=2) as port:
        client = await port.connect()
        await client.send(ask(target=b"/own"))
        assert (await client.answer()).all(b"connection") == []
        await client.send(ask(target=b"/own"))
        assert (await client.answer()).all(b"connection") == [b"close"]


async def test_a_client_that_leaves_leaves_nothing_behind():
    class Slow(Pages):
        async def answer(self, head, body):
            self.asked.append(head.target)
            await client.close()
            await port.settle(lambda: port.server.connections == 0)
            return OwnAnswer(200, (), b"page")

    pages = Slow()
    async with own_port(pages) as port:
        client = await port.connect()
        await client.send(ask(target=b"/own"))
        await port.settle(lambda: pages.asked and not port.gateway.services.metrics.in_flight)
        assert (await port.ask(OTHER)).body == b"ok"
