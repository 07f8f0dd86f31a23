"""Bodies on their way in: limits, the clock that runs only while the client is awaited, 100 (Continue)."""

import asyncio

import pytest
from aiohttp.streams import StreamReader

from gateway.ingress.upload import CONTINUE, ClientGoneError, Upload
from gateway.model.errors import Fault
from gateway.model.limits import Limits


class Connection:
    """What an upload needs of one."""

    connected = True

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.transport = object()
        self.upload = None
        self.sent = []

    def send(self, data):
        self.sent.append(data)

    def resume_reading(self, resume_parser=True): ...

    def pause_reading(self): ...


class Arriving:
    def __init__(self, *, expects_continue=False, **limits):
        self.connection = Connection()
        self.payload = StreamReader(self.connection, 1000, loop=self.connection.loop)
        self.upload = Upload(self.connection, self.payload, Limits(**limits), expects_continue=expects_continue)

    def arrive(self, *pieces, end=True):
        for piece in pieces:
            self.payload.feed_data(piece)
        if end:
            self.payload.feed_eof()


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("size", "limit", "fits"), [(10, 10, True), (11, 10, False), (0, 0, True)])
async def test_a_whole_body_has_a_limit(size, limit, fits, at_once):
    body = Arriving()
    body.arrive(b"x" * size, end=at_once)
    reading = asyncio.create_task(body.upload.whole(limit, None))
    await asyncio.sleep(0)
    if not at_once:
        body.arrive()
    if fits:
        assert await reading == b"x" * size
    else:
        with pytest.raises(Fault, match="over_size"):
            await reading


async def test_a_body_that_announces_too_much_is_not_awaited():
    body = Arriving(expects_continue=True)
    with pytest.raises(Fault, match="over_size"):
        await body.upload.whole(10, 11)
    assert body.connection.sent == []


@pytest.mark.parametrize(("early", "expected"), [((), [CONTINUE]), ((b"a",), [])])
async def test_100_continue_is_sent_once_and_only_if_nothing_came(early, expected):
    body = Arriving(expects_continue=True)
    body.arrive(*early, end=False)
    reading = asyncio.create_task(body.upload.whole(10, None))
    for _ in range(3):
        await asyncio.sleep(0)
        body.arrive(b"b", end=False)
    body.arrive()
    assert (await reading).count(b"b") == 3
    assert body.connection.sent == expected


async def test_up_to_a_limit_and_on():
    body = Arriving()
    body.arrive(b"abc", end=False)
    pieces, whole = await body.upload.up_to(2)
    assert (pieces, whole) == ([b"abc"], False)
    body.arrive(b"de")
    assert [piece async for piece in body.upload.pieces(pieces)] == [b"abc", b"de"]
    assert body.upload.finished


async def test_the_clock_runs_only_while_the_client_is_awaited():
    body = Arriving(body_idle_timeout=10, body_minimum_rate=0)
    now = body.connection.loop.time()
    assert not body.upload.overdue(now + 1000)
    reading = asyncio.create_task(body.upload.next())
    await asyncio.sleep(0)
    assert body.connection.upload is body.upload
    assert not body.upload.overdue(now + 9)
    assert body.upload.overdue(now + 11)
    body.upload.give_up()
    with pytest.raises(Fault, match="request_timeout"):
        await reading
    assert body.connection.upload is None


async def test_a_rate_below_the_minimum_is_overdue_after_the_first_idle_period():
    body = Arriving(body_idle_timeout=10, body_minimum_rate=100)
    body.arrive(b"x" * 500, end=False)
    await body.upload.next()
    reading = asyncio.create_task(body.upload.next())
    await asyncio.sleep(0)
    body.upload._waited = 8.0
    now = body.connection.loop.time()
    assert not body.upload.overdue(now + 1)
    assert body.upload.overdue(now + 3)
    reading.cancel()


async def test_a_client_that_is_gone():
    body = Arriving()
    body.connection.transport = None
    with pytest.raises(ClientGoneError):
        await body.upload.next()
    body = Arriving()
    reading = asyncio.create_task(body.upload.next())
    await asyncio.sleep(0)
    body.payload.set_exception(ConnectionResetError())
    with pytest.raises(ClientGoneError):
        await reading
