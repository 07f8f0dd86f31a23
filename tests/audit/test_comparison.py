import shutil

import pytest
from anchored import Log, lines_in

from gateway.audit.comparison import Pin, contradictions
from gateway.audit.heads import LogHead, newest_head
from gateway.stores.keyfile import create_keys

ORIGIN = "example.org/log/w0"


@pytest.fixture
def log(tmp_path):
    create_keys(tmp_path)
    return Log(tmp_path, "w0")


def checkpoints(log) -> list[LogHead]:
    return [LogHead(ORIGIN, line["root"], line["size"]) for line in lines_in(log.slot) if line["kind"] == "checkpoint"]


def said(log, *heads: LogHead) -> list[str]:
    return contradictions(log.slot.parent, [Pin("the file", head) for head in heads])


@pytest.mark.parametrize("segment_bytes", [300, 1 << 20])
def test_every_checkpoint_that_a_log_ever_had_is_found_again(log, segment_bytes):
    log.open(segment_bytes=segment_bytes)
    log.write(6)
    assert said(log, *checkpoints(log)) == []
    log.close()
    log.write(2)
    log.writer.abandon()
    assert said(log, LogHead(ORIGIN, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", 0), *checkpoints(log)) == []


def test_a_smaller_log_is_rolled_back(log):
    log.write(3)
    log.close()
    older = log.slot.parent.parent / "older"
    shutil.copytree(log.slot, older)
    size = newest_head(log.slot).head.size
    log.write(3)
    log.close()
    kept = newest_head(log.slot).head
    shutil.rmtree(log.slot)
    shutil.copytree(older, log.slot)
    assert said(log, kept) == [f"log {ORIGIN} has {size} leaves, and the file kept its head with {kept.size}"]
    log.write(20)
    assert said(log, kept) == [f"log {ORIGIN} has another history than the {kept.size} leaves that the file kept"]


def test_a_tail_cut_at_the_checkpoint_before_is_rolled_back(log):
    """Row 13: one group less, and everything that is left is good."""
    log.write(3)
    log.writer.abandon()
    *_, before, kept = checkpoints(log)
    [path] = log.slot.glob("seg-*.jsonl")
    lines = path.read_bytes().rstrip(b"\0").split(b"\n")
    path.write_bytes(b"\n".join(lines[: before.size + 1]) + b"\n")
    assert said(log, before) == []
    assert said(log, kept) == [f"log {ORIGIN} has {before.size} leaves, and the file kept its head with {kept.size}"]


def test_a_group_that_was_written_again_after_a_failure_is_found(log):
    log.write(3)
    log.writer.assemble([(b"{", b'"kind":"count","time":"2026-11-23T13:07:25.123456Z","version":1}')])
    log.writer.begin()
    log.writer.fail(OSError(5, "planted"))
    log.write(3)
    assert len(list(log.slot.glob("seg-*.jsonl"))) == 2
    assert said(log, *checkpoints(log)) == []


def test_another_root_of_the_same_size_is_another_history(log):
    log.write(3)
    for head in checkpoints(log):
        other = LogHead(ORIGIN, "A" * 43 + "=", head.size)
        assert "another history" in said(log, other)[0]


@pytest.mark.parametrize("slot", ["w0", "w1"])
def test_a_log_that_is_not_there_is_missing(log, slot):
    if slot == "w0":
        log.slot.mkdir(parents=True)
    assert said(log, LogHead(ORIGIN, "A" * 43 + "=", 9)) == [
        f"log {ORIGIN} is missing, and the file kept its head with 9 leaves"
    ]


def test_a_head_whose_lines_retention_took_is_left_to_the_verifier(log):
    log.open(segment_bytes=300)
    log.write(6)
    log.close()
    heads = checkpoints(log)
    bodies = sorted((log.slot / "sealed").glob("*.jsonl"))
    for body in bodies[:2]:
        body.unlink()
    assert said(log, *heads) == []
    assert said(log, LogHead(ORIGIN, "A" * 43 + "=", heads[-2].size)) != []
    min((log.slot / "sealed").glob("*.note")).unlink()
    assert "another history" in said(log, heads[0])[0]
