"""Every way to change a log that we know of, and the verdict that it must get."""

import json
import os
import shutil
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.audit import commit
from gateway.audit.lines import checkpoint_body, checkpoint_line
from gateway.audit.ledger import _claim
from gateway.audit.tree import Tree, leaf_hash
from gateway.audit.verify import read_trust, verify_directory
from gateway.audit.verify_note import Malformed, read_notes
from gateway.audit.verify_report import Verdict, worst
from gateway.crypto.sign import SigningKey


def pins(logs):
    return read_notes(verify_directory(logs.slot).logs[0].checkpoint)


def rewrite(path: Path, change):
    """Apply `change` to the list of lines of a file."""
    lines = path.read_bytes().rstrip(b"\0").split(b"\n")[:-1]
    changed = change(lines)
    path.write_bytes(b"".join(line + b"\n" for line in (lines if changed is None else changed)))


def renumbered(lines):
    """Indexes as they should be, without the key that would be needed to sign anew."""
    result = []
    for index, line in enumerate(lines):
        record = json.loads(line)
        record["index"] = index
        if record["kind"] == "checkpoint":
            record["size"] = index
        result.append(json.dumps(record, separators=(",", ":"), sort_keys=True).encode())
    return result


def test_a_good_log(logs):
    logs.write(groups=3, each=2)
    report = verify_directory(logs.slot, pins=pins(logs))
    [log] = report.logs
    assert (report.verdict, report.exit_code, report.words) == (Verdict.VERIFIED, 0, "VERIFIED")
    assert log.kinds == report.kinds == {"open": 1, "collect": 6, "close": 1}
    assert (log.leaves, log.size, log.checkpoints, log.segments, log.pins) == (13, 12, 5, 1, 1)
    assert log.closed
    assert not log.live
    assert log.first_time.startswith("20")
    assert report.trust == [f"{logs.key.vkey} (the log's own directory: not independent)"]


def test_without_a_pin_it_is_not_plainly_good(logs):
    logs.write()
    report = verify_directory(logs.slot)
    assert (report.words, report.exit_code) == ("UNANCHORED", 15)


@pytest.mark.parametrize("level", ["slot", "audit", "state"])
def test_a_slot_an_audit_directory_or_a_state_directory_may_be_given(logs, level):
    logs.write()
    directory = {"slot": logs.slot, "audit": logs.slot.parent, "state": logs.slot.parent.parent}[level]
    assert [log.slot for log in verify_directory(directory).logs] == ["w0"]


def test_all_logs_are_read_and_the_worst_verdict_counts(logs):
    logs.write()
    first, logs.slot = logs.slot, logs.slot.parent / "w1"
    logs.write(groups=1)
    report = verify_directory(logs.slot.parent, allow_unanchored=True)
    assert (report.words, report.kinds["collect"]) == ("VERIFIED", 8)
    rewrite(next(first.glob("sealed/*.jsonl")), lambda lines: lines[:-1])
    report = verify_directory(logs.slot.parent, allow_unanchored=True)
    assert [log.verdict for log in report.logs] == [Verdict.TAMPERED, Verdict.VERIFIED]
    assert report.exit_code == 10


def test_one_bit_flipped_at_every_byte_of_a_closed_log(logs):
    logs.write(groups=1, each=1)
    for path in sorted(path for path in logs.slot.rglob("*") if path.is_file() and path.stat().st_size):
        data = path.read_bytes()
        for position in range(len(data)):
            path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
            assert logs.verdict() == "TAMPERED", (path.name, position)
        path.write_bytes(data)
    assert logs.verdict() == "VERIFIED"


def test_one_bit_flipped_at_every_byte_of_an_open_log(logs):
    logs.write(groups=1, each=1, close=False)
    path = logs.only_segment()
    data = path.read_bytes().rstrip(b"\0") + bytes(16)
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        assert logs.verdict() == "TAMPERED", position
    path.write_bytes(data)
    assert logs.verdict() == "VERIFIED"


LINE_CHANGES = {
    "edited": lambda lines: lines[:2] + [lines[2].replace(b"0.0", b"9.9")] + lines[3:],
    "deleted": lambda lines: lines[:2] + lines[3:],
    "deleted and renumbered": lambda lines: renumbered(lines[:2] + lines[3:]),
    "inserted": lambda lines: lines[:3] + [lines[2]] + lines[3:],
    "inserted and renumbered": lambda lines: renumbered(lines[:3] + [lines[2]] + lines[3:]),
    "reordered": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "reordered and renumbered": lambda lines: renumbered([*lines[:2], lines[3], lines[2], *lines[4:]]),
    "group removed": lambda lines: lines[:2] + lines[5:],
    "group repeated": lambda lines: lines[:5] + lines[2:5] + lines[5:],
    "bare line": lambda lines: lines[:3] + [b"a line of text"] + lines[3:],
    "line without fields": lambda lines: lines[:3] + [b"{}"] + lines[3:],
    "blank line": lambda lines: lines[:3] + [b""] + lines[3:],
    "byte order mark": lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]],
    "carriage returns": lambda lines: [line + b"\r" for line in lines],
    "white space after": lambda lines: [*lines[:-1], lines[-1] + b" "],
    "trailing line": lambda lines: [*lines, b"{}"],
    "checkpoint with other spacing": lambda lines: [*lines[:-1], lines[-1].replace(b":", b": ", 1)],
    "checkpoint with a further key": lambda lines: [*lines[:-1], lines[-1].replace(b"{", b'{"a":1,', 1)],
    "last checkpoint gone": lambda lines: lines[:-1],
}


@pytest.mark.parametrize("name", LINE_CHANGES)
@pytest.mark.parametrize("close", [True, False])
def test_changed_lines(logs, name, close):
    logs.write(groups=3, each=2, close=close)
    rewrite(logs.only_segment(), LINE_CHANGES[name])
    assert logs.verdict() == "TAMPERED"


def signed_again(logs, change):
    """The log after `change`, with all indexes, roots and signatures made good with the log's own key."""
    lines = logs.only_segment().read_bytes().rstrip(b"\0").split(b"\n")[:-1]
    tree, result = Tree(), []
    for line in change(lines):
        if b'"kind":"checkpoint"' in line:
            body = checkpoint_body("example.org/log/w0", tree.size, tree.root())
            line = checkpoint_line(commit.Checkpoint(tree.size, tree.root(), logs.key.sign(body)))  # noqa: PLW2901
        result.append(line)
        tree.append(leaf_hash(line))
    logs.only_segment().write_bytes(b"".join(line + b"\n" for line in result))


FORBIDDEN_LINES = {
    "duplicate key": b'{"index":2,"kind":"collect","kind":"collect","time":"%b","version":1}',
    "duplicate key inside": b'{"fields":[{"a":1,"a":1}],"index":2,"kind":"collect","time":"%b","version":1}',
    "not a number": b'{"a":NaN,"index":2,"kind":"collect","time":"%b","version":1}',
    "float": b'{"a":1.5,"index":2,"kind":"collect","time":"%b","version":1}',
    "float index": b'{"index":2.0,"kind":"collect","time":"%b","version":1}',
    "large integer": b'{"a":9007199254740992,"index":2,"kind":"collect","time":"%b","version":1}',
    "unknown kind": b'{"index":2,"kind":"note","time":"%b","version":1}',
    "no kind": b'{"index":2,"time":"%b","version":1}',
    "no version": b'{"index":2,"kind":"collect","time":"%b"}',
    "next version": b'{"index":2,"kind":"collect","time":"%b","version":2}',
    "version true": b'{"index":2,"kind":"collect","time":"%b","version":true}',
    "time without zone": b'{"index":2,"kind":"collect","time":"2026-11-23T13:07:25.123456","version":1}',
    "an array": b'["%b"]',
    "70 KiB": b'{"a":"' + b"x" * 70_000 + b'","index":2,"kind":"collect","time":"%b","version":1}',
    "too deep": b'{"a":' + b"[" * 900 + b"]" * 900 + b',"index":2,"kind":"collect","time":"%b","version":1}',
    "not UTF-8": b'{"a":"\xff","index":2,"kind":"collect","time":"%b","version":1}',
    "a second origin": b'{"index":2,"kind":"open","origin":"else","time":"%b","version":1}',
}


@pytest.mark.parametrize("name", FORBIDDEN_LINES)
def test_lines_that_are_never_good_even_if_signed(logs, name):
    logs.write(groups=1, each=1, close=False)
    line = FORBIDDEN_LINES[name].replace(b"%b", b"2026-11-23T13:07:25.123456Z")
    signed_again(logs, lambda lines: [*lines[:2], line, *lines[3:]])
    assert logs.verdict() == "TAMPERED"


@pytest.mark.parametrize(
    "line",
    [
        b'{"index":2,"kind":"collect","time":"2026-11-23T13:07:25.123456Z","version":1}',
        b'{ "version": 1, "time":"2026-11-23T13:07:25.123456Z", "kind":"heads", "index":2, "a":[[1],{"b":null}]}',
    ],
)
def test_lines_in_another_order_or_depth_are_good_if_signed(logs, line):
    logs.write(groups=1, each=1, close=False)
    signed_again(logs, lambda lines: [*lines[:2], line, *lines[3:]])
    assert logs.verdict() == "VERIFIED"


def test_the_finding_names_the_place(logs):
    logs.write(groups=3, each=2)
    rewrite(logs.only_segment(), LINE_CHANGES["edited"])
    [finding] = verify_directory(logs.slot).logs[0].findings
    assert (finding.segment, finding.line) == ("seg-000000000000.jsonl", 5)
    assert (finding.first_index, finding.last_index) == (2, 4)


# What is there, and what is not.


def test_nothing_is_never_a_pass(logs, tmp_path):
    assert logs.verdict() == "CANNOT"
    logs.slot.mkdir(parents=True)
    assert logs.verdict() == "CANNOT"
    (logs.slot / "seg-000000000000.jsonl").touch()
    assert logs.verdict() == "CANNOT"
    (logs.slot / "log.vkey").write_text(logs.key.vkey + "\n")
    assert logs.verdict() == "CANNOT"
    assert verify_directory(tmp_path / "missing").exit_code == 20


def test_an_open_record_alone_is_torn_and_with_its_checkpoint_a_log(logs):
    logs.write(groups=0, close=False)
    rewrite(logs.only_segment(), lambda lines: lines[:1])
    assert logs.verdict() == "TAMPERED"
    shutil.rmtree(logs.slot)
    logs.write(groups=0, close=False)
    assert logs.verdict() == "VERIFIED"
    assert verify_directory(logs.slot).logs[0].leaves == 2


def test_no_key_cannot(logs):
    logs.write()
    (logs.slot / "log.vkey").unlink()
    assert logs.verdict() == "CANNOT"
    assert logs.verdict(trust=read_trust(logs.key.vkey)) == "VERIFIED"


def test_unreadable_cannot(logs):
    logs.write()
    path = logs.only_segment()
    path.unlink()
    path.mkdir()
    assert logs.verdict() == "CANNOT"


def test_a_missing_segment(logs):
    logs.write(groups=6, segment_bytes=900)
    [_, second, third, *_] = sorted((logs.slot / "sealed").glob("*.jsonl"))
    second.unlink()
    assert logs.verdict() == "INCOMPLETE"
    third.with_suffix(".note").unlink()
    assert logs.verdict() == "INCOMPLETE"


def test_the_first_segment_missing(logs):
    logs.write(groups=6, segment_bytes=900)
    first = min((logs.slot / "sealed").glob("*.jsonl"))
    first.unlink()
    assert logs.verdict() == "INCOMPLETE"
    first.with_suffix(".note").unlink()
    assert logs.verdict() == "INCOMPLETE"


def test_a_sealed_segment_and_its_note_belong_together(logs):
    logs.write(groups=2)
    path = logs.only_segment()
    note = path.with_suffix(".note")
    text = note.read_text(encoding="utf-8")
    for changed, verdict in (
        (text + f"— witness {b64encode(bytes(72)).decode()}\n", "VERIFIED"),
        (text + "something\n", "TAMPERED"),
        (text + "\n" + text, "TAMPERED"),
        ("", "TAMPERED"),
    ):
        note.write_text(changed, encoding="utf-8")
        assert logs.verdict() == verdict, changed
    note.unlink()
    assert logs.verdict() == "INCOMPLETE"


def test_segments_swapped_renamed_or_moved_between_logs(logs):
    logs.write(groups=6, segment_bytes=900)
    other_slot = logs.slot.parent / "w1"
    other = logs.start(other_slot, origin="example.org/log/w0")
    for n in range(4):
        other.append([logs.record(f"other {n}")])
    other.close()
    sealed = sorted((logs.slot / "sealed").glob("*.jsonl"))
    one, two = sealed[0].read_bytes(), sealed[1].read_bytes()
    sealed[0].write_bytes(two)
    sealed[1].write_bytes(one)
    assert logs.verdict() == "TAMPERED"
    sealed[0].write_bytes(next((other_slot / "sealed").glob("*.jsonl")).read_bytes())
    sealed[1].write_bytes(two)
    assert logs.verdict() == "TAMPERED"
    sealed[0].write_bytes(one)
    assert logs.verdict() == "VERIFIED"
    sealed[1].rename(logs.slot / "sealed" / "seg-000000000099.jsonl")
    assert logs.verdict() == "INCOMPLETE"


# A memory from outside.


def cut_at_an_older_checkpoint(logs):
    rewrite(logs.only_segment(), lambda lines: lines[:-3])
    return "ROLLED BACK"


def older_copy(logs):
    shutil.rmtree(logs.slot)
    shutil.copytree(logs.slot.parent / "copy", logs.slot)
    return "ROLLED BACK"


def older_copy_written_on(logs):
    older_copy(logs)
    logs.write(groups=9)
    return "FORK"


def whole_log_gone(logs):
    shutil.rmtree(logs.slot)
    (logs.slot.parent / "copy").rename(logs.slot.parent / "w1")
    shutil.rmtree(logs.slot.parent / "w1")
    logs.slot.mkdir()
    return "CANNOT"


@pytest.mark.parametrize(
    "attack", [cut_at_an_older_checkpoint, older_copy, older_copy_written_on, whole_log_gone], ids=lambda f: f.__name__
)
def test_rolling_back_needs_a_pin_to_be_seen(logs, attack):
    logs.write(groups=2, close=False)
    shutil.copytree(logs.slot, logs.slot.parent / "copy")
    writer = logs.start()
    writer.append([logs.record("later")])
    writer.abandon()
    if attack is cut_at_an_older_checkpoint:
        shutil.rmtree(logs.slot)
        logs.write(groups=3, close=False)
    pinned = pins(logs)
    assert logs.verdict(pins=pinned, allow_unanchored=False) == "VERIFIED"
    expected = attack(logs)
    assert logs.verdict(pins=pinned) == expected
    if expected in ("ROLLED BACK", "FORK"):
        assert logs.verdict() == "VERIFIED"
        assert logs.verdict(allow_unanchored=False) == "UNANCHORED"


def test_pins_of_every_checkpoint_hold(logs):
    logs.write(groups=4, segment_bytes=900)
    notes = [path.read_text(encoding="utf-8") for path in sorted((logs.slot / "sealed").glob("*.note"))]
    assert logs.verdict(pins=read_notes("\n".join(notes)), allow_unanchored=False) == "VERIFIED"


def test_a_pin_at_any_size_is_compared(logs):
    logs.write(groups=1, each=2)
    root = b64encode(bytes(32)).decode()
    for size, verdict in ((3, "FORK"), (0, "FORK"), (7, "FORK"), (8, "ROLLED BACK")):
        if size == 7:
            assert verify_directory(logs.slot).logs[0].leaves == 7
        note = f"example.org/log/w0\n{size}\n{root}\n\n— my-own {b64encode(bytes(68)).decode()}\n"
        assert logs.verdict(pins=read_notes(note)) == verdict, size


def test_a_pin_with_a_bad_signature_of_the_logs_own_key_is_no_memory(logs):
    logs.write()
    [pin] = pins(logs)
    broken = pin.note().replace(f"\n{pin.size}\n", "\n1\n")
    assert logs.verdict(pins=read_notes(broken)) == "CANNOT"


def test_two_pins_that_differ(logs):
    logs.write()
    [pin] = pins(logs)
    other = f"{pin.origin}\n{pin.size}\n{b64encode(bytes(32)).decode()}\n\n— my-own {b64encode(bytes(68)).decode()}\n"
    assert logs.verdict(pins=[pin, *read_notes(other)]) == "FORK"


def test_a_pinned_log_that_is_not_here(logs):
    logs.write()
    [pin] = pins(logs)
    other = pin.note().replace("example.org/log/w0", "example.org/log/w7")
    assert logs.verdict(pins=[pin, *read_notes(other)]) == "INCOMPLETE"


# Keys.


def test_a_key_from_a_trust_file_is_named_as_such(logs):
    logs.write()
    other = SigningKey("example.org/log/w9", bytes(32)).vkey
    trust = read_trust(f"# ours\n\n{logs.key.vkey}\n{other}\n")
    report = verify_directory(logs.slot, trust=trust, pins=pins(logs))
    assert report.words == "VERIFIED"
    assert report.trust == [
        f"{logs.key.vkey} (the trust file)",
        f"{other} (in the trust file, signs no log here)",
    ]


def test_a_log_forged_with_another_key(logs):
    trusted = logs.key.vkey
    logs.key = SigningKey("example.org/log/w0", bytes(32))
    logs.write()
    assert logs.verdict() == "VERIFIED"
    assert logs.verdict(trust=read_trust(trusted)) == "TAMPERED"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "name+00000000+AAAA", "x"])
def test_a_trust_file_must_hold_keys(text):
    with pytest.raises(Malformed):
        read_trust(text)


# Time.


def test_stale_is_judged_only_when_asked_and_not_for_a_closed_log(logs):
    now = datetime.now(UTC)
    logs.write(close=False)
    assert logs.verdict(at=now) == "VERIFIED"
    later = now + timedelta(minutes=4)
    assert logs.verdict() == "VERIFIED"
    assert logs.verdict(at=later) == "STALE"
    logs.write()
    assert logs.verdict(at=later) == "VERIFIED"


# A log that is being written.


def test_bytes_of_a_group_in_the_making_are_left_out_while_a_writer_lives(logs):
    logs.write(groups=2, close=False)
    path = logs.only_segment()
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data + b'{"caller":"anon' + bytes(4096))
    assert logs.verdict() == "TAMPERED"
    lock = _claim(logs.slot)
    try:
        report = verify_directory(logs.slot, allow_unanchored=True)
    finally:
        os.close(lock)
    assert report.words == "VERIFIED"
    assert report.logs[0].live
    assert report.logs[0].ignored_bytes == 15


def test_a_live_writer_excuses_nothing_before_the_last_checkpoint(logs, monkeypatch):
    from gateway.audit import verify_log

    monkeypatch.setattr(verify_log, "RETRY_SECONDS", 0)
    logs.write(groups=2, close=False)
    rewrite(logs.only_segment(), LINE_CHANGES["edited"])
    lock = _claim(logs.slot)
    try:
        assert logs.verdict() == "TAMPERED"
    finally:
        os.close(lock)


# Groups that two segments hold.


def dead_segment(logs, monkeypatch, written):
    """A log whose second group reached the first segment only as far as `written`, then went on."""
    from gateway.audit import segment as module

    writer = logs.start()
    writer.append([logs.record("a")])
    real = module.os.pwrite

    def torn(fd, data, offset):
        real(fd, bytes(data)[: written(len(data))], offset)
        raise OSError(5, "injected")

    monkeypatch.setattr(module.os, "pwrite", torn)
    with pytest.raises(OSError, match="injected"):
        writer.append([logs.record("b")])
    monkeypatch.setattr(module.os, "pwrite", real)
    writer.append([logs.record("c")])
    writer.abandon()
    return sorted(logs.slot.glob("*.jsonl"))


@pytest.mark.parametrize(
    "written", [lambda n: 0, lambda n: 1, lambda n: n // 2, lambda n: n - 1, lambda n: n], ids=str
)
def test_a_repeated_group_counts_once(logs, monkeypatch, written):
    dead_segment(logs, monkeypatch, written)
    report = verify_directory(logs.slot, allow_unanchored=True)
    assert (report.words, report.kinds["collect"]) == ("VERIFIED", 3)
    logs.start().close()
    assert logs.verdict() == "VERIFIED"


def test_a_repeated_group_that_differs(logs, monkeypatch):
    first, second = dead_segment(logs, monkeypatch, lambda n: n)
    data = first.read_bytes()
    first.write_bytes(data.replace(b'"request":"b"', b'"request":"x"'))
    assert logs.verdict() == "TAMPERED"
    first.write_bytes(data)
    rewrite(second, lambda lines: [lines[0].replace(b'"request":"b"', b'"request":"x"'), *lines[1:]])
    assert logs.verdict() == "TAMPERED"


def test_two_signed_groups_for_the_same_leaves_are_a_fork(logs, monkeypatch):
    first, second = dead_segment(logs, monkeypatch, lambda n: n)
    lines = first.read_bytes().rstrip(b"\0").split(b"\n")[:-1]
    at = int(second.name[4:16])
    tree = Tree()
    for line in lines[:at]:
        tree.append(leaf_hash(line))
    changed = lines[at].replace(b'"request":"b"', b'"request":"x"')
    tree.append(leaf_hash(changed))
    signature = logs.key.sign(checkpoint_body("example.org/log/w0", tree.size, tree.root()))
    head = checkpoint_line(commit.Checkpoint(tree.size, tree.root(), signature))
    second.write_bytes(changed + b"\n" + head + b"\n")
    assert logs.verdict() == "FORK"


def test_torn_copies_must_be_the_recorded_ones(logs):
    logs.write(close=False)
    path = logs.only_segment()
    path.write_bytes(path.read_bytes().rstrip(b"\0") + b"torn")
    logs.start().close()
    assert logs.verdict() == "VERIFIED"
    [copy] = (logs.slot / "torn").iterdir()
    copy.write_bytes(b"other")
    assert logs.verdict() == "TAMPERED"
    copy.rename(copy.with_name(f"seg-000000000000.jsonl.3.{'0' * 64}"))
    assert logs.verdict() == "TAMPERED"
    next((logs.slot / "torn").iterdir()).unlink()
    assert logs.verdict() == "VERIFIED"


def test_the_worst_of_several_and_of_none():
    assert worst([Verdict.VERIFIED, Verdict.UNANCHORED, Verdict.ROLLED_BACK, Verdict.CANNOT]) is Verdict.ROLLED_BACK
    assert worst([]) is Verdict.CANNOT
    assert Verdict.ROLLED_BACK.words == "ROLLED BACK"


def test_progress_reaches_the_whole(logs):
    logs.write(groups=3)
    told = []
    verify_directory(logs.slot, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == logs.only_segment().stat().st_size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "origin\n01\nAAAA\n\n— n AAAAAAAA\n",
        "origin\n1\n" + "A" * 43 + "=\n\n",
        "origin\n1\n" + "A" * 43 + "=\nextension\n\n— n AAAAAAAA\n",
        "origin\n1\n" + "A" * 42 + "B=\n\n— n AAAAAAAA\n",
        "origin\n1\n" + "A" * 43 + "=\n\n— n AAAA\n",
        "origin\n1\n" + "A" * 43 + "=\n\n— n AAAAAAAA",
        "origin\n1\n" + "A" * 40 + "\n\n— n AAAAAAAA\n",
    ],
)
def test_notes_are_read_strictly(text):
    with pytest.raises(Malformed):
        read_notes(text)
