"""Connections kept, bounded, timed and retried."""

import asyncio
import os

import pytest
from scripted_upstream import OK, answering, scripted, settle

from gateway.model.errors import Fault
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.upstream import UpstreamPool, UpstreamPools, parse_upstream

HOST = [(b"Host", b"shop.example")]
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
OLD_KEPT = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok"


async def fetch(pool, method="GET", body=None, **options):
    response = await pool.request(method, b"/", HOST, body, **options)
    return await response.read(1000)


@pytest.mark.parametrize(
    ("answer", "connections"), [(OK, 1), (CLOSING, 3), (OLD, 3), (OLD_KEPT, 1)], ids=["1.1", "close", "1.0", "1.0 kept"]
)
async def test_connections_are_reused_as_far_as_they_persist(answer, connections):
    async with scripted(answering(answer)) as server:
        pool = server.pool()
        for _ in range(3):
            assert await fetch(pool) == b"ok"
        assert server.connections == connections
        assert pool.stats.reuses == 3 - connections
        pool.abort()


async def test_poison_on_an_idle_connection_is_never_served():
    async def poisonous(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON")
        await writer.drain()
        await server.read_request(reader)

    async with scripted(poisonous, answering(OK)) as server:
        pool = server.pool()
        assert await fetch(pool) == b"ok"
        await settle(lambda: pool.stats.unsolicited)
        assert pool.stats.open == 0
        assert await fetch(pool, "POST", b"x") == b"ok"
        assert server.connections == 2
        pool.abort()


async def test_poison_that_the_loop_has_not_read_yet_is_never_served():
    arrived = asyncio.Event()

    async def poisonous(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        await writer.drain()
        await arrived.wait()
        # A blocking send: the bytes are in the other socket's buffer before the loop turns.
        poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"
        os.write(writer.get_extra_info("socket").fileno(), poison)
        poisoned.set_result(None)
        await server.read_request(reader)

    poisoned = asyncio.get_running_loop().create_future()
    async with scripted(poisonous, answering(OK)) as server:
        pool = server.pool()
        assert await fetch(pool) == b"ok"
        connection = pool._idle[0]
        connection._transport.pause_reading()  # as if this turn of the loop had not come to it
        arrived.set()
        await poisoned
        assert await fetch(pool) == b"ok"
        assert server.connections == 2
        pool.abort()


async def test_last_in_first_out():
    async def slow(server, reader, writer):
        while await server.read_request(reader):
            await asyncio.sleep(0.01)
            writer.write(OK)

    async with scripted(slow) as server:
        pool = server.pool()
        await asyncio.gather(fetch(pool), fetch(pool), fetch(pool))
        assert pool.stats.idle == 3
        freshest = pool._idle[-1]
        await fetch(pool)
        assert pool._idle[-1] is freshest
        assert [connection.served for connection in pool._idle] == [1, 1, 2]
        pool.abort()


async def test_idle_connections_age_out():
    async with scripted(answering(OK)) as server:
        pool = server.pool(upstream_pool_idle=0.05)
        await fetch(pool)
        assert pool.stats.idle == 1
        await settle(lambda: pool.stats.open == 0)
        await settle(lambda: pool._timer is None)
        assert await fetch(pool) == b"ok"
        pool.abort()


async def test_connection_closed_by_an_idle_upstream_is_dropped():
    async with scripted(answering(OK, close=True), answering(OK)) as server:
        pool = server.pool()
        await fetch(pool)
        await settle(lambda: pool.stats.open == 0)
        assert await fetch(pool, "POST", b"x") == b"ok"
        assert pool.stats.retries == 0
        pool.abort()


async def test_size_limit_queues_in_order():
    async def slow(server, reader, writer):
        while await server.read_request(reader):
            await asyncio.sleep(0.01)
            writer.write(OK)

    async with scripted(slow) as server:
        pool = server.pool(upstream_pool_size=2)
        order = []

        async def numbered(number):
            await fetch(pool)
            order.append(number)

        tasks = [asyncio.create_task(numbered(number)) for number in range(8)]
        await asyncio.sleep(0)
        assert pool.stats.waiting == 6
        await asyncio.gather(*tasks)
        assert sorted(order[:2]) == [0, 1]
        assert sorted(order[2:4]) == [2, 3]
        assert sorted(order[4:6]) == [4, 5]
        assert server.connections == 2
        pool.abort()


async def test_queue_timeout_is_overload():
    async def silent(server, reader, writer):
        await server.read_request(reader)
        await reader.read()

    async with scripted(silent) as server:
        pool = server.pool(upstream_pool_size=1, upstream_connect_timeout=0.1)
        busy = asyncio.create_task(fetch(pool))
        await settle(lambda: server.requests)
        with pytest.raises(Fault) as caught:
            await fetch(pool)
        assert caught.value.code == "upstream_overloaded"
        busy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await busy


async def test_waiter_takes_the_place_of_a_connection_that_closed():
    async with scripted(answering(CLOSING)) as server:
        pool = server.pool(upstream_pool_size=1)
        assert await asyncio.gather(*[fetch(pool) for _ in range(5)]) == [b"ok"] * 5
        assert server.connections == 5
        assert (pool.stats.open, pool._free) == (0, 1)


async def test_cancelled_waiter_gives_its_turn_on():
    async with scripted(answering(OK)) as server:
        pool = server.pool(upstream_pool_size=1)
        first = await pool._acquire(fresh=False)
        waiting = [asyncio.create_task(pool._acquire(fresh=False)) for _ in range(3)]
        await asyncio.sleep(0)
        pool.take_back(first)
        waiting[0].cancel()  # the turn is granted already, and nobody comes to take it
        waiting[1].cancel()
        assert await waiting[2] is first
        pool.abort()
        assert pool._free == 1


async def test_refused_connection_is_unreachable():
    async with scripted(answering(OK)) as server:
        url = server.url()
    with pytest.raises(Fault) as caught:
        await fetch(UpstreamPool(parse_upstream(url), DEFAULT_LIMITS))
    assert caught.value.code == "upstream_unreachable"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid"], ids=["unknown", "label too long"])
async def test_name_that_does_not_resolve_is_unreachable(host):
    with pytest.raises(Fault) as caught:
        await fetch(UpstreamPool(parse_upstream(f"http://{host}:1"), DEFAULT_LIMITS))
    assert caught.value.code == "upstream_unreachable"


async def test_connect_timeout(monkeypatch):
    pool = UpstreamPool(parse_upstream("http://127.0.0.1:1"), Limits(upstream_connect_timeout=0.05))

    async def never(*args, **options):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    with pytest.raises(Fault) as caught:
        await fetch(pool)
    assert caught.value.code == "upstream_timeout"
    assert pool._free == DEFAULT_LIMITS.upstream_pool_size


STALLS = {
    "before the first byte": b"",
    "in the head": b"HTTP/1.1 200 OK\r\nX: ",
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
}


@pytest.mark.parametrize("said", STALLS.values(), ids=STALLS)
async def test_stalled_upstream_times_out(said):
    async def stalling(server, reader, writer):
        await server.read_request(reader)
        writer.write(said)
        await reader.read()

    async with scripted(stalling) as server:
        pool = server.pool(upstream_first_byte_timeout=0.1, upstream_idle_timeout=0.1)
        with pytest.raises(Fault) as caught:
            await fetch(pool)
        assert caught.value.code == "upstream_timeout"
        assert pool.stats.open == 0


async def test_dripped_head_is_held_to_the_first_byte_timeout():
    async def dripping(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X: a\r\n")
            await asyncio.sleep(0.02)

    async with scripted(dripping) as server:
        with pytest.raises(Fault) as caught:
            await fetch(server.pool(upstream_first_byte_timeout=0.1))
        assert caught.value.code == "upstream_timeout"


@pytest.mark.parametrize("greeting", [b"220 mail.example ready\r\n", OK], ids=["banner", "answer before the question"])
async def test_upstream_that_speaks_first_is_not_heard(greeting):
    async def eager(server, reader, writer):
        writer.write(greeting)
        await writer.drain()
        await reader.read()

    async with scripted(eager) as server:
        pool = server.pool()
        connection = await pool._acquire(fresh=False)
        await settle(lambda: connection.closed)
        assert (pool.stats.open, pool.stats.unsolicited) == (0, 1)
        assert pool._free == DEFAULT_LIMITS.upstream_pool_size


@pytest.mark.parametrize("said", STALLS.values(), ids=STALLS)
async def test_cancelled_caller_closes_the_connection_at_once(said):
    async def stalling(server, reader, writer):
        await server.read_request(reader)
        writer.write(said)
        await reader.read()

    async with scripted(stalling) as server:
        pool = server.pool()
        task = asyncio.create_task(fetch(pool))
        await settle(lambda: server.requests)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.stats.open == 0
        async with asyncio.timeout(1):
            await server.ended.wait()


@pytest.mark.parametrize("answered_first", [True, False])
async def test_cancellation_in_the_turn_of_the_answer(answered_first):
    async def once(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        await reader.read()

    async with scripted(once) as server:
        pool = server.pool()
        await fetch(pool)
        connection = pool._idle[0]
        task = asyncio.create_task(fetch(pool))
        await asyncio.sleep(0)
        if answered_first:
            connection.data_received(OK)
            task.cancel()
        else:
            task.cancel()
            connection.data_received(OK)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.stats.idle == pool.stats.open == answered_first  # back in the pool, maybe another's by now
        pool.abort()


async def test_cancelled_waiter_gives_the_right_to_connect_on():
    async with scripted(answering(OK)) as server:
        pool = server.pool(upstream_pool_size=1)
        first = await pool._acquire(fresh=False)
        waiting = asyncio.create_task(pool._acquire(fresh=False))
        await asyncio.sleep(0)
        first.abort()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert pool._free == 1


async def test_connection_that_breaks_while_it_is_made_leaves_its_place(monkeypatch):
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def greeted(*arguments, **options):
        transport, protocol = await connect(*arguments, **options)
        protocol.data_received(b"220 ready")
        return transport, protocol

    monkeypatch.setattr(loop, "create_connection", greeted)
    async with scripted(answering(OK)) as server:
        pool = server.pool(upstream_pool_size=1)
        with pytest.raises(Fault) as caught:
            await fetch(pool)
        assert caught.value.code == "upstream_broken"
        assert (pool.stats.open, pool._free) == (0, 1)


async def test_close_lets_exchanges_end_and_refuses_new_ones():
    release = asyncio.Event()

    async def held(server, reader, writer):
        while await server.read_request(reader):
            await release.wait()
            writer.write(OK)

    async with scripted(held) as server:
        pool = server.pool(upstream_pool_size=1)
        busy = asyncio.create_task(fetch(pool))
        await settle(lambda: server.requests)
        queued = asyncio.create_task(fetch(pool))
        await asyncio.sleep(0)
        pool.close()
        with pytest.raises(Fault) as caught:
            await queued
        assert caught.value.code == "upstream_overloaded"
        with pytest.raises(Fault):
            await fetch(pool)
        release.set()
        assert await busy == b"ok"
        assert pool.stats.open == 0


async def test_abort_ends_exchanges_with_a_fault():
    async def silent(server, reader, writer):
        await server.read_request(reader)
        await reader.read()

    async with scripted(silent) as server:
        pool = server.pool()
        busy = asyncio.create_task(fetch(pool))
        await settle(lambda: server.requests)
        pool.abort()
        with pytest.raises(Fault):
            await busy
        assert pool._timer is None


async def test_pools_are_made_once_per_url():
    async with scripted(answering(OK)) as server:
        pools = UpstreamPools(DEFAULT_LIMITS)
        pool = pools.of(server.url())
        assert pools.of(server.url()) is pool
        assert pools.of(server.url(host="localhost")) is not pool
        assert await fetch(pool) == b"ok"
        assert pools.stats()[server.url()].requests == 1
        pools.close()
        pools.abort()
        assert pool.stats.open == 0
