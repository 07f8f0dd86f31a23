import pytest

from gateway.audit.reading import find_index, head_of, newest_first, origin_of, slots_of
from gateway.audit.search import Query, Scan, record_time, search
from gateway.audit.tree import leaf_hash
from gateway.model.errors import StoreDown


@pytest.fixture
def slots(logs):
    """Two logs whose records alternate in time, the first in several segments."""
    logs.now = "2026-11-23T12:00:00.000000Z"
    first = logs.start(segment_bytes=900)
    logs.slot, home = logs.slot.parent / "w1", logs.slot
    second = logs.start(origin="example.org/log/w1")
    for minute in range(6):
        writer = second if minute % 2 else first
        logs.now = f"2026-11-23T13:{minute:02}:00.000000Z"
        record = logs.record(
            f"r{minute}",
            time=logs.now,
            subject="s1.aaaaaaaaaaaaaaaaaaaaaa" if minute < 4 else None,
            recipient="shop" if minute % 3 else 'mailer "x"',
            kind="refuse" if minute == 5 else "collect",
            reason="over_size" if minute == 5 else None,
        )
        writer.append([record])
        writer.seal_finished()
    first.abandon()
    second.close()
    logs.slot = home
    return slots_of(home.parent.parent)


def test_heads_are_found_only_by_their_kind(logs):
    writer = logs.start()
    writer.append([logs.record("r0"), logs.record("r1", kind="heads")])
    writer.close()
    logs_here = slots_of(logs.slot)
    assert requests(search(logs_here, Query())) == ["r0"]
    assert requests(search(logs_here, Query(kind="heads"))) == ["r1"]


def requests(entries):
    return [entry.record["request"] for entry in entries if "request" in entry.record]


def test_slots_are_found_at_every_level(slots):
    assert [slot.name for slot in slots] == ["w0", "w1"]
    assert slots_of(slots[0].parent) == slots
    assert slots_of(slots[0]) == [slots[0]]
    assert slots_of(slots[0] / "missing") == []


def test_newest_first_over_all_logs(slots):
    assert requests(newest_first(slots)) == ["r5", "r4", "r3", "r2", "r1", "r0"]


def test_an_entry_traces_back_to_its_leaf(slots):
    for entry in newest_first(slots):
        [path] = [slot for slot in slots if slot.name == entry.slot]
        assert entry.origin == origin_of(path) == "example.org/log/" + (entry.slot if entry.slot == "w1" else "w0")
        again, head = find_index(path, entry.index)
        assert again == entry
        assert head.size > entry.index
        assert head == head_of(path, entry)
        stored = b"".join(
            p.read_bytes().rstrip(b"\0")
            for p in sorted([*path.glob("*.jsonl"), *path.glob("sealed/*.jsonl")], key=lambda p: p.name)
        ).split(b"\n")
        assert leaf_hash(stored[entry.index]).hex() == entry.leaf


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), "543210"),
        (Query(limit=2, kind="collect"), "43"),
        (Query(kind="open"), ""),
        (Query(subject="s1.aaaaaaaaaaaaaaaaaaaaaa"), "3210"),
        (Query(subject="s1.bbbbbbbbbbbbbbbbbbbbbb"), ""),
        (Query(recipient='mailer "x"'), "30"),
        (Query(recipient="shop", subject="s1.aaaaaaaaaaaaaaaaaaaaaa"), "21"),
        (Query(route="sign-up"), "543210"),
        (Query(route="sign"), ""),
        (Query(data_class="user.name"), "543210"),
        (Query(data_class="name"), "543210"),
        (Query(data_class="user"), "543210"),
        (Query(data_class="user.na"), ""),
        (Query(data_class="name", purpose="service"), "543210"),
        (Query(data_class="name", purpose="ads"), ""),
        (Query(purpose="service"), "543210"),
        (Query(reason="over_size"), "5"),
        (Query(reason="listed"), "543210"),
        (Query(reason="withdrawn"), ""),
        (Query(kind="refuse"), "5"),
        (Query(request="r2"), "2"),
        (Query(since="2026-11-23T13:02:00.000000Z"), "5432"),
        (Query(since="2026-11-23T13:02:00.000000Z", until="2026-11-23T13:04:00.000000Z"), "32"),
    ],
)
def test_search(slots, query, expected):
    assert requests(search(slots, query)) == [f"r{digit}" for digit in expected]


def test_what_is_not_under_a_checkpoint_is_not_shown(logs):
    logs.write(groups=1, each=1, close=False)
    path = logs.only_segment()
    path.write_bytes(path.read_bytes().rstrip(b"\0") + b'{"index":4,"kind":"collect","request":"unfinished"}\n')
    assert requests(newest_first([logs.slot])) == ["0.0"]
    assert find_index(logs.slot, 3)[0].record["kind"] == "checkpoint"
    assert find_index(logs.slot, 4) is None


def test_a_group_that_two_segments_hold_is_shown_once(logs, monkeypatch):
    from gateway.audit import segment as module

    writer = logs.start()
    writer.append([logs.record("a")])
    with monkeypatch.context() as broken:
        broken.setattr(module.os, "lseek", lambda *_: (_ for _ in ()).throw(OSError(5, "injected")))
        with pytest.raises(OSError, match="injected"):
            writer.append([logs.record("b")])
    writer.append([logs.record("c")])
    writer.abandon()
    assert requests(newest_first([logs.slot])) == ["c", "b", "a"]


def test_a_line_that_is_no_record_is_said_and_not_skipped(logs):
    logs.write()
    path = logs.only_segment()
    path.write_bytes(path.read_bytes().replace(b'"request"', b'"request', 1))
    with pytest.raises(StoreDown, match="audit verify"):
        list(newest_first([logs.slot]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23", "2026-11-23T00:00:00.000000Z"),
        ("2026-11-23T13:07:25.5Z", "2026-11-23T13:07:25.500000Z"),
        ("2026-11-23 13:07+02:00", "2026-11-23T11:07:00.000000Z"),
    ],
)
def test_times_are_compared_as_records_write_them(text, expected):
    assert record_time(text) == expected


def test_a_time_that_is_none():
    with pytest.raises(ValueError, match="isoformat"):
        record_time("yesterday")


def test_a_caller_is_found_by_the_handle_and_not_as_a_subject(logs):
    ann, eve = "s1.aaaaaaaaaaaaaaaaaaaaaa", "s1.bbbbbbbbbbbbbbbbbbbbbb"
    writer = logs.start()
    writer.append(
        [
            logs.record("r0", caller=f"token:{ann}", subject=eve),
            logs.record("r1", caller=f"certificate:{ann}", subject=ann),
            logs.record("r2", caller="anonymous", subject=ann),
            logs.record("r3", caller=f"header:{eve}", route=f"like:{ann}"),
        ]
    )
    writer.close()
    logs_here = slots_of(logs.slot)
    assert requests(search(logs_here, Query(caller=ann))) == ["r1", "r0"]
    assert requests(search(logs_here, Query(caller=ann, subject=eve))) == ["r0"]


def test_applications_are_found_and_counted_by_name_and_people_by_what_vouched(logs):
    callers = [
        "application:shop",
        "application:shops",
        "application:shop",
        "token:s1.x",
        "token:s1.y",
        "anonymous",
        None,
    ]
    writer = logs.start()
    writer.append([logs.record(f"r{number}", caller=caller) for number, caller in enumerate(callers)])
    writer.append([logs.record("r9", caller="anonymous", route="application:shop")])
    writer.close()
    scan = Scan(slots_of(logs.slot))
    assert requests(scan.search(Query(caller="application:shop"))) == ["r2", "r0"]
    assert scan.count(Query(kind="collect"), "caller").values == {
        "anonymous": 2, "application:shop": 2, "token": 2, "": 1, "application:shops": 1,
    }  # fmt: skip
    assert scan.count(Query(caller="application:shop"), "caller").values == {"application:shop": 2}
