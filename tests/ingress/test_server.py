"""Starting, draining, closing."""

import asyncio

import pytest
from data_port import data_port
from scripted_upstream import OK

from gateway.ingress.server import IngressServer
from gateway.ingress.settings import IngressSettings
from gateway.runtime.settings import Listener

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def held():
    """An upstream that answers when `release` is set."""
    release = asyncio.Event()

    async def script(server, reader, writer):
        while await server.read_request(reader):
            await release.wait()
            writer.write(OK)

    return release, script


async def test_a_drain_finishes_what_is_under_way_and_closes_the_rest():
    release, script = held()
    async with data_port(script) as port:
        busy, idle, silent = [await port.connect() for _ in range(3)]
        release.set()
        await idle.send(GET)
        await idle.answer()
        release.clear()
        await busy.send(GET)
        await port.settle(lambda: port.server.in_flight)
        await port.settle(lambda: port.server.connections == 3)
        address = port.server.addresses[0]
        draining = asyncio.create_task(port.server.drain(10))
        assert await idle.rest() == b""
        assert await silent.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        assert not draining.done()
        release.set()
        answer = await busy.answer()
        assert (answer.body, answer.all(b"connection")) == (b"ok", [b"close"])
        async with asyncio.timeout(5):
            await draining
        assert port.server.connections == 0


async def test_a_drain_has_an_end():
    async def silent(server, reader, writer):
        await server.read_request(reader)
        await reader.read(1)

    async with data_port(silent) as port:
        client = await port.connect()
        await client.send(GET)
        await port.settle(lambda: port.server.in_flight)
        async with asyncio.timeout(5):
            await port.server.drain(0.1)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.answer()
        await port.upstream.ended.wait()


async def test_a_drain_lets_a_slow_client_have_its_answer():
    size = 8 * 1024 * 1024

    async def large(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    async with data_port(large) as port:
        client = await port.connect(limit=1024)
        await client.send(GET)
        await port.settle(lambda: port.server.in_flight)
        draining = asyncio.create_task(port.server.drain(10))
        received = 0
        async with asyncio.timeout(10):
            while piece := await client.reader.read(1 << 20):
                received += len(piece)
        assert received > size
        await draining


async def test_an_address_in_use_is_an_error_and_nothing_listens():
    async with data_port() as port:
        listeners = (Listener("127.0.0.1", 0), Listener("192.0.2.1", 1))
        server = IngressServer(port.gateway, None, IngressSettings(listeners=listeners))
        with pytest.raises(OSError, match="annot assign"):
            await server.start()
        assert server.addresses == []
