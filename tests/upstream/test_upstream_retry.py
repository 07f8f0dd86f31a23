"""When a request is sent again, and when it must not be."""

import asyncio

import pytest
from scripted_upstream import OK, answering, scripted

from gateway.model.errors import Fault

HOST = [(b"Host", b"shop.example")]


async def fetch(pool, method="GET", body=None, **options):
    response = await pool.request(method, b"/", HOST, body, **options)
    return await response.read(1000)


RETRIED = [
    ("GET", None, True),
    ("HEAD", None, True),
    ("OPTIONS", None, True),
    ("GET", b"x", True),
    ("PUT", b"x", False),
    ("DELETE", None, False),
    ("POST", b"x", False),
    ("PATCH", b"x", False),
]


def dropping(after=b""):
    """Answer once, then read the next request, say `after`, and hang up."""

    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        await server.read_request(reader)
        writer.write(after)
        await writer.drain()

    return script


@pytest.mark.parametrize(("method", "body", "retried"), RETRIED)
async def test_retry_of_a_reused_connection(method, body, retried):
    async with scripted(dropping(), answering(OK)) as server:
        pool = server.pool()
        await fetch(pool)
        if retried:
            await fetch(pool, method, body)
            assert pool.stats.retries == 1
        else:
            with pytest.raises(Fault) as caught:
                await fetch(pool, method, body)
            assert caught.value.code == "upstream_broken"
        assert len(server.requests) == (3 if retried else 2)
        assert server.connections == (2 if retried else 1)
        pool.abort()


async def test_no_retry_after_a_byte_of_the_answer():
    async with scripted(dropping(after=b"H"), answering(OK)) as server:
        pool = server.pool()
        await fetch(pool)
        with pytest.raises(Fault):
            await fetch(pool)
        assert server.connections == 1


async def test_no_retry_on_a_new_connection():
    async def mute(server, reader, writer):
        await server.read_request(reader)

    async with scripted(mute) as server:
        with pytest.raises(Fault) as caught:
            await fetch(server.pool())
        assert caught.value.code == "upstream_broken"
        assert server.connections == 1


async def test_retry_goes_once_and_to_a_new_connection():
    async def mute(server, reader, writer):
        await server.read_request(reader)

    async with scripted(dropping(), dropping(), mute) as server:
        pool = server.pool()
        await asyncio.gather(fetch(pool), fetch(pool))
        with pytest.raises(Fault):
            await fetch(pool)
        assert (server.connections, pool.stats.retries) == (3, 1)


async def test_nothing_goes_that_no_longer_stands_when_its_turn_comes():
    async def slow(server, reader, writer):
        await server.read_request(reader)
        await asyncio.sleep(0.2)
        writer.write(OK)
        await server.read_request(reader)
        writer.write(OK)

    async with scripted(slow) as server:
        pool = server.pool(upstream_pool_size=1)
        stands = True
        first = asyncio.create_task(fetch(pool))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(fetch(pool, still=lambda: stands))
        await asyncio.sleep(0.05)
        stands = False
        await first
        with pytest.raises(Fault) as caught:
            await second

        assert caught.value.code == "consent_changed"
        assert len(server.requests) == 1
        await fetch(pool)
        assert server.connections == 1
        pool.abort()
