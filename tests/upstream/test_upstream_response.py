"""Response bodies, whole or in pieces, at the client's pace."""

import asyncio

import pytest
from scripted_upstream import OK, answering, scripted, settle

from gateway.model.errors import Fault, Unreadable
from gateway.upstream.response import HIGH

HOST = [(b"Host", b"shop.example")]
MEGABYTE = b"m" * 1024 * 1024


@pytest.mark.parametrize("chunked", [False, True])
async def test_large_bodies_arrive_whole_in_pieces(chunked):
    async def large(server, reader, writer):
        await server.read_request(reader)
        if chunked:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(4):
                writer.write(b"100000\r\n" + MEGABYTE + b"\r\n")
            writer.write(b"0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * len(MEGABYTE)))
            writer.write(MEGABYTE * 4)
        await server.read_request(reader)
        writer.write(OK)

    async with scripted(large) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST)
        assert b"".join([piece async for piece in response]) == MEGABYTE * 4
        assert await (await pool.request("GET", b"/", HOST)).read(10) == b"ok"
        assert server.connections == 1
        pool.abort()


async def test_whole_reading_of_a_body_over_the_buffer():
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(MEGABYTE) + MEGABYTE
    async with scripted(answering(raw)) as server:
        pool = server.pool()
        for _ in range(2):
            response = await pool.request("GET", b"/", HOST)
            await asyncio.sleep(0.05)  # the buffer fills and the connection stops reading
            assert await response.read(len(MEGABYTE)) == MEGABYTE
        assert server.connections == 1
        pool.abort()


async def test_complete_body_that_nobody_took_holds_up_nobody():
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (HIGH + 1) + b"x" * (HIGH + 1)
    async with scripted(answering(raw)) as server:
        pool = server.pool()
        first = await pool.request("GET", b"/", HOST)
        await settle(lambda: first.complete)
        second = await pool.request("GET", b"/", HOST)
        assert len(await second.read(HIGH + 1)) == len(await first.read(HIGH + 1)) == HIGH + 1
        assert server.connections == 1
        pool.abort()


async def test_slow_reader_stops_the_upstream_and_is_no_timeout():
    sent = 0

    async def endless(server, reader, writer):
        nonlocal sent
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * len(MEGABYTE)))
        for _ in range(64):
            writer.write(MEGABYTE)
            await writer.drain()
            sent += 1

    async with scripted(endless) as server:
        pool = server.pool(upstream_idle_timeout=0.05)
        response = await pool.request("GET", b"/", HOST)
        await asyncio.sleep(0.3)
        assert sent < 32
        assert response._size < 4 * HIGH
        total = 0
        async for piece in response:
            total += len(piece)
        assert total == 64 * len(MEGABYTE)
        pool.abort()


@pytest.mark.parametrize(("size", "kept"), [(1000, True), (1000_000, False)], ids=["short", "long"])
async def test_released_rest_is_read_away_only_if_short(size, kept):
    async def parts(server, reader, writer):
        while await server.read_request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            await asyncio.sleep(0.02)
            writer.write(b"x" * size)

    async with scripted(parts) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST)
        response.release()
        if kept:
            await settle(lambda: pool.stats.idle == 1)
        assert pool.stats.open == kept
        pool.abort()


async def test_released_chunks_are_bounded_too():
    async def endless(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with scripted(endless) as server:
        pool = server.pool()
        (await pool.request("GET", b"/", HOST)).release()
        await settle(lambda: pool.stats.open == 0)


async def test_aborted_response_ends_its_connection_and_a_complete_one_does_not():
    async with scripted(answering(OK), answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST)
        response.abort()
        assert pool.stats.idle == 1
        pool._idle[0].abort()
        response = await pool.request("GET", b"/", HOST)
        response.abort()
        assert pool.stats.open == 0
        with pytest.raises(Fault):
            await anext(response)


async def test_a_complete_body_is_taken_at_once_and_held_to_the_limit():
    async with scripted(answering(OK)) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST)
        assert response.complete
        with pytest.raises(Unreadable) as caught:
            response.take_whole(1)
        assert caught.value.posture == "over_size"
        assert (await pool.request("GET", b"/", HOST)).take_whole(2) == b"ok"
        assert server.connections == 1
        pool.abort()
