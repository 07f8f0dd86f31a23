"""Request bodies, whole or in pieces, at the upstream's pace, and answers that come before their end."""

import asyncio

import pytest
from scripted_upstream import OK, answering, scripted, settle

from gateway.model.errors import Fault

HOST = [(b"Host", b"shop.example")]
MEGABYTE = b"m" * 1024 * 1024


async def pieces(*parts, wait=None):
    for part in parts:
        if wait is not None and part == parts[-1]:
            await wait.wait()
        yield part


@pytest.mark.parametrize(
    ("body", "length", "framing"),
    [
        (None, None, b"\r\n\r\n"),
        (b"", None, b"Content-Length: 0\r\n\r\n"),
        (b"abc", None, b"Content-Length: 3\r\n\r\nabc"),
        ([b"a", b"", b"bc"], 3, b"Content-Length: 3\r\n\r\nabc"),
        ([b"a", b"", b"b" * 17], None, b"chunked\r\n\r\n1\r\na\r\n11\r\n" + b"b" * 17 + b"\r\n0\r\n\r\n"),
        ([], None, b"chunked\r\n\r\n0\r\n\r\n"),
    ],
    ids=["none", "empty", "bytes", "pieces of known length", "pieces", "no pieces"],
)
async def test_request_body_on_the_wire(body, length, framing):
    async with scripted(answering(OK)) as server:
        pool = server.pool()
        content = pieces(*body) if isinstance(body, list) else body
        for _ in range(1 if isinstance(body, list) else 2):
            response = await pool.request("POST", b"/a%2Fb?", HOST, content, content_length=length)
            assert await response.read(10) == b"ok"
        assert server.requests[-1].startswith(b"POST /a%2Fb? HTTP/1.1\r\nHost: shop.example\r\n")
        assert server.requests[-1].endswith(framing)
        await pool.request("GET", b"/", HOST)
        assert server.connections == 1
        pool.abort()


@pytest.mark.parametrize(("length", "parts"), [(2, (b"abc",)), (4, (b"abc",)), (1, (b"ab", b"c"))])
async def test_body_of_another_length_than_announced_is_never_a_request(length, parts):
    async with scripted(answering(OK)) as server:
        pool = server.pool()
        with pytest.raises(Fault) as caught:
            await pool.request("POST", b"/", HOST, pieces(*parts), content_length=length)
        assert caught.value.code == "internal_error"
        assert pool.stats.open == 0


async def test_error_of_the_body_reaches_the_caller_and_ends_the_connection():
    class ClientGoneError(Exception):
        pass

    async def broken():
        yield b"first"
        raise ClientGoneError

    async with scripted(answering(OK)) as server:
        pool = server.pool()
        with pytest.raises(ClientGoneError):
            await pool.request("POST", b"/", HOST, broken())
        assert pool.stats.open == 0
        assert server.requests == []


async def test_upload_waits_for_a_slow_upstream():
    go = asyncio.Event()
    taken = 0

    async def sleepy(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(OK)

    async def endless():
        nonlocal taken
        for _ in range(64):
            taken += 1
            yield MEGABYTE

    async with scripted(sleepy) as server:
        pool = server.pool()
        task = asyncio.create_task(pool.request("POST", b"/", HOST, endless()))
        await asyncio.sleep(0.1)
        assert taken < 32  # the sockets' buffers and no more
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.stats.open == 0


async def test_upload_that_the_upstream_does_not_take_times_out():
    async def deaf(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()

    async with scripted(deaf) as server:
        pool = server.pool(upstream_idle_timeout=0.1)
        with pytest.raises(Fault) as caught:
            await pool.request("POST", b"/", HOST, pieces(*[MEGABYTE] * 64))
        assert caught.value.code == "upstream_timeout"


SLOW = {"first": (b"b",), "second": (b"a", b"b"), "after a large one": (MEGABYTE * 16, b"b")}


@pytest.mark.parametrize("parts", SLOW.values(), ids=SLOW)
async def test_slow_client_is_no_timeout_of_the_upstream(parts):
    wait = asyncio.Event()

    async def patient(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            tail = tail[-7:] + await reader.read(1 << 20)
        writer.write(OK)
        await reader.read()

    async with scripted(patient) as server:
        pool = server.pool(upstream_idle_timeout=0.05, upstream_first_byte_timeout=0.05)
        task = asyncio.create_task(pool.request("POST", b"/", HOST, pieces(*parts, wait=wait)))
        await asyncio.sleep(0.2)
        wait.set()
        assert await (await task).read(10) == b"ok"
        pool.abort()


@pytest.mark.parametrize("waits_for", ["client", "upstream"])
async def test_early_refusal_stops_the_upload_and_closes(waits_for):
    go = asyncio.Event()

    async def refusing(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n")
        await go.wait()
        writer.write(b"no")
        await asyncio.Event().wait()

    async with scripted(refusing) as server:
        pool = server.pool()
        body = pieces(b"a", b"b", wait=asyncio.Event()) if waits_for == "client" else pieces(*[MEGABYTE] * 64)
        response = await pool.request("POST", b"/", HOST, body)
        await settle(lambda: body.ag_frame is None)  # closed, not left hanging
        go.set()
        assert (response.head.status, await response.read(10)) == (413, b"no")
        assert pool.stats.open == 0


async def test_large_body_has_time_as_long_as_it_moves():
    async def slow(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(16):
            await asyncio.sleep(0.03)
            await reader.readexactly(len(MEGABYTE))
        writer.write(OK)
        await reader.read()

    async with scripted(slow) as server:
        pool = server.pool(upstream_first_byte_timeout=0.2, upstream_idle_timeout=0.2)
        response = await pool.request("PUT", b"/", HOST, MEGABYTE * 16)
        assert await response.read(10) == b"ok"
        pool.abort()


async def test_large_body_that_does_not_move_times_out():
    async def deaf(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()

    async with scripted(deaf) as server:
        pool = server.pool(upstream_first_byte_timeout=0.05, upstream_idle_timeout=0.05)
        with pytest.raises(Fault) as caught:
            await pool.request("PUT", b"/", HOST, MEGABYTE * 16)
        assert caught.value.code == "upstream_timeout"


async def test_early_success_lets_the_upload_go_on():
    wait = asyncio.Event()

    async def echoing(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await reader.readexactly(1)
        writer.write(b"a")
        await reader.readexactly(1)
        writer.write(b"b")
        await reader.read()

    async with scripted(echoing) as server:
        pool = server.pool()
        response = await pool.request("POST", b"/", HOST, pieces(b"a", b"b", wait=wait), content_length=2)
        assert await anext(response) == b"a"
        wait.set()
        assert await anext(response) == b"b"
        assert response.complete
        assert pool.stats.idle == 1
        pool.abort()


async def test_answer_that_ends_before_its_request_closes():
    never = asyncio.Event()

    async def hasty(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()

    async with scripted(hasty) as server:
        pool = server.pool()
        response = await pool.request("POST", b"/", HOST, pieces(b"a", b"b", wait=never))
        assert await response.read(10) == b"ok"
        assert pool.stats.open == 0


async def test_answer_before_a_large_body_is_taken_closes():
    async def hasty(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await asyncio.Event().wait()

    async with scripted(hasty) as server:
        pool = server.pool()
        response = await pool.request("PUT", b"/", HOST, MEGABYTE * 16)
        assert await response.read(10) == b"ok"
        assert pool.stats.open == 0
