import socket

import pytest

from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Listener, Settings
from gateway.workers.control import Adopt, Channel, Done, Drain, Failed, LoadCertificates, Report, Start, Status


@pytest.fixture
async def ends():
    ours, theirs = socket.socketpair()
    pair = await Channel.open(ours), await Channel.open(theirs)
    yield pair
    for end in pair:
        await end.close()


def busy() -> Metrics:
    metrics = Metrics()
    metrics.route("r" * 100_000).exchange(200, 0.1)
    return metrics


@pytest.mark.parametrize(
    "order",
    [
        Start(Settings(listeners=(Listener("", path="/s", descriptor=7),), state="/state"), "w0", "abc", "2026-11-23"),
        Adopt("abc", "2026-11-23"),
        LoadCertificates(),
        Report(),
        Drain(),
    ],
)
async def test_orders_arrive_as_they_were_sent(ends, order):
    supervisor, worker = ends
    await supervisor.send(order)
    assert await worker.order() == order


@pytest.mark.parametrize(
    "answer",
    [Done("abc"), Failed("why"), Status("abc", True, False, 3, busy().snapshot())],
    ids=["done", "failed", "status"],
)
async def test_answers_arrive_as_they_were_sent(ends, answer):
    supervisor, worker = ends
    await worker.send(answer)
    assert await supervisor.answer() == answer


async def test_the_end_of_the_other_side_is_seen_and_speaking_to_it_is_harmless(ends):
    supervisor, worker = ends
    await worker.close()
    assert await supervisor.answer() is None
    for _ in range(3):
        await supervisor.send(Report())
