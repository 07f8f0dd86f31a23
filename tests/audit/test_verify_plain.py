"""The quick way through a block says the same as reading its lines one by one."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import verify_plain
from gateway.audit.verify_block import BlockStream
from gateway.audit.verify_line import KINDS, BadLine, read_line
from gateway.audit.verify_plain import PlainLines
from gateway.audit.verify_record import NOTABLE

TIME = "2026-11-23T13:07:25.123456Z"
FIELDS = [
    {"action": "keep", "address": "$.email", "basis": "contract", "class": "user.contact.email", "count": 1},
    {"action": "drop", "address": "$.\u00e9", "count": None, "reason": 'a "b" \\', "purpose": True},
]


def line(index, **more):
    values = {"index": index, "kind": "collect", "time": TIME, "version": 1} | more
    return json.dumps(dict(sorted(values.items())), separators=(",", ":"), ensure_ascii=False).encode()


TRAFFIC = {"caller": "anonymous", "consent": None, "fields": FIELDS, "request": "01KAS", "salt": "q83", "status": 200}
CONSENT = dict.fromkeys(
    ("assurance", "at", "by", "event", "method", "notice", "notice_digest", "notice_version", "purpose", "recipient"),
    "x",
) | {"kind": "consent", "status": "given", "subject": "s1.x", "valid_until": TIME}
CHECKPOINT = '{"index":%d,"kind":"checkpoint","root":"%s","signature":"%s","size":%d}'


def good_lines(first):
    """One line of each form that is read quickly."""
    forms = [
        {},
        TRAFFIC,
        {"kind": "refuse", "fields": None, "reason": "no_consent"},
        {"consent": ["e1", "e2"], "kind": "reveal", "fields": FIELDS[:1]},
        {"counts": {"a": 1, "b": -2}, "kind": "count"},
        CONSENT,
        {"kind": "close", "records": 7, "time": "2026-12-31T23:59:60.000000Z"},
    ]
    lines = [line(index, **form) for index, form in enumerate(forms, first)]
    last = first + len(forms)
    return [*lines, (CHECKPOINT % (last, "A" * 43 + "=", "B" * 4, last)).encode()]


def block_of(lines):
    return b"".join(each + b"\n" for each in lines)


def quickly(lines, first=0, reader=None):
    return (reader or PlainLines()).read(block_of(lines), lines, first)


def one_by_one(lines, first):
    """(kinds, times, fault) as `read_line` alone gives them."""
    kinds, times = [], []
    for place, each in enumerate(lines, first):
        try:
            record = read_line(each)
        except BadLine as error:
            return kinds, times, str(error)
        if record["index"] != place:
            return kinds, times, "a line's index is not its place"
        kinds.append(record["kind"])
        times.append(record.get("time", ""))
    return kinds, times, ""


def test_its_kinds_are_all_but_those_that_are_looked_into():
    assert set(verify_plain.Kind.__args__) == KINDS - NOTABLE


def test_its_keys_are_in_the_order_in_which_they_are_written():
    keys = list(verify_plain._Line.__struct_fields__)
    assert keys == sorted(keys)


def test_lines_of_traffic_are_read_quickly():
    lines = good_lines(40)
    kinds, times = quickly(lines, 40)
    assert (kinds, times, "") == one_by_one(lines, 40)
    assert quickly(lines, 41) is None


REFUSED = {
    "another order": b'{"kind":"collect","index":0,"time":"%b","version":1}',
    "white space": b'{"index":0,"kind":"collect", "time":"%b","version":1}',
    "a key twice": b'{"index":0,"index":0,"kind":"collect","time":"%b","version":1}',
    "a key twice in a field": b'{"fields":[{"a":1,"a":1}],"index":0,"kind":"collect","time":"%b","version":1}',
    "fields with white space": b'{"fields":[ ],"index":0,"kind":"collect","time":"%b","version":1}',
    "fields spelled otherwise": b'{"fields":[{"a":"\\u0061"}],"index":0,"kind":"collect","time":"%b","version":1}',
    "fields that are nested": b'{"fields":[[1]],"index":0,"kind":"collect","time":"%b","version":1}',
    "fields not UTF-8": b'{"fields":[{"a":"\xff"}],"index":0,"kind":"collect","time":"%b","version":1}',
    "a large integer": b'{"fields":[{"a":9007199254740992}],"index":0,"kind":"collect","time":"%b","version":1}',
    "a large status": b'{"index":0,"kind":"collect","status":9007199254740992,"time":"%b","version":1}',
    "a float": b'{"index":0,"kind":"collect","status":1.0,"time":"%b","version":1}',
    "a float for an index": b'{"index":0.0,"kind":"collect","time":"%b","version":1}',
    "true for an index": b'{"index":true,"kind":"collect","time":"%b","version":1}',
    "a further key": b'{"index":0,"kind":"collect","time":"%b","version":1,"zone":1}',
    "no index": b'{"kind":"collect","time":"%b","version":1}',
    "no kind": b'{"index":0,"time":"%b","version":1}',
    "unknown kind": b'{"index":0,"kind":"note","time":"%b","version":1}',
    "a kind that is looked into": b'{"free":1,"index":0,"kind":"disk","state":"ok","time":"%b","version":1}',
    "no version": b'{"index":0,"kind":"collect","time":"%b"}',
    "next version": b'{"index":0,"kind":"collect","time":"%b","version":2}',
    "true for a version": b'{"index":0,"kind":"collect","time":"%b","version":true}',
    "no time": b'{"index":0,"kind":"collect","version":1}',
    "an empty time": b'{"index":0,"kind":"collect","time":"","version":1}',
    "another time": b'{"index":0,"kind":"collect","time":"2026-11-23T13:07:25Z","version":1}',
    "the 32nd": b'{"index":0,"kind":"collect","time":"2026-11-32T13:07:25.123456Z","version":1}',
    "two times": b'{"index":0,"kind":"collect","time":"%b\\n%b","version":1}',
    "no object": b"[]",
    "nothing": b"",
    "carriage return": b'{"index":0,"kind":"collect","time":"%b","version":1}\r',
    "too long": b'{"caller":"' + b"x" * 70_000 + b'","index":0,"kind":"collect","time":"%b","version":1}',
    "a checkpoint with a time": b'{"index":0,"kind":"checkpoint","root":"","signature":"","size":0,"time":"%b"}',
    "a checkpoint with a caller": b'{"caller":1,"index":0,"kind":"checkpoint","root":"","signature":"","size":0}',
    "a checkpoint of another size": b'{"index":0,"kind":"checkpoint","root":"","signature":"","size":1}',
    "a checkpoint without a size": b'{"index":0,"kind":"checkpoint","root":"","signature":""}',
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("after", [0, 7])
def test_what_is_not_proven_is_left_to_the_slow_way(name, after):
    before = good_lines(0)[:after]
    changed = REFUSED[name].replace(b"%b", TIME.encode()).replace(b'"index":0', b'"index":%d' % after)
    assert quickly([*before, changed]) is None
    assert quickly([*before, line(after, **TRAFFIC)]) is not None


def test_two_lines_cannot_lend_each_other_what_one_lacks():
    lacking = line(0).replace(b',"version":1', b"")
    doubled = b'{"index":1,"kind":"checkpoint","root":"","signature":"","size":1,"version":1}'
    assert quickly([lacking, doubled]) is None
    timeless = line(0).replace(b'"time":"%b",' % TIME.encode(), b"")
    assert quickly([timeless, doubled.replace(b'"version"', b'"time":"%b","version"' % TIME.encode())]) is None


def test_proven_fields_prove_nothing_but_themselves():
    reader = PlainLines()
    assert quickly([line(0, **TRAFFIC)], 0, reader) is not None
    encoded = json.dumps(FIELDS, separators=(",", ":"), ensure_ascii=False).encode()
    for changed in (encoded[:-1], encoded + b" ", encoded.replace(b"keep", b"\\u006beep"), b"[" + encoded + b"]"):
        assert quickly([line(0, **TRAFFIC).replace(encoded, changed)], 0, reader) is None
    moved = line(0, caller=FIELDS)
    assert quickly([moved], 0, reader) is None


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(verify_plain, "MOST_KEPT", 3)
    reader = PlainLines()
    for number in range(10):
        assert quickly([line(0, fields=[{"count": number}])], 0, reader) is not None
        assert len(reader._proven) <= 3
    before = set(reader._proven)
    assert quickly([line(0, fields=[{"reason": "x" * verify_plain.LONGEST_KEPT}])], 0, reader) is not None
    assert reader._proven == before


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.integers(0, 2**16),
        st.integers(0, 40),
        st.one_of(
            st.binary(max_size=3),
            st.sampled_from(
                [b'"', b"\\", b"\\n", b",", b"{}", b"[]", b"null", b"true", b"1", b"-0", b"1e3", b" ", b"\n"]
            ),
            st.sampled_from(['"a":1,', '"kind":"count",', '"fields":[],', '"time":"",', "\u00e9", "\ud7ff"]).map(
                str.encode
            ),
        ),
    ),
    max_size=3,
)


@given(st.integers(0, 2**53 - 8), CHANGES, st.booleans())
@settings(max_examples=600, deadline=None)
def test_changed_lines_get_the_same_verdict_from_both(first, changes, seen_before):
    lines = good_lines(first)
    stream = BlockStream(io.BytesIO())
    if seen_before:
        assert quickly(lines, first, stream._plain) is not None
    for number, place, removed, put in changes:
        at = place % (len(lines[number]) + 1)
        lines[number] = lines[number][:at] + put + lines[number][at + removed :]
    data = block_of(lines)
    lines = data.split(b"\n")[:-1]
    stream._file = io.BytesIO(data)
    assert stream.fill(first)
    kinds, times, fault = one_by_one(lines, first)
    assert (stream.kinds, stream.times, stream.fault) == (kinds, times, fault)
    assert stream.lines == lines[: len(kinds)]
    assert len(stream.leaves) == len(kinds)
