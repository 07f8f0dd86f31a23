import json

from gateway.audit.lines import (
    Checkpoint,
    Cut,
    checkpoint_body,
    checkpoint_line,
    checkpoint_note,
    clock_note,
    close_note,
    disk_note,
    note_line,
    recover_note,
    rotate_note,
    timestamp,
    timestamp_of,
)
from gateway.audit.verify_line import TIME, read_line

HEAD = Checkpoint(7, bytes(32), bytes(68))


def test_the_body_is_that_of_a_c2sp_checkpoint():
    assert checkpoint_body("o", 7, bytes(32)) == b"o\n7\n" + b"A" * 43 + b"=\n"


def test_the_line_and_the_note_carry_the_same_signature():
    line = json.loads(checkpoint_line(HEAD))
    assert (line["index"], line["size"]) == (7, 7)
    note = checkpoint_note("o", "name", HEAD).decode()
    assert note == f"o\n7\n{line['root']}\n\n— name {line['signature']}\n"


def test_the_ledgers_own_records_are_lines_of_the_format():
    now = timestamp()
    assert TIME.fullmatch(now)
    cut = Cut("seg-000000000000.jsonl", 10, 3, "ab" * 32)
    assert read_line(note_line(4, recover_note(cut), now))["segment"] == "seg-000000000000.jsonl"
    assert read_line(note_line(5, close_note(2), now))["records"] == 2
    assert read_line(note_line(6, rotate_note("name+00000000+key"), now))["vkey"] == "name+00000000+key"
    assert read_line(note_line(7, clock_note(now), now))["was"] == now
    assert read_line(note_line(8, disk_note(12, "low"), now))["free"] == 12


def test_a_time_in_seconds_is_written_like_any_other():
    assert timestamp_of(1_795_439_245.5) == "2026-11-23T13:07:25.500000Z"
