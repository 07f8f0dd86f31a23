"""Every way to change the bytes of a log that we know of, and the verdict that it must get."""

import json
import os

import pytest

from gateway.audit import commit
from gateway.audit.lines import checkpoint_body, checkpoint_line
from gateway.audit.slot import claim
from gateway.audit.tree import Tree, leaf_hash
from gateway.audit.verify import verify_directory


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


def test_p5_one_bit_flipped_at_every_byte_of_a_closed_log(logs):
    logs.write(groups=1, each=1, short=True)
    for path in sorted(path for path in logs.slot.rglob("*") if path.is_file() and path.stat().st_size):
        data = path.read_bytes()
        for position in range(len(data)):
            path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
            assert logs.verdict() == "TAMPERED", (path.name, position)
        path.write_bytes(data)
    assert logs.verdict() == "VERIFIED"


def test_p5_one_bit_flipped_at_every_byte_of_an_open_log(logs):
    logs.write(groups=1, each=1, close=False, short=True)
    path = logs.only_segment()
    data = path.read_bytes().rstrip(b"\0") + bytes(16)
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        assert logs.verdict() == "TAMPERED", position
    path.write_bytes(data)
    assert logs.verdict() == "VERIFIED"


LINE_CHANGES = {
    "edited": lambda lines: [*lines[:2], lines[2].replace(b"0.0", b"9.9"), *lines[3:]],
    "deleted": lambda lines: lines[:2] + lines[3:],
    "deleted and renumbered": lambda lines: renumbered(lines[:2] + lines[3:]),
    "inserted": lambda lines: [*lines[:3], lines[2], *lines[3:]],
    "inserted and renumbered": lambda lines: renumbered([*lines[:3], lines[2], *lines[3:]]),
    "reordered": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "reordered and renumbered": lambda lines: renumbered([*lines[:2], lines[3], lines[2], *lines[4:]]),
    "group removed": lambda lines: lines[:2] + lines[5:],
    "group repeated": lambda lines: lines[:5] + lines[2:5] + lines[5:],
    "bare line": lambda lines: [*lines[:3], b"a line of text", *lines[3:]],
    "line without fields": lambda lines: [*lines[:3], b"{}", *lines[3:]],
    "blank line": lambda lines: [*lines[:3], b"", *lines[3:]],
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
    logs.rewrite(logs.only_segment(), LINE_CHANGES[name])
    assert logs.verdict() == "TAMPERED"


def test_the_finding_names_the_place(logs):
    logs.write(groups=3, each=2)
    logs.rewrite(logs.only_segment(), LINE_CHANGES["edited"])
    [finding] = verify_directory(logs.slot).logs[0].findings
    assert (finding.segment, finding.line) == ("seg-000000000000.jsonl", 5)
    assert (finding.first_index, finding.last_index) == (2, 4)


def test_bytes_of_a_group_in_the_making_are_left_out_while_a_writer_lives(logs):
    logs.write(groups=2, close=False)
    path = logs.only_segment()
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data + b'{"caller":"anon' + bytes(4096))
    assert logs.verdict() == "TAMPERED"
    lock = claim(logs.slot)
    try:
        report = verify_directory(logs.slot, allow_unanchored=True)
    finally:
        os.close(lock)
    assert report.words == "VERIFIED"
    assert report.logs[0].live
    assert report.logs[0].ignored_bytes == 15


def test_a_live_writer_excuses_nothing_before_the_last_checkpoint(logs, monkeypatch):
    from gateway.audit import verify_segment

    monkeypatch.setattr(verify_segment, "RETRY_SECONDS", 0)
    logs.write(groups=2, close=False)
    logs.rewrite(logs.only_segment(), LINE_CHANGES["edited"])
    lock = claim(logs.slot)
    try:
        assert logs.verdict() == "TAMPERED"
    finally:
        os.close(lock)


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
    "written", [lambda n: 0, lambda n: 1, lambda n: n // 2, lambda n: n - 1, lambda n: n], ids=range(5)
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
    logs.rewrite(second, lambda lines: [lines[0].replace(b'"request":"b"', b'"request":"x"'), *lines[1:]])
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
