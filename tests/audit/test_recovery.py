"""What a writer makes of the files that it finds."""

import json
import os
import shutil

import pytest

from gateway.audit.recovery import recover
from gateway.crypto.sign import SigningKey
from gateway.model.errors import StoreDown
from gateway.model.words import Posture


def refused(logs, origin=None):
    with pytest.raises(StoreDown) as caught:
        logs.start(origin=origin or "example.org/log/w0")
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    return caught.value.why


def test_a_run_after_a_clean_end_goes_on_with_the_same_tree(logs):
    logs.write()
    logs.write()
    openings = [line for line in logs.lines() if line["kind"] == "open"]
    assert [line["previous"]["size"] for line in openings] == [0, openings[1]["index"]]
    assert not (logs.slot / "torn").exists()
    assert logs.verdict() == "VERIFIED"


def test_a_process_that_died_between_groups_leaves_nothing_to_cut(logs):
    logs.write(close=False)
    assert logs.verdict() == "VERIFIED"
    logs.start().close()
    assert not (logs.slot / "torn").exists()
    assert "recover" not in {line["kind"] for line in logs.lines()}
    assert logs.verdict() == "VERIFIED"
    assert b"\0" not in b"".join(path.read_bytes() for path in logs.slot.rglob("*.jsonl"))


def test_recovery_that_dies_is_repeated(logs):
    logs.write(close=False)
    path = logs.only_segment()
    with path.open("r+b") as file:
        file.truncate(len(path.read_bytes().rstrip(b"\0")))
        file.seek(0, os.SEEK_END)
        file.write(b'{"torn')
    recover((logs.slot,), "example.org/log/w0", (logs.key,))  # and dies before its record is written
    [pending] = (logs.slot / "torn").iterdir()
    assert pending.name.endswith(".pending")
    assert logs.verdict() == "VERIFIED"
    logs.start().close()
    [copy] = (logs.slot / "torn").iterdir()
    assert copy.read_bytes() == b'{"torn'
    assert [line["length"] for line in logs.lines() if line["kind"] == "recover"] == [6]
    assert logs.verdict() == "VERIFIED"


def test_a_first_group_that_was_never_finished_goes_whole(logs):
    logs.slot.mkdir(parents=True)
    (logs.slot / "seg-000000000000.jsonl").write_bytes(b'{"index":0,"kind":"op')
    logs.start().close()
    assert [line["kind"] for line in logs.lines()] == ["open", "recover", "checkpoint", "close", "checkpoint"]
    assert logs.verdict() == "VERIFIED"


def test_an_empty_segment_after_good_ones_goes(logs):
    logs.write(close=False)
    (logs.slot / f"seg-{len(logs.lines()):012d}.jsonl").touch()
    assert logs.verdict() == "TAMPERED"
    logs.start().close()
    assert logs.verdict() == "VERIFIED"


@pytest.mark.parametrize("line", range(8))
def test_a_changed_line_before_a_later_checkpoint_refuses_the_slot(logs, line):
    logs.write(groups=4, each=1, close=False)
    path = logs.only_segment()
    lines = path.read_bytes().split(b"\n")
    lines[line] = lines[line].replace(b":", b";", 1)
    path.write_bytes(b"\n".join(lines))
    assert "changed line" in refused(logs)


def test_a_changed_last_group_with_its_signature_is_not_taken_for_a_torn_one(logs):
    logs.write(groups=2, each=1, close=False)
    path = logs.only_segment()
    path.write_bytes(path.read_bytes().replace(b'"request":"1.0"', b'"request":"9.9"'))
    assert "changed line" in refused(logs)


def test_a_changed_sealed_segment_refuses_the_slot(logs):
    logs.write()
    path = logs.only_segment()
    path.write_bytes(path.read_bytes()[:-1])
    assert "sealed segment" in refused(logs)


@pytest.mark.parametrize("what", ["segments", "all but the key"])
def test_a_log_that_is_gone_is_not_started_again(logs, what):
    logs.write()
    shutil.rmtree(logs.slot / "sealed")
    if what == "all but the key":
        assert sorted(path.name for path in logs.slot.iterdir()) == ["log.vkey"]
    else:
        (logs.slot / "seg-000000000000.jsonl").write_bytes(b"")
    assert "removed" in refused(logs)


def test_a_missing_segment_refuses_the_slot(logs):
    logs.write(groups=6, segment_bytes=900, close=False)
    writer = logs.start()
    writer.abandon()
    sealed = sorted((logs.slot / "sealed").glob("*.jsonl"))
    size = len(logs.lines())
    (logs.slot / f"seg-{size + 5:012d}.jsonl").write_bytes(sealed[0].read_bytes())
    assert refused(logs)


def test_another_key_refuses_the_slot(logs):
    logs.write()
    logs.key = SigningKey("example.org/log/w0", bytes(32))
    assert "another key" in refused(logs)
    (logs.slot / "log.vkey").unlink()
    assert "another origin or key" in refused(logs)


def test_another_origin_refuses_the_slot(logs):
    logs.write()
    assert "another origin or key" in refused(logs, origin="example.org/log/w1")


def test_only_unsealed_and_the_newest_segment_are_read(logs, monkeypatch):
    logs.write(groups=6, segment_bytes=900)
    sealed = sorted((logs.slot / "sealed").glob("*.jsonl"))
    sealed[0].write_bytes(b"not read at a start: this is for verify to find")
    logs.start().close()
    assert logs.verdict() == "TAMPERED"


def test_the_open_record_can_be_read_alone(logs):
    logs.write(groups=5)
    logs.write(groups=1)
    second = json.loads(sorted((logs.slot / "sealed").glob("*.jsonl"))[1].read_bytes().split(b"\n")[0])
    assert len(second["previous"]["frontier"]) == second["previous"]["size"].bit_count()
