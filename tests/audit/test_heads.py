import json
import os

import pytest
from anchored import Log, lines_in

from gateway.audit import heads as heads_module
from gateway.audit.heads import LogHead, all_heads, heads_entries, keys_of, newest_head, read_note, remembered_heads
from gateway.audit.verify import verify_directory
from gateway.model.errors import StoreDown
from gateway.stores.keyfile import create_keys


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


@pytest.fixture
def log(state):
    return Log(state, "w0")


def checkpoint(slot, number: int = -1) -> LogHead:
    found = [line for line in lines_in(slot) if line["kind"] == "checkpoint"][number]
    return LogHead("example.org/log/w0", found["root"], found["size"])


def test_the_newest_checkpoint_of_a_log_that_is_being_written(log):
    log.write(5)
    found = newest_head(log.slot)
    assert found.head == checkpoint(log.slot)
    assert found.note.startswith(f"example.org/log/w0\n{found.head.size}\n{found.head.root}\n\n\u2014 ")
    assert read_note(found.note, keys_of(log.slot)) == found


def test_a_log_that_was_closed_is_read_from_its_note(log):
    log.write(2)
    log.close()
    assert newest_head(log.slot).head == checkpoint(log.slot)
    [note] = (log.slot / "sealed").glob("*.note")
    assert newest_head(log.slot).note == note.read_text()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: b"\xff" + note,
        lambda note: note.replace(b"\xe2\x80\x94 example.org/log/w0", b"\xe2\x80\x94 example.org/log/w1"),
        lambda note: note.replace(b"\n\n", b"\nextension\n\n"),
        lambda note: note[: note.index(b"\n\n") + 2],
        lambda note: note.replace(b"example.org/log/w0\n", b"example.org/log/w1\n", 1),
        lambda _: b"",
    ],
)
def test_a_note_that_is_not_the_logs_own_does_not_count(log, spoil):
    log.write(2)
    log.close()
    [note] = (log.slot / "sealed").glob("*.note")
    note.write_bytes(spoil(note.read_bytes()))
    assert newest_head(log.slot) is None


def test_further_signatures_of_a_note_are_left_out(log):
    log.write(2)
    log.close()
    [note] = (log.slot / "sealed").glob("*.note")
    whole = note.read_text()
    body, _, own = whole.partition("\n\n")
    note.write_text(f"{body}\n\n\u2014 witness.example/w1 AAAA\n{own}\u2014 other.example AAAA\n")
    assert newest_head(log.slot).note == whole


def test_a_new_segment_without_a_group_leaves_the_head_of_the_one_before(log):
    log.write(3)
    log.close()
    (log.slot / "seg-000000000099.jsonl").write_bytes(bytes(4096))
    assert newest_head(log.slot).head == checkpoint(log.slot)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_every_cut_gives_the_last_whole_group_before_it(log, block, monkeypatch):
    monkeypatch.setattr(heads_module, "_BLOCK", block)
    log.write(3)
    log.writer.abandon()
    [path] = log.slot.glob("seg-*.jsonl")
    whole = path.read_bytes().rstrip(b"\0")
    ends = [end for end in range(1, len(whole) + 1) if whole[end - 1 : end] == b"\n"]
    groups = [end for end in ends if b'"kind":"checkpoint"' in whole[:end].split(b"\n")[-2]]
    for cut in [*range(0, len(whole), 37), *groups, *(end - 1 for end in groups)]:
        path.write_bytes(whole[:cut] + bytes(cut % 3 * 100))
        count = sum(end <= cut for end in groups)
        found = newest_head(log.slot)
        if not count:
            assert found is None
            continue
        size = json.loads(whole[: groups[count - 1]].split(b"\n")[-2])["size"]
        assert found.head.size == size


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.replace(b'"root":"', b'"root":"A'),
        lambda line: line.replace(b'"signature":"', b'"signature":"AAAA'),
        lambda line: line.replace(b'"index":', b'"index":1'),
        lambda line: b" " + line,
        lambda line: line + b" ",
    ],
)
def test_a_checkpoint_without_a_good_signature_does_not_count(log, spoil):
    log.write(3)
    before = checkpoint(log.slot, -2)
    log.writer.abandon()
    [path] = log.slot.glob("seg-*.jsonl")
    *lines, last = path.read_bytes().rstrip(b"\0").split(b"\n")[:-1]
    path.write_bytes(b"\n".join([*lines, spoil(last)]) + b"\n")
    assert newest_head(log.slot).head == before


def test_a_group_that_the_device_does_not_take_is_no_head(log, monkeypatch):
    log.write(1)
    log.close()
    before = newest_head(log.slot).head
    log.write(1)

    def broken(_fd):
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fdatasync", broken)
    assert newest_head(log.slot).head == before


def test_a_key_that_the_log_went_on_with_is_known_by_its_line_in_the_key_file(state, log):
    log.write(1)
    log.close()
    head = newest_head(log.slot).head
    other = Log(state, "w9")
    (log.slot / "log.vkey").write_text(f"{log.key.vkey}\n{other.key.vkey}\n")
    assert newest_head(log.slot).head == head
    (log.slot / "log.vkey").write_text(f"{other.key.vkey}\n")
    assert newest_head(log.slot) is None
    (log.slot / "log.vkey").write_text("nonsense\n")
    assert newest_head(log.slot) is None


def test_all_heads_are_those_of_every_log_but_the_anchors_by_origin(state):
    logs = [Log(state, slot) for slot in ("w1", "operator", "w0", "anchor")]
    for log in logs:
        log.write(2)
    (state / "audit" / "w7").mkdir()
    (state / "audit" / "notes.txt").touch()
    assert [head.origin.rpartition("/")[2] for head in all_heads(state / "audit")] == ["operator", "w0", "w1"]
    assert all_heads(state / "nowhere") == []


def test_the_record_of_heads_is_a_line_that_the_verifier_takes(state):
    Log(state, "w0").write(2)
    anchor = Log(state, "anchor")
    statement = anchor.heads()
    record = lines_in(anchor.slot)[-2]
    assert record == {
        "heads": [{"origin": head.origin, "root": head.root, "size": head.size} for head in statement.heads],
        "index": 2,
        "kind": "heads",
        "time": record["time"],
        "version": 1,
    }
    assert list(record) == sorted(record)
    anchor.close()
    assert verify_directory(anchor.slot, allow_unanchored=True).words == "VERIFIED"


@pytest.mark.parametrize("count", [0, 1, 5, 6, 11])
def test_more_heads_than_a_line_can_hold_are_read_back_from_several(state, count, monkeypatch):
    monkeypatch.setattr(heads_module, "HEADS_IN_A_RECORD", 5)
    anchor = Log(state, "anchor")
    writer = anchor.open()
    old = [LogHead(f"example.org/log/w{n:02d}", "A" * 43 + "=", 1) for n in range(count)]
    new = [LogHead(head.origin, head.root, 7) for head in old]
    for heads in (old, new):
        writer.append(heads_entries(heads, "2026-11-23T13:07:25.123456Z"))
    assert sorted(remembered_heads(anchor.slot), key=lambda head: head.origin) == new
    anchor.close()
    anchor.open()
    assert sorted(remembered_heads(anchor.slot), key=lambda head: head.origin) == new


def test_two_hundred_heads_with_the_longest_names_fit_in_one_line():
    head = LogHead("d" * 64 + "/" + "h" * 64 + "/" + "s" * 32, "A" * 43 + "=", 2**53 - 1)
    [entry] = heads_entries([head] * 200, "2026-11-23T13:07:25.123456Z")
    assert sum(map(len, entry)) < 60 * 1024 - 64


def test_there_is_nothing_to_remember_without_an_anchor_log(state):
    assert remembered_heads(state / "audit" / "anchor") == []


def test_a_record_of_heads_that_was_edited_is_not_remembered(state):
    anchor = Log(state, "anchor")
    anchor.open().append([(b'{"heads":["a"],', b'"kind":"heads","time":"2026-11-23T13:07:25.123456Z","version":1}')])
    with pytest.raises(StoreDown, match="audit verify"):
        remembered_heads(anchor.slot)
