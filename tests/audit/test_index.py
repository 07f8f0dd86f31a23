"""The index says what reading the log says, whatever the log went through meanwhile."""

import dataclasses
import json
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit import index as index_module
from gateway.audit import index_fill, reading
from gateway.audit import segment as segment_module
from gateway.audit.index import Index
from gateway.audit.index_file import NAME
from gateway.audit.reading import slots_of
from gateway.audit.search import GROUPS, Query, Scan
from gateway.model.errors import StoreDown

ANN = "s1.aaaaaaaaaaaaaaaaaaaaaa"
fields = st.lists(
    st.fixed_dictionaries(
        {
            "class": st.sampled_from(["user.name", "user.contact.email", "user.contact", None]),
            "purpose": st.sampled_from(["service", "ads", None]),
            "reason": st.sampled_from(["listed", "no_consent"]),
            "count": st.integers(0, 3),
        }
    ),
    max_size=3,
)
records = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["collect", "disclose", "refuse"]),
        "subject": st.sampled_from([ANN, "s1.bbbbbbbbbbbbbbbbbbbbbb", None]),
        "recipient": st.sampled_from(["shop", 'mailer "x"', None]),
        "route": st.sampled_from(["sign-up", "pay", 7]),
        "reason": st.sampled_from([None, "over_size", "listed"]),
        "fields": st.one_of(st.none(), fields),
        "request": st.sampled_from(["r0", "r1", "r2"]),
        "direction": st.sampled_from(["request", "response"]),
        "caller": st.sampled_from(["anonymous", "application:shop", "application:crm", f"token:{ANN}", None, 7]),
    }
)
runs = st.lists(
    st.tuples(st.integers(0, 1), st.lists(st.lists(records, min_size=1, max_size=3), max_size=3), st.booleans()),
    min_size=1,
    max_size=4,
)
queries = st.builds(
    Query,
    subject=st.sampled_from(["", ANN, "s1.cccccccccccccccccccccc"]),
    recipient=st.sampled_from(["", "shop", 'mailer "x"']),
    route=st.sampled_from(["", "pay", "none"]),
    data_class=st.sampled_from(["", "name", "contact", "user.contact.email"]),
    purpose=st.sampled_from(["", "", "service", "ads"]),
    reason=st.sampled_from(["", "", "listed", "over_size"]),
    kind=st.sampled_from(["", "", "disclose", "open"]),
    direction=st.sampled_from(["", "", "request"]),
    caller=st.sampled_from(["", "", "", "application:shop", "application:none"]),
    request=st.sampled_from(["", "", "r1"]),
    since=st.sampled_from(["", "", "2026-11-23T13:00:04.000000Z"]),
    until=st.sampled_from(["", "", "2026-11-23T13:00:09.000000Z"]),
    limit=st.sampled_from([None, None, 1, 3]),
)


@dataclasses.dataclass
class Clock:
    """A second for each group, told apart by slot, so that the order of two logs is never open."""

    seconds: int = 0

    def next(self, slot):
        self.seconds += 1
        return f"2026-11-23T13:{self.seconds // 60:02}:{self.seconds % 60:02}.00000{slot}Z"


def line(values):
    return b"{", json.dumps(dict(sorted(values.items())), separators=(",", ":")).encode()[1:]


def run_once(logs, clock, slot, groups, *, close):
    """One run of a writer over some groups; closed, or let go as by a process that dies."""
    logs.now = clock.next(slot)
    writer = logs.start(logs.slot.parent / f"w{slot}", segment_bytes=1500, origin=f"example.org/log/w{slot}")
    for group in groups:
        logs.now = clock.next(slot)
        writer.append([line(record | {"time": logs.now, "version": 1}) for record in group])
        writer.seal_finished()
    if close:
        writer.close()
    else:
        writer.abandon()


def same(home, query):
    scan = Scan(slots_of(home))
    with Index.open(home) as index:
        found = list(index.search(query))
        assert found == list(scan.search(query))
        for by in (None, *GROUPS):
            counted, read = index.count(query, by), scan.count(query, by)
            assert (counted, list(counted.values)) == (read, list(read.values))
        for entry in found[:2]:
            assert index.head(entry) == scan.head(entry) is not None


def requests(home, **query):
    """What the index finds, after a look at the log itself."""
    with Index.open(home) as index:
        found = list(index.search(Query(**query)))
    assert found == list(Scan(slots_of(home)).search(Query(**query)))
    return [entry.record["request"] for entry in found if "request" in entry.record]


def contents(home):
    with Index.open(home) as index:
        return [(entry.origin, entry.index, entry.leaf) for entry in index.search(Query())]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs, st.lists(queries, min_size=1, max_size=4))
def test_the_index_finds_what_a_scan_finds_and_goes_on_as_if_built_anew(logs, no_sync, runs, asked):
    with tempfile.TemporaryDirectory() as directory:
        logs.slot, clock = Path(directory) / "audit" / "w0", Clock()
        home = logs.slot.parent
        for slot, groups, close in runs:
            run_once(logs, clock, slot, groups, close=close)
            for query in asked:
                same(home, query)
        grown = contents(home)
        Index.open(home, rebuild=True).close()
        assert contents(home) == grown


@pytest.fixture
def home(logs):
    logs.now = "2026-11-23T13:07:25.123456Z"  # as its records have it: times rise
    return logs.slot.parent


def test_what_is_appended_is_found_and_only_that_is_read(logs, home, monkeypatch):
    writer = logs.start()
    writer.append([logs.record("a"), logs.record("b")])
    assert requests(home) == ["b", "a"]
    read = []
    rows = index_fill.LineReader.rows
    monkeypatch.setattr(
        index_fill.LineReader, "rows", lambda self, data, *rest: read.append(data) or rows(self, data, *rest)
    )
    assert requests(home) == ["b", "a"]
    assert read == []
    writer.append([logs.record("c")])
    assert requests(home) == ["c", "b", "a"]
    assert b"".join(read).count(b"\n") == 2
    writer.close()
    assert requests(home) == ["c", "b", "a"]
    with Index.open(home) as index:
        assert index.added == 0
        assert index.records() == 5  # open, a, b, c, close


def test_pages_go_on_where_the_one_before_ended(logs, home, monkeypatch):
    monkeypatch.setattr("gateway.audit.index_rows.PAGE", 3)
    logs.write(groups=5, each=4)  # all at one time
    assert len(requests(home)) == 20
    assert len(requests(home, limit=7, purpose="service")) == 7
    assert len(requests(home, subject="s1.h8LmUqZyT0a3Wn5cXvE2Rw")) == 20


def test_a_segment_that_is_sealed_after_it_was_indexed_stays_indexed(logs, home):
    writer = logs.start(segment_bytes=700)
    for request in "abcd":
        writer.append([logs.record(request)])
        assert requests(home)[0] == request
    writer.seal_finished()
    assert len(list(logs.slot.glob("sealed/*.jsonl"))) >= 3
    assert requests(home) == ["d", "c", "b", "a"]
    writer.close()
    assert requests(home) == ["d", "c", "b", "a"]


def test_a_group_that_two_segments_hold_is_found_once(logs, home, monkeypatch):
    writer = logs.start()
    writer.append([logs.record("a")])
    with monkeypatch.context() as broken:
        broken.setattr(segment_module.os, "lseek", lambda *_: (_ for _ in ()).throw(OSError(5, "injected")))
        with pytest.raises(OSError, match="injected"):
            writer.append([logs.record("b")])
    assert requests(home) == ["b", "a"]  # the failed group is whole in the first segment
    first = logs.only_segment()
    begun = logs.slot / "seg-000000000004.jsonl"
    begun.touch()  # where the group is to be repeated
    assert requests(home) == ["b", "a"]
    begun.unlink()
    writer.append([logs.record("c")])
    writer.abandon()
    assert begun.exists()
    assert requests(home) == ["c", "b", "a"]
    with Index.open(home) as index:
        assert index.count(Query(kind="collect")).records == 3
    first.unlink()
    assert requests(home) == ["c", "b"]


def test_records_of_a_pruned_segment_are_forgotten(logs, home):
    logs.write(groups=6, each=1, segment_bytes=700)
    assert len(requests(home)) == 6
    bodies = sorted(logs.slot.glob("sealed/*.jsonl"))
    bodies[0].unlink()
    bodies[1].unlink()
    left = requests(home)
    assert 0 < len(left) < 6
    with Index.open(home) as index:
        assert index.count(Query(kind="collect")).records == len(left)


def test_a_segment_that_is_pruned_during_a_search_is_passed_over(logs, home):
    logs.write(groups=6, each=1, segment_bytes=700)
    with Index.open(home) as index:
        found = index.search(Query(kind="collect"))
        assert next(found).record["request"] == "5.0"
        min(logs.slot.glob("sealed/*.jsonl")).unlink()
        assert [entry.record["request"] for entry in found][-1] != "0.0"


def test_a_torn_tail_is_ignored_before_and_after_recovery(logs, home):
    logs.write(groups=1, each=1, close=False)
    path = logs.only_segment()
    path.write_bytes(path.read_bytes().rstrip(b"\0") + b'{"index":4,"kind":"collect","requ')
    assert requests(home) == ["0.0"]
    logs.start().close()
    assert requests(home) == ["0.0"]


def test_a_group_that_was_lost_after_it_was_indexed_is_forgotten(logs, home):
    """A search may see a group whose sync was under way when the power went."""
    writer = logs.start()
    writer.append([logs.record("a")])
    kept = logs.only_segment().read_bytes()
    writer.append([logs.record("lost")])
    writer.abandon()
    assert requests(home) == ["lost", "a"]
    logs.only_segment().write_bytes(kept)
    assert kept.endswith(bytes(100))  # room where the lost group was
    assert requests(home) == ["a"]
    writer = logs.start()
    writer.append([logs.record("new")])
    writer.close()
    assert requests(home) == ["new", "a"]


def test_another_log_in_the_place_of_a_slot_is_read_from_its_start(logs, home):
    logs.write(groups=2)
    assert len(requests(home)) == 4
    shutil.rmtree(logs.slot)
    logs.key = type(logs.key)("example.org/other/w0", bytes(32))
    writer = logs.start(origin="example.org/other/w0")
    writer.append([logs.record("other")])
    writer.close()
    assert requests(home) == ["other"]


def test_a_slot_that_went_is_forgotten(logs, home):
    logs.write(groups=1)
    writer = logs.start(home / "w1", origin="example.org/log/w1")
    writer.append([logs.record("second")])
    writer.close()
    assert len(requests(home)) == 3
    shutil.rmtree(home / "w1")
    assert "second" not in requests(home)


def test_a_log_that_grew_much_is_indexed_from_nothing(logs, home, monkeypatch):
    logs.write(groups=1)
    first = Index.open(home)
    first.close()
    before = first.path.stat().st_ino
    monkeypatch.setattr(index_module, "ANEW_BYTES", 100)
    logs.write(groups=20)
    assert len(requests(home)) == 42
    assert first.path.stat().st_ino != before


def test_a_line_that_is_no_record_is_said_and_leaves_no_index(logs, home):
    logs.write()
    path = logs.only_segment()
    path.write_bytes(path.read_bytes().replace(b'"request"', b'"request', 1))
    with pytest.raises(StoreDown, match="audit verify"):
        Index.open(home)
    assert sorted(path.name for path in home.iterdir()) == ["index.lock", "w0"]


def test_progress_ends_at_the_whole(logs, home, monkeypatch):
    monkeypatch.setattr(index_fill, "CHUNK", 1000)
    logs.write(groups=9)
    told = []
    Index.open(home, progress=lambda done, total: told.append((done, total))).close()
    assert len(told) > 3
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1][0] == told[-1][1] == logs.only_segment().stat().st_size


@pytest.mark.parametrize("block", [1, 7, 300, 5000])
def test_a_scan_reads_backwards_in_blocks_of_any_size(logs, home, monkeypatch, block):
    logs.write(groups=6, segment_bytes=1500, close=False)
    expected = [line["index"] for line in reversed(logs.lines()) if line["kind"] != "checkpoint"]
    monkeypatch.setattr(reading, "_BLOCK", block)
    assert [entry.index for entry in reading.newest_first([logs.slot])] == expected


def test_a_hole_ends_an_open_segment_for_its_readers(logs, home):
    """As it is seen where the writer goes on between two reads of one reader."""
    logs.write(groups=3, each=1, close=False)
    path = logs.only_segment()
    stored = path.read_bytes().rstrip(b"\0")
    at = stored.index(b'"request":"1.0"')
    group = stored.rindex(b"\n", 0, at)
    path.write_bytes(stored[: group + 5] + bytes(40) + stored[group + 45 :])
    assert requests(home) == ["0.0"]
    path.write_bytes(stored)
    assert requests(home) == ["2.0", "1.0", "0.0"]


def test_a_sealed_segment_that_is_open_again_is_read_on(logs, home):
    """As after going back to an older copy of the directory."""
    writer = logs.start()
    writer.append([logs.record("a")])
    older = logs.only_segment().read_bytes().rstrip(b"\0")
    writer.close()
    assert requests(home) == ["a"]
    sealed = logs.only_segment()
    (logs.slot / sealed.name).write_bytes(older)
    sealed.unlink()
    assert requests(home) == ["a"]
    writer = logs.start()
    writer.append([logs.record("b")])
    assert requests(home) == ["b", "a"]
    writer.close()
    assert requests(home) == ["b", "a"]


def test_a_segment_that_was_indexed_as_sealed_is_looked_at_again_where_it_is_open(logs, home):
    writer = logs.start()
    writer.append([logs.record("a")])
    path = logs.only_segment()
    shorter = path.read_bytes().rstrip(b"\0")
    writer.append([logs.record("b")])
    writer.abandon()
    longer = path.read_bytes()
    path.unlink()
    sealed = logs.slot / "sealed" / path.name
    sealed.parent.mkdir()
    sealed.write_bytes(shorter)
    assert requests(home) == ["a"]
    sealed.unlink()
    path.write_bytes(longer)
    assert requests(home) == ["b", "a"]


def test_after_a_segment_that_changed_all_are_read_again(logs, home):
    logs.write(groups=9, segment_bytes=1500)
    with Index.open(home) as index:
        assert index.added > 20
        added = index.added
    with sqlite3.connect(home / NAME) as connection:
        connection.execute("UPDATE segment SET sealed = 0, tail = x'00' WHERE first = 0")
        connection.execute("UPDATE segment SET sealed = 0 WHERE first > 0")
    connection.close()
    (logs.slot / "sealed").rename(logs.slot / "aside")
    for path in (logs.slot / "aside").glob("*.jsonl"):
        path.rename(logs.slot / path.name)
    with Index.open(home) as index:
        assert index.added == added
