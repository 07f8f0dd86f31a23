"""The ledger on a running event loop: groups, failures, hangs, and processes that are killed."""

import asyncio
import os
import threading

import pytest
from ledgers import ORIGIN, open_ledger, refused, until_healthy

from gateway.audit import ledger as module
from gateway.audit.kernel_sync import KernelSync
from gateway.audit.verify import verify_directory
from gateway.crypto.sign import SigningKey
from gateway.model.errors import StoreDown


@pytest.fixture
def by_thread(monkeypatch):
    """As on a system whose kernel offers no asynchronous sync: the device is waited for in a thread."""
    monkeypatch.setattr(KernelSync, "open", lambda: None)


async def test_a_commit_gives_the_index_of_its_line(logs):
    ledger = open_ledger(logs)
    assert await ledger.commit(*logs.record("a")) == 2
    assert await ledger.commit(*logs.record("b")) == 4
    assert (ledger.size, ledger.records, ledger.healthy()) == (6, 2, True)
    await ledger.close()
    assert not ledger.healthy()
    assert [line.get("request") for line in logs.lines()][2:5:2] == ["a", "b"]
    assert logs.verdict() == "VERIFIED"
    assert verify_directory(logs.slot).logs[0].closed


async def test_one_turn_of_the_loop_is_one_group(logs):
    ledger = open_ledger(logs)
    futures = [ledger.commit(*logs.record(str(n))) for n in range(64)]
    assert await asyncio.gather(*futures) == list(range(2, 66))
    await ledger.close()
    assert verify_directory(logs.slot).logs[0].checkpoints == 3


def checkpoints(logs) -> int:
    return verify_directory(logs.slot).logs[0].checkpoints


async def test_a_group_has_a_bound(logs, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_GROUP", 10)
    ledger = open_ledger(logs)
    futures = [ledger.commit(*logs.record(str(n))) for n in range(25)]
    assert await asyncio.gather(*futures) == [*range(2, 12), *range(13, 23), *range(24, 29)]
    await ledger.close()
    assert logs.verdict() == "VERIFIED"


async def in_turns(logs, ledger, count) -> None:
    """Commit one record in each turn of the loop, and wait for all of them."""
    futures = []
    for n in range(count):
        futures.append(ledger.commit(*logs.record(str(n))))
        await asyncio.sleep(0)
    await asyncio.gather(*futures)


@pytest.mark.parametrize(("before", "groups"), [(1, 2), (module.PACE_FROM - 1, 2), (module.PACE_FROM, 1)])
async def test_only_under_load_does_a_record_wait_for_those_of_the_next_turns(
    logs, monkeypatch, by_thread, before, groups
):
    monkeypatch.setattr(module, "PACE_SECONDS", 3600)
    ledger = open_ledger(logs)
    await asyncio.gather(*(ledger.commit(*logs.record(f"before {n}")) for n in range(before)))
    gate, real = threading.Event(), os.pwrite

    def pwrite(*args):
        gate.wait(10)
        return real(*args)

    monkeypatch.setattr(os, "pwrite", pwrite)
    turns = asyncio.create_task(in_turns(logs, ledger, 10))
    await asyncio.sleep(0.1)
    gate.set()
    await turns
    await ledger.close()
    # Besides the groups of the ten: `open`, the group before them, `close`.
    assert checkpoints(logs) == 3 + groups


async def test_a_turn_without_a_record_ends_the_wait(logs, monkeypatch):
    monkeypatch.setattr(module, "PACE_SECONDS", 3600)
    ledger = open_ledger(logs)
    await asyncio.gather(ledger.commit(*logs.record("a")), ledger.commit(*logs.record("b")))
    async with asyncio.timeout(10):
        assert await ledger.commit(*logs.record("c")) == 5
    await ledger.close()


@pytest.mark.parametrize(("records", "seconds"), [(4, 3600), (10**9, 0.002)])
async def test_the_wait_is_bounded_by_records_and_by_time(logs, monkeypatch, records, seconds):
    monkeypatch.setattr(module, "PACE_RECORDS", records)
    monkeypatch.setattr(module, "PACE_SECONDS", seconds)
    ledger = open_ledger(logs)
    await asyncio.gather(ledger.commit(*logs.record("a")), ledger.commit(*logs.record("b")))
    futures = [ledger.commit(*logs.record("first"))]
    async with asyncio.timeout(10):
        while not futures[0].done():
            await asyncio.sleep(0)
            futures.append(ledger.commit(*logs.short("next")))
    await asyncio.gather(*futures)
    await ledger.close()
    assert logs.verdict() == "VERIFIED"


async def test_each_of_many_callers_gets_its_own_index(logs):
    ledger = open_ledger(logs, segment_bytes=20_000)

    async def caller(name):
        return {f"{name}.{n}": await ledger.commit(*logs.record(f"{name}.{n}")) for n in range(30)}

    answers = await asyncio.gather(*(caller(name) for name in range(20)))
    await ledger.close()
    lines = logs.lines()
    for answer in answers:
        for request, index in answer.items():
            assert lines[index]["request"] == request
    assert verify_directory(logs.slot).kinds["collect"] == 600
    assert len(list((logs.slot / "sealed").glob("*.jsonl"))) > 3


async def test_the_log_is_durable_before_the_future_resolves(logs, monkeypatch, by_thread):
    ledger = open_ledger(logs)
    gate = threading.Event()
    real = os.pwrite

    def pwrite(fd, data, offset):
        gate.wait(10)
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    future = ledger.commit(*logs.record("a"))
    done, _ = await asyncio.wait([future], timeout=0.1)
    assert not done
    gate.set()
    assert await future == 2
    await ledger.close()


def test_a_slot_that_cannot_be_made_is_refused(logs):
    logs.slot.parent.mkdir()
    logs.slot.write_bytes(b"a file")
    with pytest.raises(StoreDown):
        open_ledger(logs)


async def test_a_refused_start_gives_the_lock_back(logs):
    key, logs.key = logs.key, SigningKey(ORIGIN, bytes(32))
    await open_ledger(logs).close()
    logs.key, other = key, logs.key
    with pytest.raises(StoreDown, match="another key"):
        open_ledger(logs)
    logs.key = other
    await open_ledger(logs).close()


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"{", b'"kind":"x"\n}'), (b'{"a":"\n",', b'"kind":"x"}'), (b"{", b'"x":"' + b"y" * 61_440 + b'"}')],
)
async def test_a_record_that_is_no_line_of_the_format_is_refused(logs, before, after):
    ledger = open_ledger(logs)
    assert "not one line" in await refused(ledger.commit(before, after))
    await ledger.close()


@pytest.mark.parametrize("operation", ["pwrite", "lseek"])
async def test_a_failed_group_fails_its_callers_and_the_next_goes_on(logs, monkeypatch, operation):
    ledger = open_ledger(logs)
    await ledger.commit(*logs.record("a"))
    real = getattr(os, operation)

    def failing(*args):
        monkeypatch.setattr(os, operation, real)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, operation, failing)
    lost = [ledger.commit(*logs.record(f"lost {n}")) for n in range(3)]
    assert {await refused(future) for future in lost} == {"the record could not be made durable"}
    assert not ledger.healthy()
    index = await ledger.commit(*logs.record("b"))
    assert ledger.healthy()
    await ledger.close()
    assert logs.lines()[index]["request"] == "b"
    assert logs.verdict() == "VERIFIED"


async def test_an_unlinked_log_fails_closed_and_goes_on_in_a_new_segment(logs):
    ledger = open_ledger(logs)
    await ledger.commit(*logs.record("a"))
    logs.only_segment().unlink()
    await refused(ledger.commit(*logs.record("b")))
    await ledger.commit(*logs.record("c"))
    await ledger.close()
    assert logs.verdict() == "INCOMPLETE"


async def test_health_returns_without_traffic(logs, monkeypatch):
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    ledger = open_ledger(logs)
    real, broken = os.pwrite, True

    def pwrite(*args):
        if broken:
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, "pwrite", pwrite)
    await refused(ledger.commit(*logs.record("lost")))
    await asyncio.sleep(0.1)
    assert not ledger.healthy()
    broken = False
    await until_healthy(ledger)
    await ledger.close()
    assert logs.verdict() == "VERIFIED"


async def test_a_caller_that_gives_up_disturbs_nobody(logs):
    ledger = open_ledger(logs)
    first, second = ledger.commit(*logs.record("a")), ledger.commit(*logs.record("b"))
    first.cancel()
    assert await second == 3
    await ledger.close()
    assert [line.get("request") for line in logs.lines()][2:4] == ["a", "b"]


async def test_close_writes_what_waits_and_refuses_what_comes_later(logs):
    ledger = open_ledger(logs)
    waiting = ledger.commit(*logs.record("waiting"))
    await ledger.close()
    assert await waiting == 2
    assert "closed" in await refused(ledger.commit(*logs.record("late")))
    await ledger.close()
    assert logs.lines()[-2]["records"] == 1


async def test_a_close_that_cannot_be_written_says_so(logs, monkeypatch):
    ledger = open_ledger(logs)

    def failing(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(StoreDown):
        await ledger.close()
    monkeypatch.undo()
    await open_ledger(logs).close()
    assert logs.verdict() == "VERIFIED"


async def test_a_live_log_verifies_at_any_moment(logs):
    ledger = open_ledger(logs, segment_bytes=30_000)
    stop = False

    async def traffic():
        n = 0
        while not stop:
            await asyncio.gather(*(ledger.commit(*logs.record(f"{n}.{m}")) for m in range(5)))
            n += 1

    task = asyncio.create_task(traffic())
    for _ in range(15):
        report = await asyncio.to_thread(verify_directory, logs.slot, allow_unanchored=True)
        assert report.words == "VERIFIED", report
        assert report.logs[0].live
    stop = True
    await task
    await ledger.close()
    assert logs.verdict() == "VERIFIED"
