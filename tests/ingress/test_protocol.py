"""Connections: pipelining, persistence, deadlines, caps."""

import asyncio

import pytest
from data_port import data_port
from scripted_upstream import OK, answering

from gateway.upstream.hops import Forwarding

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


async def test_pipelined_requests_are_answered_in_order():
    async def numbered(server, reader, writer):
        while request := await server.read_request(reader):
            number = request.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(number), number))

    async with data_port(numbered) as port:
        client = await port.connect()
        await client.send(b"".join(GET % number for number in range(100)))
        assert [(await client.answer()).body for _ in range(100)] == [b"/%d" % number for number in range(100)]


async def test_a_broken_body_after_a_good_request_ends_the_connection():
    async with data_port(lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(GET % 1)
        assert (await client.answer()).status == 200
        await client.send(b"POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await port.settle(lambda: port.server.in_flight)
        await client.send(b"zz\r\n")
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "ambiguous_framing")
        await client.rest()
        assert len(port.upstream.requests) == 1


async def test_bytes_after_a_refused_head_are_never_a_request():
    async with data_port(lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(b"BAD\r\n\r\n")
        assert (await client.answer()).status == 400
        await client.send(GET % 1)
        assert await client.rest() == b""
        assert port.upstream.connections == 0


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", []),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [b"close"]),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", [b"close"]),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", [b"keep-alive"]),
    ],
)
async def test_persistence(raw, expected):
    async with data_port() as port:
        client = await port.connect()
        await client.send(raw)
        assert (await client.answer()).all(b"connection") == expected
        if expected == [b"close"]:
            assert await client.rest() == b""
        else:
            await client.send(raw)
            assert (await client.answer()).status == 200


async def test_a_connection_serves_so_many_requests():
    async with data_port(keepalive_requests=3) as port:
        client = await port.connect()
        closing = []
        for number in range(3):
            await client.send(GET % number)
            closing.append((await client.answer()).all(b"connection"))
        assert closing == [[], [], [b"close"]]
        assert await client.rest() == b""


async def test_an_idle_connection_is_closed_without_a_word():
    async with data_port(keepalive_timeout=0.1) as port:
        client = await port.connect()
        await client.send(GET % 1)
        await client.answer()
        assert await client.rest() == b""


async def test_a_connection_that_never_asks_is_closed():
    async with data_port(header_timeout=0.1) as port:
        client = await port.connect()
        assert await client.rest() == b""
        await port.settle(lambda: not port.server.connections)


async def test_a_head_that_drips_is_cut_off():
    async with data_port(header_timeout=0.2, lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(4):
            await asyncio.sleep(0.03)
            await client.send(b"X: y\r\n")
        answer = await client.answer()
        assert (answer.status, answer.code) == (408, "request_timeout")
        assert await client.rest() == b""
        assert port.upstream.connections == 0


async def test_a_head_that_never_ends_is_cut_off_by_size():
    async with data_port(headers_total=2000, request_line=500, header_field=100_000, lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y" * 2400)
        await asyncio.sleep(0.02)
        await client.send(b"y" * 200)
        answer = await client.answer()
        assert (answer.status, answer.code) == (431, "headers_too_large")


@pytest.mark.parametrize("target", [b"/x", b"/orders"], ids=["unread", "whole"])
async def test_a_body_that_stalls_is_cut_off(target):
    async with data_port(body_idle_timeout=0.15, lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(POST.replace(b"/x", target), b"abc")
        answer = await client.answer()
        assert (answer.status, answer.code) == (408, "request_timeout")
        assert answer.all(b"connection") == [b"close"]
        assert not any(request.endswith(b"abc") for request in port.upstream.requests)


async def test_a_body_below_the_minimum_rate_is_cut_off():
    async with data_port(body_idle_timeout=0.2, body_minimum_rate=1_000_000, lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n")

        async def drip():
            for _ in range(200):
                await asyncio.sleep(0.02)
                await client.send(b"a")

        dripping = asyncio.create_task(drip())
        answer = await client.answer()
        dripping.cancel()
        assert (answer.status, answer.code) == (408, "request_timeout")


async def test_a_client_that_does_not_read_is_cut_off():
    async def flood(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    async with data_port(flood, body_idle_timeout=0.2) as port:
        client = await port.connect(limit=1)
        await client.send(GET % 1)
        await port.settle(lambda: port.server.in_flight)
        await port.settle(lambda: not port.server.in_flight)
        await port.upstream.ended.wait()


async def test_connections_over_the_cap_are_told_so():
    async with data_port(connections=2, lingering_time=0.1) as port:
        kept = [await port.connect() for _ in range(2)]
        await port.settle(lambda: port.server.connections == 2)
        late = await port.connect()
        answer = await late.answer()
        assert (answer.status, answer.code, answer.all(b"retry-after")) == (503, "overloaded", [b"1"])
        await kept[0].send(GET % 1)
        assert (await kept[0].answer()).status == 200
        await kept[1].close()
        await port.settle(lambda: port.server.connections == 1)
        assert (await port.ask(GET % 2)).status == 200


async def test_connections_of_one_client_over_the_cap_are_told_so():
    async with data_port(connections_per_client=2, lingering_time=0.1) as port:
        kept = [await port.connect() for _ in range(2)]
        await port.settle(lambda: port.server.connections == 2)
        answer = await (await port.connect()).answer()
        assert (answer.status, answer.code) == (429, "too_many_connections")
        for client in kept:
            await client.close()
        await port.settle(lambda: port.server.connections == 0)
        assert (await port.ask(GET % 1)).status == 200


async def test_connections_of_a_trusted_proxy_are_not_counted():
    from ipaddress import ip_network

    trusting = {"forwarding": Forwarding(trusted=(ip_network("127.0.0.0/8"),))}
    async with data_port(connections_per_client=1, settings=trusting) as port:
        for _ in range(3):
            client = await port.connect()
            await client.send(GET % 1)
            assert (await client.answer()).status == 200


async def test_exchanges_over_the_cap_are_told_so():
    release = asyncio.Event()

    async def slow(server, reader, writer):
        await server.read_request(reader)
        await release.wait()
        writer.write(OK)

    async with data_port(slow, in_flight=1, queue_time=0.05) as port:
        first = await port.connect()
        await first.send(GET % 1)
        await port.settle(lambda: port.upstream.requests)
        late = await port.connect()
        await late.send(GET % 2)
        answer = await late.answer()
        assert (answer.status, answer.code, answer.all(b"retry-after")) == (503, "overloaded", [b"1"])
        assert answer.all(b"content-type") == [b"application/problem+json"]
        assert answer.all(b"connection") == []
        with_body = await port.ask(POST)
        assert (with_body.status, with_body.all(b"connection")) == (503, [b"close"])
        old = await port.ask((GET % 3).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (old.status, old.all(b"connection")) == (503, [b"close"])
        assert port.gateway.services.metrics.snapshot().refusals == {"overloaded": 3}
        release.set()
        assert (await first.answer()).status == 200
        await late.send(GET % 4)
        assert (await late.answer()).status == 200
        assert len(port.upstream.requests) == 2


async def test_an_exchange_that_waited_in_time_is_served():
    release = asyncio.Event()

    async def slow(server, reader, writer):
        await server.read_request(reader)
        await release.wait()
        writer.write(OK)

    async with data_port(slow, in_flight=1, queue_time=10.0) as port:
        clients = [await port.connect() for _ in range(3)]
        for client in clients:
            await client.send(GET % 1)
        await port.settle(lambda: port.upstream.requests)
        release.set()
        assert [(await client.answer()).status for client in clients] == [200] * 3


async def test_a_client_that_leaves_takes_its_upstream_request_along():
    async def silent(server, reader, writer):
        await server.read_request(reader)
        assert await reader.read(1) == b""
        gone.set()

    gone = asyncio.Event()
    async with data_port(silent) as port:
        client = await port.connect()
        await client.send(GET % 1)
        await port.settle(lambda: port.upstream.requests)
        await client.close()
        async with asyncio.timeout(1):
            await gone.wait()
        await port.settle(lambda: not port.server.in_flight)


async def test_the_answer_to_a_body_that_is_too_long_is_not_lost():
    async with data_port(answering(OK)) as port:
        client = await port.connect()
        await client.send(b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
        for _ in range(50):
            await client.send(b"x" * 100_000)
        answer = await client.answer()
        assert (answer.status, answer.code) == (413, "over_size")
        assert answer.all(b"connection") == [b"close"]
        assert await client.rest() == b""
        assert port.upstream.connections == 0


async def test_a_connection_that_cannot_finish_closing_is_cut_off():
    class Stuck:
        aborted = False

        def is_closing(self):
            return True

        def abort(self):
            self.aborted = True

    async with data_port() as port:
        await port.connect()
        await port.settle(lambda: port.server.connections)
        (connection,) = port.server._clients.connections
        real, stuck = connection._pipe, Stuck()
        connection._pipe = stuck
        now = asyncio.get_running_loop().time()
        for later, aborted in ((0, False), (29, False), (31, True)):
            connection.check_deadlines(now + later)
            assert stuck.aborted is aborted
        connection._pipe = real


async def test_connections_turned_away_are_counted_and_not_recorded():
    async with data_port(connections=0, lingering_time=0.1) as port:
        assert (await (await port.connect()).answer()).code == "overloaded"
        assert port.gateway.services.metrics.snapshot().refusals == {"overloaded": 1}
