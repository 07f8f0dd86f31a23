"""The faults of retention, each with what must happen: rows 20, 24 and 25 of the table of faults."""

import hashlib
import multiprocessing
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from retained import Retained, at, encoded, leaves_in, line, note_of, root_of

from gateway.audit import retention as module
from gateway.audit.clock_doubt import confirm, doubts
from gateway.audit.commit import GroupWriter
from gateway.audit.operator_log import OperatorLog, operator_records
from gateway.audit.retention import prunable, prune, sweep
from gateway.model.words import Kind

BEFORE = at(6)


@pytest.fixture
def retained(tmp_path, no_sync):
    return Retained(tmp_path / "audit")


def run(audit):
    retained = Retained(Path(audit))
    prune(prunable(retained.audit, BEFORE), retained.operator, policy="retention", by="test")
    return sweep(retained.audit)


def on(day, year=2026, month=11, minute=0):
    return datetime(year, month, day, 13, minute, 10, tzinfo=UTC)


def test_row_20_a_clock_that_nobody_doubts(retained):
    retained.write("w0", 1, 9)
    assert doubts(retained.audit, on(9)) == []
    assert doubts(retained.audit, on(15)) == []
    assert doubts(retained.audit.parent / "none", on(9)) == []


def test_row_20_a_jump_that_a_log_noticed_stands_until_it_is_confirmed(retained):
    writer = retained.start("w1", 9)
    writer.append([line("clock", at(9), was=at(1))])
    writer.close()
    retained.write("w0", 1, 9)
    (doubt,) = doubts(retained.audit, on(9))
    assert doubt == f"the clock jumped from {at(1)} to {at(9)} (w1, index 2)"

    now = datetime.now(UTC)
    confirm(retained.audit, retained.operator, by="test", now=now)
    assert not any("jumped from" in each for each in doubts(retained.audit, now))
    ((_, record),) = operator_records(retained.audit, Kind.CLOCK)
    assert record["confirmed"] == [{"index": 2, "origin": "example.org/log/w1"}]

    writer = retained.start("w1", 9)
    writer.append([line("clock", at(9), was=at(2))])
    writer.close()
    (again,) = (each for each in doubts(retained.audit, now) if "jumped from" in each)
    assert at(2) in again


@pytest.mark.parametrize(
    ("now", "word"),
    [(on(9, year=2036), "nothing was recorded since"), (on(20), "nothing was recorded"), (on(8), "in the future")],
)
def test_row_20_a_jump_that_no_log_can_have_noticed(retained, now, word):
    retained.write("w0", 1, 9)
    (doubt,) = doubts(retained.audit, now)
    assert word in doubt


def test_row_20_a_record_of_the_same_minute_is_not_the_future(retained):
    retained.write("w0", 9)
    assert doubts(retained.audit, datetime(2026, 11, 9, 12, 59, 10, tzinfo=UTC)) == []


def path_to(leaves, index):
    """The audit path of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*path_to(leaves[:half], index), (False, root_of(leaves[half:]))]
    return [*path_to(leaves[half:], index - half), (True, root_of(leaves[:half]))]


def follow(leaf, path):
    for left, node in path:
        leaf = hashlib.sha256(b"\x01" + (node + leaf if left else leaf + node)).digest()
    return leaf


def test_row_24_what_was_pruned_can_be_proved_and_so_can_what_was_not(retained):
    retained.write("w0", 1, 5, 9)
    sealed = retained.audit / "w0" / "sealed"
    names = retained.bodies("w0")
    raw = [each for name in names for each in (sealed / name).read_bytes().splitlines()]
    size, root = note_of(sealed / f"{names[-1][:-6]}.note")
    assert len(run(retained.audit).deleted) == 2

    leaves = [leaf for name in names[:2] for leaf in leaves_in(sealed / f"{name[:-6]}.leaves")]
    leaves += [hashlib.sha256(b"\0" + each).digest() for each in (sealed / names[2]).read_bytes().splitlines()]
    covered = leaves[:size]
    assert encoded(root_of(covered)) == root
    for index in (0, 7, 19, 20, size - 1):
        leaf = hashlib.sha256(b"\0" + raw[index]).digest()
        assert encoded(follow(leaf, path_to(covered, index))) == root
    for name in names[:2]:
        smaller, before = note_of(sealed / f"{name[:-6]}.note")
        assert encoded(root_of(leaves[:smaller])) == before


STEPS = {
    "nothing done": (module, "write_file", "before"),
    "leaves there": (module, "write_file", "after"),
    "operators' log open": (GroupWriter, "append", "before"),
    "record durable": (GroupWriter, "append", "after"),
    "operators' log closed": (OperatorLog, "append", "after"),
    "about to delete": (module, "_check_what_stays", "after"),
    "one deleted": (Path, "unlink", "after"),
    "deletion durable": (module, "sync_directory", "after"),
}


def die(audit, step):
    owner, name, when = STEPS[step]
    original = getattr(owner, name)

    def deadly(*arguments, **more):
        if when == "after":
            original(*arguments, **more)
        os._exit(9)

    setattr(owner, name, deadly)
    run(audit)


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_row_25_whatever_dies_between_two_steps_the_next_run_goes_on(retained, step, anchored):
    retained.write("w0", 1, 5, 9)
    names = retained.bodies("w0")
    for path in retained.audit.rglob("*.leaves"):
        path.unlink()  # as older segments are, which have none
    if anchored:
        retained.heads()
        if step in ("about to delete", "one deleted", "deletion durable"):
            prune(prunable(retained.audit, BEFORE), retained.operator, policy="retention", by="test")
            retained.heads()
    process = multiprocessing.get_context("spawn").Process(target=die, args=(str(retained.audit), step))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    gone = set(names) - set(retained.bodies("w0"))
    assert gone <= {record["segment"] for _, record in operator_records(retained.audit, Kind.PRUNE)}

    swept = run(retained.audit)
    if anchored and swept.waiting:
        assert retained.bodies("w0") == names
        retained.heads()
        swept = run(retained.audit)
    assert retained.bodies("w0") == names[2:]
    assert {each.segment for each in swept.deleted} | gone == set(names[:2])
    assert [record["segment"] for _, record in operator_records(retained.audit, Kind.PRUNE)] == names[:2]
    assert run(retained.audit).deleted == []
    for name in names[:2]:
        size, _ = note_of(retained.audit / "w0" / "sealed" / f"{name[:-6]}.note")
        leaves = leaves_in(retained.audit / "w0" / "sealed" / f"{name[:-6]}.leaves")
        assert int(name[4:-6]) + len(leaves) == size + 1


def test_row_25_nothing_goes_before_the_heads_cover_its_record(retained):
    retained.write("w0", 1, 9)
    retained.operator.append([{"kind": "erase", "key": "0" * 64, "by": "test"}])
    retained.heads()
    first, second = retained.bodies("w0")
    swept = run(retained.audit)
    assert ([each.segment for each in swept.waiting], swept.deleted) == ([first], [])
    assert [each.segment for each in run(retained.audit).waiting] == [first]
    assert retained.bodies("w0") == [first, second]

    shutil.copytree(retained.audit / "operator", retained.audit.parent / "aside")
    retained.heads()
    assert [each.segment for each in run(retained.audit).deleted] == [first]


@pytest.mark.parametrize(("more", "goes"), [(0, False), (1, True)])
def test_row_25_a_head_covers_the_leaves_before_its_size(retained, more, goes):
    retained.write("w0", 1, 9)
    prune(prunable(retained.audit, BEFORE), retained.operator, policy="retention", by="test")
    ((index, _),) = operator_records(retained.audit, Kind.PRUNE)
    retained.heads(size=index + more)
    assert bool(sweep(retained.audit).deleted) == goes


def test_row_25_heads_that_do_not_name_the_operators_log_cover_nothing(retained):
    retained.write("w0", 1, 9)
    retained.heads()
    assert len(run(retained.audit).waiting) == 1
    (retained.audit / "operator").rename(retained.audit.parent / "aside")
    retained.heads(day=29)
    (retained.audit.parent / "aside").rename(retained.audit / "operator")
    assert len(run(retained.audit).waiting) == 1
