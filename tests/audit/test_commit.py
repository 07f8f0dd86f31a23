"""Groups, rotation, and what follows a failure of each single file operation."""

import pytest
from faults import check_log, run

from gateway.audit import segment as module


def test_a_group_ends_in_its_checkpoint(logs):
    writer = logs.start()
    assert writer.append([logs.record("a"), logs.record("b")]) == 2
    assert (writer.size, writer.records) == (5, 2)
    writer.close()
    kinds = [line["kind"] for line in logs.lines()]
    assert kinds == ["open", "checkpoint", "collect", "collect", "checkpoint", "close", "checkpoint"]


def test_nothing_to_write_writes_nothing(logs):
    writer = logs.start()
    assert writer.append([]) == writer.size == 2
    writer.close()


@pytest.mark.parametrize("segment_bytes", [1, 900, 2500])
def test_rotation_by_size(logs, segment_bytes):
    acknowledged = run(logs, writer := logs.start(segment_bytes=segment_bytes))
    writer.close()
    assert len(acknowledged) == 12
    names = sorted(path.name for path in (logs.slot / "sealed").glob("*.jsonl"))
    assert len(names) > 2
    assert not list(logs.slot.glob("*.jsonl"))
    for name in names:
        lines = (logs.slot / "sealed" / name).read_bytes().splitlines()
        assert lines[0].startswith(b'{"durability":"group","index":%d,' % int(name[4:16]))
        assert b'"kind":"checkpoint"' in lines[-1]
    check_log(logs, acknowledged)


def test_rotation_by_age(logs, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    writer = logs.start()
    writer.append([logs.record("a")])
    now += 3599
    writer.append([logs.record("b")])
    assert len(list(logs.slot.glob("*.jsonl"))) == 1
    now += 1
    writer.append([logs.record("c")])
    writer.seal_finished()
    assert len(list(logs.slot.glob("sealed/*.jsonl"))) == 1
    writer.close()
    assert logs.verdict() == "VERIFIED"


def test_nothing_is_signed_again_while_the_disk_stays_full(logs, faults):
    writer = logs.start()
    acknowledged = run(logs, writer, 1)
    faults.arm(1, for_good=True, short=True)
    for _ in range(20):
        with pytest.raises(OSError, match="injected"):
            writer.append([logs.record("lost")])
    faults.arm(-1)
    # The one group that was signed is written as it was; later attempts left no trace at all.
    assert writer.append([]) > 0
    assert [line.get("request") for line in logs.lines()].count("lost") == 1
    writer.close()
    assert sum(path.stat().st_size == 0 for path in logs.slot.rglob("*.jsonl")) == 0
    check_log(logs, acknowledged)


def test_a_live_log_with_a_dead_segment_verifies_without_a_restart(logs, faults):
    writer = logs.start()
    acknowledged = run(logs, writer, 2)
    faults.arm(1, short=True)
    with pytest.raises(OSError, match="injected"):
        writer.append([logs.record("torn")])
    faults.arm(-1)
    acknowledged["next"] = writer.append([logs.record("next")])
    assert len(list(logs.slot.glob("*.jsonl"))) == 2
    check_log(logs, acknowledged)
    writer.close()
    check_log(logs, acknowledged)


def test_a_close_that_fails_is_recovered_later(logs, faults):
    writer = logs.start()
    acknowledged = run(logs, writer, 2)
    faults.arm(1, for_good=True)
    with pytest.raises(OSError, match="injected"):
        writer.close()
    faults.arm(-1)
    writer.abandon()
    logs.start().close()
    check_log(logs, acknowledged)
