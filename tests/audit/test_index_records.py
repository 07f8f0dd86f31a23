"""A manipulated index never shows what the log does not hold at that place."""

import sqlite3

import pytest

from gateway.audit import index_records
from gateway.audit.index import Index
from gateway.audit.index_file import NAME
from gateway.audit.index_lines import micros, word_hash
from gateway.audit.index_records import Place, Stale
from gateway.audit.search import Query

ANN, BOB = "s1.aaaaaaaaaaaaaaaaaaaaaa", "s1.bbbbbbbbbbbbbbbbbbbbbb"


@pytest.fixture
def home(logs):
    """Ann's records, then Bob's, in two logs; the second is still being written."""
    logs.now = "2026-11-23T13:07:25.123456Z"
    for slot in ("w0", "w1"):
        writer = logs.start(logs.slot.parent / slot, segment_bytes=1500, origin=f"example.org/log/{slot}")
        for n, subject in enumerate((ANN, ANN, BOB)):
            writer.append([logs.record(f"{slot}.{n}", subject=subject, quoted='\\"index\\":1')])
            writer.seal_finished()
        if slot == "w0":
            writer.close()
        else:
            writer.abandon()
    home = logs.slot.parent
    Index.open(home).close()
    return home


def change(home, *statements):
    with sqlite3.connect(home / NAME) as connection:
        for statement, *values in statements:
            connection.execute(statement, values)
    connection.close()


def ask(home, **query):
    """What is shown, checked against the log's own bytes: every one a whole line, and one that was asked for."""
    shown = []
    with Index.open(home) as index:
        for entry in index.search(Query(**query)):
            assert entry.record["subject"] == query.get("subject", entry.record["subject"])
            shown.append(entry.record["request"])
    return shown


def test_unchanged_it_shows_all(home):
    assert sorted(ask(home, subject=BOB)) == ["w0.2", "w1.2"]


@pytest.mark.parametrize(
    "statement",
    [
        # Bob's name on Ann's records
        ("UPDATE record SET subject = ?", word_hash(BOB)),
        # another record's place, with and without its hash
        ("UPDATE record SET offset = (SELECT min(offset) FROM record) WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET leaf = x'00000000000000000000000000000000' WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET id = id + 50 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET id = id + (7 << 40) WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET segment = segment + 1 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET segment = 99 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET time = time + 1 WHERE subject = ?", word_hash(BOB)),
        # the middle of a line, more than a line, nothing, and numbers that are none
        ("UPDATE record SET offset = offset + 1, length = length - 1 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET length = length + 5 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET length = length - 5 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET length = 1 << 40 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET offset = -3 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET offset = 1 << 61 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET offset = 'x' WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET leaf = 5 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE record SET form = 99 WHERE subject = ?", word_hash(BOB)),
        ("UPDATE form SET says = '[' || id || ']'",),
        ("UPDATE form SET says = x'ff00' WHERE says LIKE '%collect%'",),
        ("UPDATE segment SET slot = 3 - slot, first = 0 WHERE sealed = 1",),
    ],
)  # fmt: skip
def test_a_manipulated_index_is_stale_and_shows_nothing_false(home, statement):
    change(home, statement)
    try:
        shown = ask(home, subject=BOB)
    except Stale:
        pass
    else:
        assert set(shown) <= {"w0.2", "w1.2"}
        assert statement[0].startswith("UPDATE segment")  # read again, since it does not go on where it was left
    Index.open(home, rebuild=True).close()
    assert sorted(ask(home, subject=BOB)) == ["w0.2", "w1.2"]


def test_rows_that_say_another_recipient_or_request_show_nothing(home):
    change(home, ("UPDATE form SET says = replace(says, 'shop', 'mailer')",), ("UPDATE record SET request = 5",))
    for query in ({"recipient": "mailer"}, {"kind": "collect", "recipient": "mailer"}):
        with pytest.raises(Stale):
            ask(home, **query)
    change(home, ("UPDATE record SET request = ?", word_hash("other")))
    with pytest.raises(Stale):
        ask(home, request="other")


def test_a_line_that_no_checkpoint_covers_is_not_shown(home, logs):
    """As if someone had the index say that an unsigned line at the end of an open segment is a record."""
    [path] = (home / "w1").glob("seg-*.jsonl")
    stored = path.read_bytes().rstrip(b"\0")
    before, after = logs.record("forged", subject=BOB)
    with sqlite3.connect(home / NAME) as connection:
        index, done, segment = connection.execute("SELECT next, done, id FROM segment WHERE sealed = 0").fetchone()
        line = before + b'"index":%d,' % index + after
        path.write_bytes(stored + line + b"\n" + bytes(5000))
        from gateway.audit.tree import leaf_hash

        row = (2 << 40 | index, micros(logs.now), word_hash(BOB), 1, segment, done, len(line), leaf_hash(line)[:16])
        connection.execute("INSERT INTO record (id, time, subject, form, segment, offset, length, leaf)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # fmt: skip
    connection.close()
    assert len(stored) == done
    with pytest.raises(Stale):
        ask(home, subject=BOB)


def test_a_record_that_was_changed_in_the_log_since_is_not_shown(home):
    path = min((home / "w0").glob("sealed/*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"w0.0", b"w0.9"))
    with pytest.raises(Stale, match="audit index --rebuild"):
        ask(home, subject=ANN)


@pytest.mark.parametrize("name", ["../elsewhere", "w9"])
def test_a_slot_that_is_none_of_the_directory_is_not_looked_into(home, name):
    change(home, ("UPDATE slot SET name = ? WHERE name = 'w0'", name))
    assert sorted(ask(home, subject=BOB)) == ["w0.2", "w1.2"]


@pytest.mark.parametrize(
    ("offset", "length", "line"),
    [
        (0, 2, b"ab"),
        (3, 3, b"cde"),
        (1, 1, None),
        (4, 2, None),
        (3, 2, None),
        (3, 4, None),
        (0, 6, None),
        (7, 1, None),
        (7, 2, None),
        (9, 0, None),
    ],
)
def test_only_a_whole_line_is_read(tmp_path, offset, length, line):
    path = tmp_path / "lines"
    path.write_bytes(b"ab\ncde\nfg")
    place = Place(0, 0, 0, 0, offset, length, b"")
    with path.open("rb") as file:
        if line is not None:
            assert index_records._line(file, place) == line
        else:
            with pytest.raises(Stale):
                index_records._line(file, place)
