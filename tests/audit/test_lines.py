import json

from gateway.audit.lines import (
    Checkpoint,
    Cut,
    checkpoint_body,
    checkpoint_line,
    checkpoint_note,
    close_line,
    recover_line,
    timestamp,
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
    assert read_line(recover_line(4, cut, now))["segment"] == "seg-000000000000.jsonl"
    assert read_line(close_line(5, 2, now))["records"] == 2
