"""A connection after 101: bytes both ways, at the slower side's pace."""

import asyncio

import pytest
from scripted_upstream import OK, answering, scripted

from gateway.model.errors import Fault

HOST = [(b"Host", b"shop.example")]
MEGABYTE = b"m" * 1024 * 1024
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


async def echo(server, reader, writer):
    await server.read_request(reader)
    writer.write(SWITCH + b"hello")
    while data := await reader.read(65536):
        writer.write(data.upper())
        await writer.drain()
    writer.write(b"bye")


async def test_websocket_handshake_hands_over_the_connection():
    async with scripted(echo) as server:
        pool = server.pool(upstream_pool_size=1)
        response = await pool.request("GET", b"/chat", HOST, upgrade=True)
        assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" in server.requests[0]
        assert response.head.status == 101
        tunnel = response.upgraded
        assert await tunnel.read() == b"hello"
        tunnel.write(b"abc")
        await tunnel.drain()
        assert await tunnel.read() == b"ABC"
        assert (pool.stats.open, pool._free) == (0, 1)  # a tunnel takes no place
        tunnel._transport.write_eof()
        assert await tunnel.read() == b"bye"
        assert await tunnel.read() == b""
        tunnel.close()
        with pytest.raises(ConnectionError):
            await tunnel.drain()


async def test_tunnel_has_backpressure_both_ways():
    sent = 0

    async def flood(server, reader, writer):
        nonlocal sent
        await server.read_request(reader)
        writer.write(SWITCH)
        for _ in range(64):
            writer.write(MEGABYTE)
            await writer.drain()
            sent += 1
        await asyncio.Event().wait()

    async with scripted(flood) as server:
        pool = server.pool()
        tunnel = (await pool.request("GET", b"/", HOST, upgrade=True)).upgraded
        await asyncio.sleep(0.1)
        assert sent < 32
        tunnel.write(MEGABYTE * 16)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await tunnel.drain()
        total = 0
        while total < 64 * len(MEGABYTE):
            total += len(await tunnel.read())
        pool.abort()  # closes tunnels as well
        with pytest.raises(ConnectionError):
            await tunnel.drain()


@pytest.mark.parametrize(
    "switch",
    [
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=["another protocol", "no Connection", "no Upgrade"],
)
async def test_switch_to_something_else_is_refused(switch):
    async with scripted(answering(switch)) as server:
        pool = server.pool()
        with pytest.raises(Fault) as caught:
            await pool.request("GET", b"/", HOST, upgrade=True)
        assert caught.value.code == "upstream_broken"
        assert pool.stats.open == 0


async def test_upstream_may_decline_the_upgrade():
    async with scripted(answering(OK)) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST, upgrade=True)
        assert response.upgraded is None
        assert await response.read(10) == b"ok"
        assert pool.stats.idle == 1
        pool.abort()
