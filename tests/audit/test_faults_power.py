"""Rows 1 to 3 of the faults to survive: processes that die, hosts that lose power, tails that are torn.

Random kills hardly ever tear anything, so tears are made: at each file operation, and at each byte.
LazyFS needs FUSE; `PowerLoss` stands in for it. Row 19 (a leaseholder of PostgreSQL that wakes after it
was fenced) is about a ledger in a database: this one lies in files only, and its lock dies with its holder.
"""

import contextlib
import shutil
from hashlib import sha256

import pytest
from faults import PowerLoss, check_leaves, check_log, restore, run
from ledgers import open_ledger

from gateway.model.errors import StoreDown


def test_row_01_death_at_every_file_operation(logs, no_sync, faults):
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        writer = logs.start(segment_bytes=1500)
        faults.arm(operation, for_good=True, short=operation % 2)
        acknowledged = run(logs, writer)
        reached = faults.count >= operation
        faults.arm(-1)
        writer.abandon()
        writer = logs.start(segment_bytes=1500)
        assert writer.append([logs.record("after the restart")])
        writer.close()
        check_log(logs, acknowledged)
        if not reached:
            break
    assert operation > 60


@pytest.mark.parametrize("short", [False, True])
def test_row_01_any_single_operation_may_fail_and_the_log_goes_on(logs, no_sync, faults, short):
    """Whatever fails, what was acknowledged is there, the log goes on by itself, and it verifies."""
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        writer = logs.start(segment_bytes=1500)
        faults.arm(operation, short=short)
        acknowledged = run(logs, writer)
        reached = faults.count >= operation
        faults.arm(-1)
        if reached:
            assert len(acknowledged) >= 10
            assert writer.append([logs.record("last")])
        writer.close()
        logs.start().close()
        check_log(logs, acknowledged)
        if not reached:
            break
    assert operation > 60


def crashed(logs, faults):
    """A slot with a sealed segment, a dead one, and one with a torn tail."""
    writer = logs.start(segment_bytes=1500)
    acknowledged = run(logs, writer, 3)
    faults.arm(1, short=True, only=("pwrite",))
    with pytest.raises(OSError, match="injected"):
        writer.append([logs.record("owed")])
    faults.arm(-1)
    acknowledged["next"] = writer.append([logs.record("next")])
    writer.abandon()
    newest = max(logs.slot.glob("seg-*.jsonl"))
    newest.write_bytes(newest.read_bytes().rstrip(b"\0") + b'{"torn')
    return acknowledged


@pytest.mark.parametrize("for_good", [False, True])
def test_row_01_death_at_every_file_operation_of_recovery(logs, no_sync, faults, for_good):
    acknowledged = crashed(logs, faults)
    kept = logs.slot.parent / "kept"
    shutil.copytree(logs.slot, kept)
    operation = 0
    while True:
        operation += 1
        shutil.rmtree(logs.slot)
        shutil.copytree(kept, logs.slot)
        faults.arm(operation, for_good=for_good, short=True)
        writer = None
        with contextlib.suppress(OSError, StoreDown):
            writer = logs.start()
        reached = faults.count >= operation
        faults.arm(-1)
        if writer is not None:
            writer.abandon()
        logs.start().close()
        check_log(logs, acknowledged)
        cuts = [line for line in logs.lines() if line["kind"] == "recover"]
        assert {cut["sha256"] for cut in cuts} >= {sha256(b'{"torn').hexdigest()}
        assert not list((logs.slot / "torn").glob("*.pending"))
        if not reached:
            break
    assert operation > 20


def test_row_02_power_is_lost_at_every_operation(logs, monkeypatch):
    """Only what was synced survives, names included; every acknowledged record is there after the restart."""
    with monkeypatch.context() as patch:
        power = PowerLoss(patch, logs.slot)
        acknowledged = {}
        writer = logs.start(segment_bytes=1500)
        for group in range(5):
            first = writer.append([logs.record(f"{group}.0"), logs.record(f"{group}.1")])
            acknowledged |= {f"{group}.0": first, f"{group}.1": first + 1}
            power.acknowledged = len(acknowledged)
            writer.seal_finished()
        writer.close()
    assert len(power.images) > 40
    restart_from_each(logs, power, acknowledged)


def restart_from_each(logs, power, acknowledged):
    for number, (image, count) in enumerate(power.images):
        logs.slot = logs.slot.parent / f"after{number}"
        logs.slot.mkdir()
        restore(image, logs.slot)
        logs.start().close()
        check_log(logs, dict(list(acknowledged.items())[:count]))


async def test_row_02_power_is_lost_under_the_running_ledger(logs, monkeypatch):
    """Here the kernel syncs what was only written to its cache: it counts from the result of the sync on."""
    with monkeypatch.context() as patch:
        power = PowerLoss(patch, logs.slot)
        acknowledged = {}
        ledger = open_ledger(logs, segment_bytes=2500)
        for name in "abcdefgh":
            acknowledged[name] = await ledger.commit(*logs.record(name))
            power.acknowledged = len(acknowledged)
        await ledger.close()
    assert len(power.images) > 40
    restart_from_each(logs, power, acknowledged)


@pytest.mark.parametrize("tail", ["cut", "zeros", "garbage", "hole"])
def test_row_03_a_tear_at_every_byte_of_the_last_two_groups(logs, no_sync, tail):
    logs.write(groups=3, each=1, close=False, short=True)
    path = logs.only_segment()
    data = path.read_bytes().rstrip(b"\0")
    ends = [position + 1 for position in range(len(data)) if data[position : position + 1] == b"\n"]
    group_ends = [end for end in ends if b"checkpoint" in data[:end].splitlines()[-1]]
    before = logs.lines()
    start = group_ends[-3]
    # A hole in a group that was acknowledged is no torn tail, so it is made in the last group only.
    for offset in range(group_ends[-2] + 1 if tail == "hole" else start, len(data), 1 if tail == "cut" else 7):
        shutil.rmtree(logs.slot)
        logs.slot.mkdir()
        torn = {
            "cut": data[:offset],
            "zeros": data[:offset] + bytes(3000),
            "garbage": data[:offset] + b'\xff\x00\n{}\n{"kind":"\xff"}\n' * 9,
            "hole": data[:offset] + bytes(80) + data[offset + 80 :],
        }[tail]
        path.write_bytes(torn)
        (logs.slot / "log.vkey").write_text(logs.key.vkey + "\n")
        kept = max(end for end in group_ends if end <= offset)
        left = torn[kept:].rstrip(b"\0")
        if left and offset % 7 == 0:
            assert logs.verdict() == "TAMPERED"
        logs.start().close()
        lines = logs.lines()
        whole = data[:kept].count(b"\n")
        assert lines[:whole] == before[:whole]
        cuts = [line for line in lines if line["kind"] == "recover"]
        assert [line["sha256"] for line in cuts] == ([sha256(left).hexdigest()] if left else [])
        for cut in cuts:
            copy = logs.slot / "torn" / f"{cut['segment']}.{cut['offset']}.{cut['sha256']}"
            assert copy.read_bytes() == left
        assert logs.verdict() == "VERIFIED"
        check_leaves(logs.slot)
