"""WebSocket: the handshake on both sides, then bytes both ways."""

import asyncio

import pytest
from data_port import data_port
from scripted_upstream import OK, answering

from gateway.ingress.tunnel import accept_of

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
OFFER = [
    b"Host: shop.example",
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: WebSocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Protocol: chat",
]
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)


def handshake(*without: bytes, target: bytes = b"/talk/1", method: bytes = b"GET", more: bytes = b"") -> bytes:
    lines = [line for line in OFFER if not line.startswith(without or b"-")]
    return b"%b %b HTTP/1.1\r\n%b\r\n%b\r\n" % (method, target, b"\r\n".join(lines), more)


async def echo(server, reader, writer):
    await server.read_request(reader)
    writer.write(SWITCH % ACCEPT + b"hello")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def test_the_key_of_rfc_6455():
    assert accept_of(KEY) == ACCEPT


async def test_bytes_flow_both_ways():
    async with data_port(echo) as port:
        client = await port.connect()
        await client.send(handshake() + b"early")
        head = await client.head()
        assert head.line == b"HTTP/1.1 101 Switching Protocols"
        assert head.all(b"sec-websocket-accept") == [ACCEPT]
        assert head.all(b"sec-websocket-protocol") == [b"chat"]
        assert head.all(b"connection") == [b"Upgrade"]
        assert await client.reader.readexactly(10) == b"helloearly"
        await client.send(b"\x81\x80\x00\xff")
        assert await client.reader.readexactly(4) == b"\x81\x80\x00\xff"
        (request,) = port.upstream.requests
        assert request.count(b"Upgrade") == 2
        assert request.count(b"Sec-WebSocket-Key: " + KEY) == 1
        await client.close()
        await port.upstream.ended.wait()
        await port.settle(lambda: not port.server.in_flight)


async def test_much_flows_through():
    async with data_port(echo) as port:
        client = await port.connect()
        await client.send(handshake())
        await client.head()
        await client.reader.readexactly(5)
        size = 4 * 1024 * 1024

        async def pour():
            for _ in range(size // 65536):
                await client.send(b"x" * 65536)

        pouring = asyncio.create_task(pour())
        async with asyncio.timeout(10):
            assert await client.reader.readexactly(size) == b"x" * size
        await pouring


async def test_the_end_of_the_upstream_is_the_end():
    async def short(server, reader, writer):
        await server.read_request(reader)
        writer.write(SWITCH % ACCEPT + b"bye")

    async with data_port(short) as port:
        client = await port.connect()
        await client.send(handshake())
        await client.head()
        assert await client.rest() == b"bye"


async def test_an_idle_tunnel_ends():
    async with data_port(echo, websocket_idle_timeout=0.1) as port:
        client = await port.connect()
        await client.send(handshake())
        await client.head()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(100)
        await port.upstream.ended.wait()


async def test_a_drain_ends_tunnels():
    async with data_port(echo) as port:
        client = await port.connect()
        await client.send(handshake())
        await client.head()
        await client.reader.readexactly(5)
        async with asyncio.timeout(5):
            await port.server.drain(5)
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (handshake(target=b"/other"), 501, "upgrade_refused"),
        (handshake(b"Sec-WebSocket-Key"), 400, "bad_request"),
        (handshake(b"Sec-WebSocket-Key", more=b"Sec-WebSocket-Key: abcd\r\n"), 400, "bad_request"),
        (handshake(b"Sec-WebSocket-Key", more=b"Sec-WebSocket-Key: ***\r\n"), 400, "bad_request"),
        (handshake(more=b"Sec-WebSocket-Key: " + KEY + b"\r\n"), 400, "bad_request"),
        (handshake(b"Sec-WebSocket-Version", more=b"Sec-WebSocket-Version: 8\r\n"), 400, "bad_request"),
        (handshake(method=b"POST"), 400, "bad_request"),
        (handshake(more=b"Content-Length: 1\r\n") + b"x", 400, "bad_request"),
    ],
)
async def test_what_is_no_handshake_here(raw, status, code):
    async with data_port(lingering_time=0.1) as port:
        answer = await port.ask(raw)
        assert (answer.status, answer.code) == (status, code)
        assert port.upstream.connections == 0


@pytest.mark.parametrize("raw", [handshake(b"Connection"), handshake(b"Upgrade", more=b"Upgrade: h2c, websocket\r\n")])
async def test_other_upgrades_are_not_offered_on(raw):
    async with data_port() as port:
        client = await port.connect()
        await client.send(raw)
        assert (await client.answer()).body == b"ok"
        assert not any(b"pgrade" in request for request in port.upstream.requests)


async def test_an_upstream_that_declines_is_heard():
    async with data_port(answering(OK.replace(b"200 OK", b"403 Forbidden"))) as port:
        client = await port.connect()
        await client.send(handshake(), b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.answer()).status == 403
        assert (await client.answer()).status == 403


async def test_an_answer_that_does_not_fit_the_key_is_refused():
    async def wrong(server, reader, writer):
        await server.read_request(reader)
        writer.write(SWITCH % b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        await reader.read(1)

    async with data_port(wrong) as port:
        answer = await port.ask(handshake())
        assert (answer.status, answer.code) == (502, "upstream_broken")
        await port.upstream.ended.wait()
