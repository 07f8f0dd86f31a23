"""The faults that a verifier has to find, each under its number in the table of faults.

The numbers are those of the design's list of faults to survive; the ones that are missing here are of
the writer, the engine or the stores.
"""

import json
import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pymerkle
import pytest
from written import Written

from gateway.audit.proof_make import prove
from gateway.audit.proof_source import Source
from gateway.audit.tree import Tree, leaf_hash
from gateway.audit.verify import read_trust, verify_directory
from gateway.audit.verify_note import read_notes
from gateway.audit.verify_pins import Pins, Receipt, read_since
from gateway.crypto.sign import SigningKey

SCRIPT = Path(__file__).parents[2] / "docs" / "verify-checkpoint.sh"


def verify(directory, **options):
    options.setdefault("allow_unanchored", True)
    return verify_directory(directory, **options)


def code(directory, **options):
    return verify(directory, **options).exit_code


def flips(path):
    """The file with one bit flipped, at every byte; gives the position. Restores the file in the end."""
    data = path.read_bytes()
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        yield position
    path.write_bytes(data)


@pytest.fixture
def log(tmp_path):
    """Two sealed segments, with a rotation in the first, and an open one."""
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().group(1).rotate(1).seal()
    log.open().checkpoint().group(2).seal()
    log.open().checkpoint().group(1).leave_open()
    return log


@pytest.mark.parametrize("number", [0, 1, 2])
def test_row_09_one_bit_flipped_at_every_byte_of_a_segment(log, number):
    body = sorted(log.slot.rglob("*.jsonl"), key=lambda path: path.name)[number]
    lines_before = [0]
    for byte in body.read_bytes():
        lines_before.append(lines_before[-1] + (byte == 10))
    first = int(body.stem[4:])
    for position in flips(body):
        report = verify(log.slot)
        assert report.exit_code == 10, position
        changed = first + lines_before[position]
        found = [finding for finding in report.logs[0].findings if finding.segment == body.name]
        assert any(each.first_index <= changed <= each.last_index for each in found), (position, found)
    assert code(log.slot) == 0


@pytest.mark.parametrize("pattern", ["sealed/*.note", "sealed/*.leaves", "log.vkey"])
def test_row_09_one_bit_flipped_at_every_byte_of_what_lies_beside(log, pattern):
    for path in sorted(log.slot.glob(pattern)):
        for position in flips(path):
            report = verify(log.slot)
            assert report.exit_code == 10, (path.name, position)
            assert [finding.segment for finding in report.logs[0].findings] == [path.name], position


def renumbered(lines):
    for index, line in enumerate(lines):
        record = json.loads(line)
        record["index"] = index
        if record["kind"] == "checkpoint":
            record["size"] = index
        yield json.dumps(record, separators=(",", ":"), sort_keys=True).encode()


EDITS = {
    "deleted": lambda lines, n: lines[:n] + lines[n + 1 :],
    "inserted": lambda lines, n: [*lines[:n], lines[n].replace(b"count", b"reveal"), *lines[n:]],
    "edited": lambda lines, n: [*lines[:n], lines[n].replace(b"2026", b"2025"), *lines[n + 1 :]],
    "reordered": lambda lines, n: [*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]],
    "duplicated": lambda lines, n: [*lines[: n + 1], lines[n], *lines[n + 1 :]],
}


@pytest.mark.parametrize("numbers", ["as they were", "renumbered"])
@pytest.mark.parametrize("edit", EDITS)
def test_row_10_a_record_changed(tmp_path, edit, numbers):
    log = Written(tmp_path / "audit" / "w0")
    body = log.open().checkpoint().group(2).group(2).seal(leaves=False)
    lines = body.read_bytes().split(b"\n")[:-1]
    for n in (2, 3, 5):
        changed = EDITS[edit](lines, n)
        changed = list(renumbered(changed)) if numbers == "renumbered" else changed
        body.write_bytes(b"".join(line + b"\n" for line in changed))
        assert code(log.slot) == 10, n


BAD_LINES = {
    "bare": b"a line of text",
    "without fields": b"{}",
    "blank": b"",
    "byte order mark": b'\xef\xbb\xbf{"index":2,"kind":"count","time":"%b","version":1}',
    "carriage return": b'{"index":2,"kind":"count","time":"%b","version":1}\r',
    "a key twice": b'{"index":2,"kind":"count","kind":"count","time":"%b","version":1}',
    "not a number": b'{"index":2,"kind":"count","n":NaN,"time":"%b","version":1}',
    "70 KiB": b'{"a":"' + b"x" * 70_000 + b'","index":2,"kind":"count","time":"%b","version":1}',
}


@pytest.mark.parametrize("place", [2, 4, -1])
@pytest.mark.parametrize("name", BAD_LINES)
def test_row_11_a_line_that_is_no_record(tmp_path, name, place):
    log = Written(tmp_path / "audit" / "w0")
    body = log.open().checkpoint().group(2).group(2).seal(leaves=False)
    line = BAD_LINES[name].replace(b"%b", b"2026-11-23T13:07:25.123456Z")
    lines = body.read_bytes().split(b"\n")[:-1]
    body.write_bytes(b"".join(each + b"\n" for each in [*lines[:place], line, *lines[place:]]))
    assert code(log.slot) == 10


def test_row_12_little_or_nothing(tmp_path):
    (tmp_path / "audit").mkdir()
    assert code(tmp_path) == 20
    log = Written(tmp_path / "audit" / "w0")
    assert code(tmp_path) == 20
    path = log.open().leave_open()
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert code(tmp_path) == 20
    path.write_bytes(whole)
    assert code(tmp_path) == 10
    log.checkpoint().leave_open()
    report = verify(tmp_path)
    assert (report.exit_code, report.logs[0].leaves) == (0, 2)
    assert code(tmp_path, allow_unanchored=False) == 15


def anchored(log):
    """A log of heads that knows every checkpoint of `log`."""
    anchor = Written(log.slot.parent / "anchor", seed=5)
    anchor.open().checkpoint()
    for head in log.heads:
        entry = {"origin": log.origin, "root": b64encode(head.root).decode(), "size": head.size}
        anchor.add("heads", heads=[entry]).checkpoint()
    anchor.leave_open()
    return anchor


def memories(log):
    """A pin, a receipt, and a witness's copy of the newest checkpoint."""
    head = log.heads[-1]
    origin, root = log.origin, b64encode(head.root).decode()
    witness = SigningKey("witness.example", bytes(32))
    note = f"{origin}\n{head.size}\n{root}\n"
    pin = f"{note}\n— {origin} {b64encode(head.signature).decode()}\n"
    cosigned = f"{note}\n— witness.example {b64encode(witness.sign(note.encode())).decode()}\n"
    receipt = Receipt(origin, head.size - 1, leaf_hash(log.all_lines()[head.size - 1]))
    return Pins(read_notes(pin)), Pins(read_notes(cosigned)), Pins((), [receipt])


@pytest.mark.parametrize("cut", ["at an older checkpoint", "last segment gone"])
def test_row_13_a_tail_that_is_missing(log, cut):
    kept = memories(log)
    last = next(log.slot.glob("seg-*.jsonl"))
    if cut == "last segment gone":
        last.unlink()
    else:
        last.write_bytes(b"".join(line + b"\n" for line in last.read_bytes().split(b"\n")[:2]))
    for pins in kept:
        assert code(log.slot, pins=pins) == 11
    assert code(log.slot, allow_unanchored=False) == 15
    anchored(log)
    assert code(log.slot.parent) == 11


def test_row_14_segments_that_are_not_where_they_were(log, tmp_path):
    first, second = sorted((log.slot / "sealed").glob("*.jsonl"))
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    assert code(log.slot) == 10
    other = Written(tmp_path / "other" / "w0")
    foreign = other.open().checkpoint().group(1).rotate(2).seal()
    first.write_bytes(foreign.read_bytes())
    second.write_bytes(two)
    assert code(log.slot) == 10
    first.write_bytes(one)
    assert code(log.slot) == 0
    second.rename(second.with_name("seg-000000000099.jsonl"))
    assert code(log.slot) in (10, 13)
    (second.with_name("seg-000000000099.jsonl")).rename(second)
    shorter = b"".join(line + b"\n" for line in two.split(b"\n")[:2])
    second.write_bytes(shorter)
    assert code(log.slot) in (10, 13)


def test_row_15_an_older_copy_put_back_and_written_on(tmp_path):
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().leave_open()
    shutil.copytree(log.slot, tmp_path / "copy")
    log.group(1, note="first").leave_open()
    pins = memories(log)[0]
    assert code(log.slot, pins=pins) == 0
    shutil.rmtree(log.slot)
    shutil.copytree(tmp_path / "copy", log.slot)
    assert code(log.slot, pins=pins) == 11
    again = Written(tmp_path / "again" / "w0")
    again.open().checkpoint().group(1, note="second").group(3).leave_open()
    shutil.rmtree(log.slot)
    shutil.copytree(again.slot, log.slot)
    assert code(log.slot, pins=pins) == 12
    assert code(log.slot) == 0


def test_row_16_the_log_of_heads_rolled_back_too(log):
    kept = memories(log)
    body = next(log.slot.glob("seg-*.jsonl"))
    body.write_bytes(b"".join(line + b"\n" for line in body.read_bytes().split(b"\n")[:2]))
    log.heads.pop()
    anchored(log)
    assert code(log.slot.parent, allow_unanchored=False) == 15
    for pins in kept:
        assert code(log.slot.parent, pins=pins) == 11


def test_row_17_a_whole_log_deleted(log):
    anchored(log)
    Written(log.slot.parent / "w1").open().checkpoint().leave_open()
    assert code(log.slot.parent) == 0
    shutil.rmtree(log.slot)
    assert code(log.slot.parent) == 13


def test_row_21_a_log_forged_with_another_key(log):
    trust = read_trust("\n".join(log.keys))
    shutil.rmtree(log.slot)
    forged = Written(log.slot, seed=9)
    forged.open().checkpoint().group(2).seal()
    assert code(log.slot) == 0
    assert code(log.slot, trust=trust) == 10


def shell(*arguments):
    command = ["sh", str(SCRIPT), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ)


def test_row_32_the_same_roots_as_pymerkle(log):
    other, tree, lines = pymerkle.InmemoryTree(algorithm="sha256"), Tree(), log.all_lines()
    roots = {head.size: head.root for head in log.heads}
    for size, line in enumerate(lines):
        if size in roots:
            assert other.get_root() == roots.pop(size) == tree.root()
        other.append_entry(line)
        tree.append(leaf_hash(line))
    assert not roots
    assert verify(log.slot).logs[0].root == b64encode(other.get_root(len(lines) - 1)).decode()


def test_row_32_a_checkpoint_with_openssl_alone(log, tmp_path):
    keys = log.slot / "log.vkey"
    for note in sorted((log.slot / "sealed").glob("*.note")):
        good = shell("checkpoint", note, keys)
        assert good.returncode == 0, good.stderr
        assert good.stdout.startswith(f"GOOD: {log.origin} has signed a tree of ")
        data = note.read_bytes()
        for position in range(0, len(data), 9):
            changed = tmp_path / "changed.note"
            changed.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            assert shell("checkpoint", changed, keys).returncode == 1, position
    other = tmp_path / "other.vkey"
    other.write_text(SigningKey(log.origin, bytes([8]) * 32).vkey + "\n")
    assert shell("checkpoint", note, other).returncode == 1
    assert shell("checkpoint", note, tmp_path / "missing").returncode == 2


def test_row_32_a_line_with_openssl_alone(log):
    body = min((log.slot / "sealed").glob("*.jsonl"))
    leaves = body.with_suffix(".leaves").read_bytes()
    for number in (1, 2, 3):
        expected = b64encode(leaves[number * 32 - 32 : number * 32]).decode()
        assert shell("leaf", body, number, expected).returncode == 0
    body.write_bytes(body.read_bytes().replace(b'"count"', b'"reveal"', 1))
    assert shell("leaf", body, 3, expected).returncode == 1
    assert shell("leaf", body, 99).returncode == 2


def test_row_32_a_proof_with_openssl_alone(log, tmp_path):
    keys, source = log.slot / "log.vkey", Source(log.slot)
    file = tmp_path / "a.tlog-proof"
    for index in (0, 2, 5, source.head().size - 1):
        file.write_text(prove(source, index).text(), encoding="utf-8")
        good = shell("proof", file, keys)
        assert good.returncode == 0, good.stderr
        assert f'"index":{index},' in good.stdout
    record = tmp_path / "record"
    record.write_bytes(log.all_lines()[index].replace(b"count", b"reveal"))
    assert shell("proof", file, keys, record).returncode == 1
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"index {index}\n", f"index {index - 1}\n"), encoding="utf-8")
    assert shell("proof", file, keys).returncode == 1


def test_a_proof_kept_as_memory_finds_a_roll_back(log):
    pins = Pins()
    read_since(prove(Source(log.slot), 3).text(), pins)
    next(log.slot.glob("seg-*.jsonl")).unlink()
    assert code(log.slot, pins=pins) == 11
