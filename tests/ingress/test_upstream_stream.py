"""Bodies that flow both ways at the slower side's pace, and tunnels."""

import asyncio

import pytest
import uvloop
from scripted_upstream import OK, answering, scripted, settle

from gateway.ingress.upstream_response import HIGH
from gateway.model.errors import Fault

HOST = [(b"Host", b"shop.example")]
MEGABYTE = b"m" * 1024 * 1024
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request):
    return request.param()


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
