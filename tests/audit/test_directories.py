"""A log in two directories: after a failure, or at once."""

import asyncio
import errno
import os
import random
import shutil
import threading
from pathlib import Path

import pytest
from faults import check_leaves, run
from ledgers import ORIGIN, open_ledger, open_writer, raw_lines, requests_in, signers

from gateway.audit import mirror
from gateway.audit.slot import claim, open_slot
from gateway.audit.terms import ALL_SINKS, ANY_SINK, GROUP, Terms
from gateway.audit.verify import verify_directory
from gateway.audit.verify_line import read_line
from gateway.model.errors import StoreDown


def second_of(logs):
    return logs.slot.parent.parent / "other disk" / logs.slot.name


def terms_of(logs, durability):
    return Terms(durability=durability, second=second_of(logs))


def verdict_of(directory):
    return verify_directory(directory, allow_unanchored=True).words


# -- a second directory after a failure


def test_a_log_goes_on_in_the_second_directory_and_comes_back_at_the_next_segment(logs, faults):
    second = second_of(logs)
    lock, writer = open_writer(logs, terms_of(logs, GROUP), segment_bytes=2500)
    run(logs, writer, 1)
    faults.arm(1, for_good=True, below=logs.slot, short=True)
    with pytest.raises(OSError, match="injected"):
        writer.append([logs.record("owed")])
    given = {"next": writer.append([logs.record("next")])}
    assert [path.name for path in second.glob("*.jsonl")] == ["seg-000000000005.jsonl"]
    assert (second / "seg-000000000005.jsonl").read_bytes().splitlines()[0].find(b'"owed"') > 0
    given |= run(logs, writer, 6)
    faults.arm(-1)
    given |= {f"again {n}": writer.append([logs.record(f"again {n}")]) for n in range(8)}
    writer.close()
    os.close(lock)
    assert len(list(second.glob("sealed/*.jsonl"))) > 1
    assert list(logs.slot.glob("sealed/*.jsonl"))
    lock, writer = open_writer(logs, terms_of(logs, GROUP))
    writer.close()
    os.close(lock)
    lines = [read_line(raw) for raw in raw_lines(logs.slot, second)]
    assert all(lines[index]["request"] == request for request, index in given.items())
    assert set(signers(logs.slot, second, first=logs.key.vkey)) == {logs.key.vkey}


def test_any_single_operation_in_the_first_directory_may_fail_for_good(logs, no_sync, faults):
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        lock, writer = open_writer(logs, terms_of(logs, GROUP), segment_bytes=1500)
        faults.arm(operation, for_good=True, below=logs.slot, short=operation % 2)
        given = run(logs, writer)
        reached = faults.count >= operation
        assert len(given) >= 10
        faults.arm(-1)
        writer.abandon()
        os.close(lock)
        lock, writer = open_writer(logs, terms_of(logs, GROUP))
        writer.close()
        os.close(lock)
        lines = [read_line(raw) for raw in raw_lines(logs.slot, second_of(logs))]
        assert all(lines[index]["request"] == request for request, index in given.items())
        check_leaves(logs.slot)
        check_leaves(second_of(logs))
        if not reached:
            break
    assert operation > 30


def test_a_full_disk_is_left_for_the_second_directory(logs, faults):
    terms = Terms(second=second_of(logs), ballast=65_536)
    lock, writer = open_writer(logs, terms, segment_bytes=2500)
    run(logs, writer, 1)
    faults.arm(1, for_good=True, below=logs.slot, only=("pwrite",), code=errno.ENOSPC)
    with pytest.raises(OSError, match="injected"):
        writer.append([logs.record("owed")])
    given = run(logs, writer, 8)  # rotations included: none of them fails anybody
    assert len(given) == 16
    faults.arm(-1)
    writer.close()
    os.close(lock)
    lines = [read_line(raw) for raw in raw_lines(logs.slot, second_of(logs))]
    assert [line["state"] for line in lines if line["kind"] == "disk"][:2] == ["full", "ok"]


@pytest.mark.parametrize("seed", range(12))
def test_of_two_torn_copies_recovery_keeps_what_either_has(logs, no_sync, seed):
    """Each copy torn at any byte: every whole group of the one that has more is kept, and both are level again."""
    lock, writer = open_writer(logs, terms_of(logs, ALL_SINKS))
    for n in range(3):
        writer.append([logs.short(str(n))])
    writer._place.close()
    [path] = logs.slot.glob("seg-*.jsonl")
    data = path.read_bytes().rstrip(b"\0")
    os.close(lock)
    shutil.rmtree(second_of(logs))
    kept = logs.slot.with_name("kept")
    logs.slot.rename(kept)
    ends = [n + 1 for n in range(len(data)) if data[n : n + 1] == b"\n" and b"checkpoint" in data[:n].splitlines()[-1]]
    chosen = random.Random(seed)
    for _ in range(20):
        offsets = [chosen.randrange(ends[0], len(data) + 1) for _ in range(2)]
        for directory, offset in zip((logs.slot, second_of(logs)), offsets, strict=True):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            tail = chosen.choice([b"", bytes(500), b"\xff\n{}"])
            (directory / path.name).write_bytes(data[:offset] + tail)
            (directory / "log.vkey").write_text(logs.key.vkey + "\n")
        lock, writer = open_writer(logs, terms_of(logs, ALL_SINKS))
        writer.close()
        os.close(lock)
        whole = data[: max(end for end in ends if end <= max(offsets))].splitlines()
        for directory in (logs.slot, second_of(logs)):
            assert raw_lines(directory)[: len(whole)] == whole
            assert not list((directory / "torn").glob("*.pending"))
            check_leaves(directory)
        cuts = {line["sha256"] for line in map(read_line, raw_lines(logs.slot)) if line["kind"] == "recover"}
        torn = [each for directory in (logs.slot, second_of(logs)) for each in directory.glob("torn/*")]
        assert {each.name.rpartition(".")[2] for each in torn} == cuts


def test_a_second_directory_that_was_used_is_asked_for(logs):
    lock, writer = open_writer(logs, terms_of(logs, GROUP))
    writer.close()
    os.close(lock)
    assert (logs.slot / "second").read_text() == f"{second_of(logs)}\n"
    with pytest.raises(StoreDown, match=r"ledger\.second_directory"):
        open_writer(logs)
    second_of(logs).rename(logs.slot.parent / "unmounted")
    with pytest.raises(StoreDown, match="mounted"):
        open_writer(logs, terms_of(logs, GROUP))
    shutil.rmtree(second_of(logs).parent)
    moved = Terms(second=logs.slot.parent / "unmounted")
    lock, writer = open_writer(logs, moved)
    writer.close()
    os.close(lock)
    assert (logs.slot / "second").read_text() == f"{moved.second}\n"


@pytest.mark.parametrize("durability", [GROUP, ALL_SINKS])
def test_a_start_that_is_refused_gives_both_locks_back(logs, durability):
    lock, writer = open_writer(logs, terms_of(logs, durability))
    writer.close()
    os.close(lock)
    threads = threading.active_count()
    for refused_by in ({"origin": "example.org/log/w1"}, {"segment_bytes": -1}):
        with pytest.raises((StoreDown, TypeError)):
            open_slot(
                logs.slot,
                **({"origin": ORIGIN, "segment_bytes": 1 << 20} | refused_by),
                signer=logs.key,
                opened={"program": object()} if "segment_bytes" in refused_by else {},
                segment_seconds=3600,
                terms=terms_of(logs, durability),
            )
    for directory in (logs.slot, second_of(logs)):
        os.close(claim(directory))
    assert threading.active_count() <= threads + 1


# -- two directories at once


@pytest.mark.parametrize("durability", [ALL_SINKS, ANY_SINK])
def test_both_directories_are_the_same_log(logs, durability):
    second = second_of(logs)
    for _ in range(2):
        lock, writer = open_writer(logs, terms_of(logs, durability), segment_bytes=1500)
        run(logs, writer)
        writer.close()
        os.close(lock)
    names = sorted(path.name for path in (logs.slot / "sealed").iterdir())
    assert names == sorted(path.name for path in (second / "sealed").iterdir())
    assert len([name for name in names if name.endswith(".jsonl")]) > 4
    for name in names:
        assert (logs.slot / "sealed" / name).read_bytes() == (second / "sealed" / name).read_bytes()
    assert verdict_of(logs.slot) == verdict_of(second) == "VERIFIED"
    check_leaves(second)


@pytest.mark.parametrize("which", ["first", "second"])
def test_all_sinks_acknowledge_only_what_both_have(logs, no_sync, faults, which):
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        lock, writer = open_writer(logs, terms_of(logs, ALL_SINKS), segment_bytes=1500)
        failing = logs.slot if which == "first" else second_of(logs)
        faults.arm(operation, below=failing, short=True)
        given = run(logs, writer)
        reached = faults.count >= operation
        faults.arm(-1)
        assert len(given) >= 10
        for directory in (logs.slot, second_of(logs)):
            lines = [read_line(raw) for raw in raw_lines(directory)]
            assert all(lines[index]["request"] == request for request, index in given.items())
        writer.abandon()
        os.close(lock)
        lock, writer = open_writer(logs, terms_of(logs, ALL_SINKS))
        writer.close()
        os.close(lock)
        assert verdict_of(logs.slot) == verdict_of(second_of(logs)) == "VERIFIED"
        if not reached:
            break
    assert operation > 20


def test_all_sinks_refuse_while_one_is_gone(logs, faults):
    lock, writer = open_writer(logs, terms_of(logs, ALL_SINKS))
    run(logs, writer, 1)
    faults.arm(1, for_good=True, below=second_of(logs))
    for n in range(3):
        with pytest.raises(OSError, match="injected"):
            writer.append([logs.record(f"refused {n}")])
    faults.arm(-1)
    assert writer.append([logs.record("after")])
    writer.close()
    os.close(lock)
    assert requests_in(logs.slot) == requests_in(second_of(logs)) == ["0.0", "0.1", "refused 0", "after"]


@pytest.mark.parametrize("which", ["first", "second"])
def test_any_sink_goes_on_with_one_and_brings_the_other_up(logs, no_sync, faults, which):
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        lock, writer = open_writer(logs, terms_of(logs, ANY_SINK), segment_bytes=1500)
        failing = logs.slot if which == "first" else second_of(logs)
        faults.arm(operation, for_good=True, below=failing, short=True)
        given = run(logs, writer)
        assert len(given) == 12
        writer.seal_finished()
        for leg in writer._place._legs:
            leg.do(lambda: None).result(20)
        reached = faults.count >= operation
        faults.arm(-1)
        writer.abandon()
        os.close(lock)
        lock, writer = open_writer(logs, terms_of(logs, ANY_SINK))
        writer.close()
        os.close(lock)
        for directory in (logs.slot, second_of(logs)):
            lines = [read_line(raw) for raw in raw_lines(directory)]
            assert all(lines[index]["request"] == request for request, index in given.items())
            assert verdict_of(directory) == "VERIFIED"
        if not reached:
            break
    assert operation > 20


def test_any_sink_takes_the_other_back_while_it_runs(logs, faults):
    second = second_of(logs)
    lock, writer = open_writer(logs, terms_of(logs, ANY_SINK), segment_bytes=1500)
    faults.arm(1, for_good=True, below=second)
    run(logs, writer)
    writer.look()
    faults.arm(-1)
    assert len(writer._segment.parts) == 1
    for _ in range(1000):
        writer.look()
        writer.append([logs.record("more")])
        writer.seal_finished()
        if len(writer._segment.parts) == 2:
            break
    writer.close()
    os.close(lock)
    assert raw_lines(second) == raw_lines(logs.slot)
    assert verdict_of(second) == "VERIFIED"


def test_any_sink_waits_for_no_device_that_hangs(logs, monkeypatch):
    monkeypatch.setattr(mirror, "BACKLOG", 3000)
    monkeypatch.setattr(mirror, "LAST_WORDS", 0.05)
    second = second_of(logs)
    lock, writer = open_writer(logs, terms_of(logs, ANY_SINK))
    gate, real = threading.Event(), os.pwrite

    def pwrite(fd, *args):
        if str(second) in str(Path(f"/proc/self/fd/{fd}").readlink()):
            gate.wait(20)
        return real(fd, *args)

    monkeypatch.setattr(os, "pwrite", pwrite)
    given = run(logs, writer, 12)
    assert len(given) == 24
    assert len(writer._segment.parts) == 1
    writer.close()
    os.close(lock)
    gate.set()
    monkeypatch.setattr(mirror, "BACKLOG", 1 << 20)
    lock, writer = open_writer(logs, terms_of(logs, ANY_SINK))
    writer.close()
    os.close(lock)
    assert requests_in(second) == requests_in(logs.slot)


async def test_the_running_ledger_takes_two_directories(logs):
    ledger = open_ledger(logs, terms=terms_of(logs, ALL_SINKS), segment_bytes=3000)
    await asyncio.gather(*(ledger.commit(*logs.record(str(n))) for n in range(30)))
    await ledger.commit(*logs.record("last"))
    await ledger.close()
    assert raw_lines(logs.slot) == raw_lines(second_of(logs))
    await open_ledger(logs, terms=terms_of(logs, ALL_SINKS)).close()
