"""Callers who do not wait for the device, and what is at hand for those who do."""

import asyncio
import errno
import os

from faults import check_leaves
from ledgers import ORIGIN, open_ledger, refused, requests_in, until_healthy

from gateway.audit import ledger as module
from gateway.audit.interval import IntervalLedger, kind_of
from gateway.audit.terms import INTERVAL, Terms
from gateway.audit.verify import verify_directory


def open_interval(logs, seconds=0.05, **options) -> IntervalLedger:
    terms = Terms(durability=INTERVAL, interval=seconds)
    ledger = kind_of(terms).open(
        logs.slot, origin=ORIGIN, signer=logs.key, opened={"program": "test"}, terms=terms, **options
    )
    assert isinstance(ledger, IntervalLedger)
    return ledger


async def test_an_interval_releases_at_once_and_writes_later_in_one_group(logs):
    ledger = open_interval(logs, 3600)
    indexes = []
    for n in range(20):
        indexes.append(await ledger.commit(*logs.record(str(n))))
        await asyncio.sleep(0)
    assert indexes == list(range(2, 22))
    assert ledger.size == 2
    assert ledger.leaf(2) is None
    await ledger.close()
    assert requests_in(logs.slot) == [str(n) for n in range(20)]
    assert [line["durability"] for line in logs.lines() if line["kind"] == "open"] == ["interval:3600000ms"]
    assert logs.verdict() == "VERIFIED"
    assert verify_directory(logs.slot).logs[0].checkpoints == 3


async def test_an_interval_is_kept(logs):
    ledger = open_interval(logs, 0.02)
    for n in range(3):
        await ledger.commit(*logs.record(str(n)))
        async with asyncio.timeout(10):
            while ledger.records <= n:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    await ledger.close()
    assert requests_in(logs.slot) == ["0", "1", "2"]


async def test_an_interval_longer_than_the_timeout_loses_nothing(logs):
    ledger = open_interval(logs, 1.0, timeout=0.5)
    await ledger.commit(*logs.record("a"))
    async with asyncio.timeout(10):
        while ledger.records < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await until_healthy(ledger)
    await ledger.close()
    assert requests_in(logs.slot) == ["a"]


async def test_an_interval_gives_each_its_own_index_across_rotations_and_full_groups(logs, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_GROUP", 30)
    ledger = open_interval(logs, 0.002, segment_bytes=10_000)

    async def caller(name):
        given = {}
        for n in range(50):
            given[f"{name}.{n}"] = await ledger.commit(*logs.record(f"{name}.{n}"))
            if n % 7 == 0:
                await asyncio.sleep(0.001)
        return given

    answers = await asyncio.gather(*(caller(name) for name in range(10)))
    await ledger.close()
    lines = logs.lines()
    for answer in answers:
        for request, index in answer.items():
            assert lines[index]["request"] == request
    assert logs.verdict() == "VERIFIED"
    check_leaves(logs.slot)


async def test_an_interval_acknowledges_nothing_after_a_failure_until_the_log_is_good_again(logs, monkeypatch):
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.01)
    ledger = open_interval(logs, 0.01)
    real, broken = os.pwrite, True

    def pwrite(*args):
        if broken:
            raise OSError(errno.EIO, "planted")
        return real(*args)

    monkeypatch.setattr(os, "pwrite", pwrite)
    given = {"a": await ledger.commit(*logs.record("a"))}
    async with asyncio.timeout(10):
        while ledger.healthy():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await refused(ledger.commit(*logs.record("refused")))
    broken = False
    await until_healthy(ledger)
    given["b"] = await ledger.commit(*logs.record("b"))
    await ledger.close()
    lines = logs.lines()
    assert all(lines[index]["request"] == request for request, index in given.items())
    assert logs.verdict() == "VERIFIED"


async def test_the_leaf_of_what_was_released_last_is_at_hand(logs):
    ledger = open_ledger(logs)
    seen = {}

    async def caller(name):
        index = await ledger.commit(*logs.record(name))
        seen[index] = ledger.leaf(index)

    await asyncio.gather(*(caller(str(n)) for n in range(40)))
    await asyncio.gather(*(caller(str(n)) for n in range(40, 45)))
    last = max(seen)
    assert ledger.leaf(0) is None
    assert ledger.leaf(last + 2) is None
    await ledger.close()
    [body] = (logs.slot / "sealed").glob("*.leaves")
    leaves = body.read_bytes()
    assert all(leaf == leaves[32 * index : 32 * index + 32] for index, leaf in seen.items())
    assert len(seen) == 45
