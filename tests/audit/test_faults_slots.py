"""Rows 18, 20, 21, 25, 26 and 31 of the faults to survive: writers, clocks, keys, seals, bytes."""

import os
import shutil
from hashlib import sha256

import pytest
from faults import check_log, run
from ledgers import ORIGIN, open_ledger, open_writer, raw_lines, signers

from gateway.audit import homes, slot
from gateway.audit.commit import GroupWriter
from gateway.audit.recovery import publish_key, recover
from gateway.audit.tree import Tree
from gateway.crypto.sign import SigningKey
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

MOUNTS = """\
22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:45 / {point} rw,relatime shared:9 - {kind} server:/export rw
"""


async def test_row_18_a_second_writer_is_refused(logs, monkeypatch):
    monkeypatch.setattr(slot, "LOCK_PATIENCE", 0.05)
    ledger = open_ledger(logs)
    with pytest.raises(StoreDown) as caught:
        open_ledger(logs)
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    await ledger.close()
    await open_ledger(logs).close()
    assert logs.verdict() == "VERIFIED"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_row_18_a_network_file_system_is_refused(logs, monkeypatch, tmp_path, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.format(point=str(tmp_path / "audit"), kind=kind))
    monkeypatch.setattr(homes, "MOUNTS", mounts)
    with pytest.raises(StoreDown) as caught:
        open_writer(logs)
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    assert f"network file system ({kind})" in caught.value.why
    assert not (logs.slot / "LOCK").exists()


@pytest.mark.parametrize(
    ("point", "kind", "expected"),
    [
        ("{tmp}", "ext4", ""),
        ("{tmp}/audit\\040too", "nfs4", ""),
        ("{tmp}/aud", "nfs4", ""),
        ("{tmp}", "cifs", "cifs"),
        ("/", "nfs4", "nfs4"),  # mounted over the first one
    ],
)
def test_row_18_the_innermost_mount_counts(monkeypatch, tmp_path, point, kind, expected):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.format(point=point.format(tmp=tmp_path), kind=kind))
    monkeypatch.setattr(homes, "MOUNTS", mounts)
    (tmp_path / "audit").mkdir()
    assert homes.network_file_system(tmp_path / "audit") == expected
    monkeypatch.setattr(homes, "MOUNTS", tmp_path / "missing")
    assert homes.network_file_system(tmp_path / "audit") == ""


def test_row_18_histories_of_two_clones_are_not_joined(logs, tmp_path):
    """Two hosts with one key: each copy is good by itself, and no writer takes them for one log."""
    logs.write(close=False)
    clone = tmp_path / "clone"
    shutil.copytree(logs.slot, clone)
    for directory, request in ((logs.slot, "here"), (clone, "there")):
        writer = logs.start(directory)
        writer.append([logs.record(request)])
        writer.abandon()
    with pytest.raises(StoreDown, match="two copies of one segment"):
        recover((logs.slot, clone), ORIGIN, (logs.key,))


class Clocks:
    """A wall clock and a monotonic one, both at the test's command."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_795_439_245.123456, 500.0

    def writer(self, logs) -> GroupWriter:
        logs.slot.mkdir(parents=True, exist_ok=True)
        writer = GroupWriter(
            logs.slot,
            Tree(),
            logs.key,
            origin=ORIGIN,
            opened={"program": "test"},
            segment_bytes=1 << 20,
            segment_seconds=3600,
            clock=lambda: "2026-11-23T13:07:25.123456Z",
            wall=lambda: self.wall,
            steady=lambda: self.steady,
        )
        writer.start(())
        publish_key(logs.slot, logs.key)
        return writer


@pytest.mark.parametrize(
    ("passed", "jump", "recorded"),
    [
        (10, 0, None),
        (86_400, 0, None),
        (10, 1, None),  # a leap second
        (10, -60, None),
        (10, -3600, "2026-11-23T13:07:35.123456Z"),
        (10, 315_360_000, "2026-11-23T13:07:35.123456Z"),
        (0, 61, "2026-11-23T13:07:25.123456Z"),
    ],
)
def test_row_20_a_clock_that_is_set_is_recorded_once_and_before_the_groups_records(logs, passed, jump, recorded):
    clocks = Clocks()
    writer = clocks.writer(logs)
    writer.append([logs.record("a")])
    clocks.steady += passed
    clocks.wall += passed + jump
    writer.append([logs.record("b")])
    writer.append([logs.record("c")])
    writer.close()
    found = [(line["index"], line["was"]) for line in logs.lines() if line["kind"] == "clock"]
    assert found == ([(4, recorded)] if recorded else [])
    indexes = [line["index"] for line in logs.lines() if line.get("request") == "b"]
    assert indexes == [5 if recorded else 4]
    check_log(logs, {})


def test_row_20_a_clock_that_drifts_a_little_each_time_is_not_set(logs):
    clocks = Clocks()
    writer = clocks.writer(logs)
    for _ in range(5):
        clocks.wall += 59
        writer.append([logs.short("a")])
    writer.close()
    assert "clock" not in {line["kind"] for line in logs.lines()}


@pytest.mark.parametrize("change", ["replaced", "lost"])
async def test_row_21_a_log_whose_key_is_another_one_is_not_gone_on_with(logs, change):
    await open_ledger(logs).close()
    logs.key = SigningKey(ORIGIN, bytes(32))
    if change == "lost":
        (logs.slot / "log.vkey").unlink()
    before = raw_lines(logs.slot)
    with pytest.raises(StoreDown, match="another"):
        open_ledger(logs)
    assert raw_lines(logs.slot) == before


def test_row_25_death_at_every_step_of_a_seal(logs, no_sync, faults):
    base = logs.slot
    operation = 0
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        writer = logs.start()
        acknowledged = run(logs, writer, 2)
        faults.arm(operation, for_good=True, short=True)
        try:
            writer.close()
        except OSError:
            writer.abandon()
        reached = faults.count >= operation
        faults.arm(-1)
        sealed = {path.suffix for path in (logs.slot / "sealed").glob("seg-000000000000.*")} & {".jsonl", ".note"}
        assert sealed in (set(), {".note"}, {".note", ".jsonl"})
        logs.start().close()
        logs.start().close()
        check_log(logs, acknowledged)
        assert not list(logs.slot.glob("*.jsonl"))
        if not reached:
            break
    assert operation > 12


NEXT = SigningKey(ORIGIN, b"n" * 32)


def test_row_26_both_keys_sign_their_part_without_a_gap(logs):
    lock, writer = open_writer(logs)
    acknowledged = run(logs, writer, 2)
    writer.rotate(NEXT)
    assert writer.vkey == NEXT.vkey
    acknowledged["after"] = writer.append([logs.record("after")])
    publish_key(logs.slot, NEXT)
    writer.close()
    os.close(lock)
    found = signers(logs.slot, first=logs.key.vkey)
    assert found == [logs.key.vkey] * 4 + [NEXT.vkey] * 3
    [rotate] = [line for line in logs.lines() if line["kind"] == "rotate"]
    assert rotate["vkey"] == NEXT.vkey
    assert (logs.slot / "log.vkey").read_text() == f"{logs.key.vkey}\n{NEXT.vkey}\n"
    first, logs.key = logs.key, NEXT
    lock, writer = open_writer(logs)
    writer.close()
    os.close(lock)
    assert signers(logs.slot, first=first.vkey)[-2:] == [NEXT.vkey] * 2
    lines = logs.lines()
    assert all(lines[index]["request"] == request for request, index in acknowledged.items())


def test_row_26_the_old_key_alone_does_not_go_on(logs):
    lock, writer = open_writer(logs)
    writer.rotate(NEXT)
    writer.abandon()
    os.close(lock)
    with pytest.raises(StoreDown, match="another"):
        open_writer(logs)


def test_row_26_death_at_every_step_of_a_rotation(logs, no_sync, faults):
    """Whoever holds both keys goes on with the one that the log names, whatever was written by then."""
    base, key = logs.slot, logs.key
    operation, in_force = 0, set()
    while True:
        operation += 1
        logs.slot = base.parent / f"w{operation}"
        lock, writer = open_writer(logs)
        acknowledged = run(logs, writer, 2)
        faults.arm(operation, for_good=True, short=operation % 2)
        try:
            writer.rotate(NEXT)
            publish_key(logs.slot, NEXT)
        except OSError:
            pass
        writer.abandon()
        os.close(lock)
        reached = faults.count >= operation
        faults.arm(-1)
        lock, writer = open_writer(logs, next_signer=NEXT)
        in_force.add(writer.vkey)
        acknowledged["after"] = writer.append([logs.record("after")])
        writer.close()
        os.close(lock)
        assert signers(logs.slot, first=key.vkey)[-1] == writer.vkey
        lines = logs.lines()
        assert all(lines[index]["request"] == request for request, index in acknowledged.items())
        if not reached:
            break
    assert in_force == {key.vkey, NEXT.vkey}
    assert operation > 15


def test_row_31_the_same_inputs_give_the_same_bytes(logs):
    """Pinned: what another version of Python or of a library makes of them is no other log."""
    clocks = Clocks()
    writer = clocks.writer(logs)
    writer.append([logs.record("a"), logs.record("ü")])
    clocks.wall += 3600
    writer.append([logs.record("b")])
    writer.rotate(NEXT)
    writer.close()
    digests = {
        path.name: sha256(path.read_bytes()).hexdigest()[:16] for path in sorted((logs.slot / "sealed").iterdir())
    }
    assert digests == {
        "seg-000000000000.jsonl": "a59dc5ce9f11ea11",
        "seg-000000000000.leaves": "05c1ec36d2dc3bf9",
        "seg-000000000000.note": "5cba222e0693b0d1",
        "seg-000000000010.jsonl": "8a9634a4c022d6e0",
        "seg-000000000010.leaves": "0bfce84f38ff3d1a",
        "seg-000000000010.note": "cbb547638cb35756",
    }
