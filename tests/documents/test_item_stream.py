"""Items that flow, held against the edit of the whole document."""

import json
import re

import pytest
from edits import edit_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.edit import Empty, Remove, Replace, Retain
from gateway.documents.item_array import item_array_of
from gateway.documents.item_stream import ArrayStream, LineStream
from gateway.documents.json_body import open_json
from gateway.documents.ndjson_body import open_ndjson
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture, Rest

KEEP, DROP, BLANK = Retain(), Remove(), Empty()
UPPER = Replace(str.upper)
PASS = Rest.PASS
MOST = 1 << 20


def streamed(stream, body, cuts=()):
    pieces = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        pieces += stream.feed(body[start:end])
    pieces += stream.finish()
    counts = [piece.counts for piece in pieces if piece.counts is not None]
    return (
        b"".join(piece.content for piece in pieces),
        tuple(map(sum, zip(*counts, strict=True))) if counts else None,
        sum(piece.unlisted for piece in pieces),
    )


def array_stream(edit, limits=DEFAULT_LIMITS, most=MOST, *, collapse=False):
    array = item_array_of(edit)
    assert array is not None
    return ArrayStream(edit, array, limits, most, collapse_duplicates=collapse)


def line_stream(edit, limits=DEFAULT_LIMITS, most=MOST, *, collapse=False):
    return LineStream(edit, limits, most, collapse_duplicates=collapse)


EDITS = [
    (b'[{"a":1,"b":2},{"a":3}]', PASS, [("$[*].a", DROP)], b'[{"b":2},{}]', (2,), 0),
    (b' [ {"a" : 1} ,\n{"c":1}\t]\n', PASS, [("$[*].a", KEEP)], b' [ {"a" : 1} ,\n{"c":1}\t]\n', (1,), 0),
    (b' [ {"a" : 1} ,\n{"c": 1}\t]\n', PASS, [("$[*].a", DROP)], b' [ {} ,\n{"c": 1}\t]\n', (1,), 0),
    (b'[ {"b":1}, {"a":2} , {"b":3}, {"a": 4} ]', Rest.DROP, [("$[*].a", KEEP)], b'[ {"a":2}, {"a": 4} ]', (2,), 2),
    (b'[{"b":1},{"b":2}]', Rest.DROP, [("$[*].a", KEEP)], b"[]", None, 2),
    (b"[1, 2]", PASS, [("$[*]", DROP)], b"[]", (2,), 0),
    (b'["a","b"]', PASS, [("$[*]", UPPER)], b'["A","B"]', (2,), 0),
    (b"[ ]", Rest.DROP, [("$[*].a", KEEP)], b"[ ]", None, 0),
    (b'[{"a":1},{"a":{"b":2}}]', PASS, [("$..b", BLANK)], b'[{"a":1},{"a":{"b":0}}]', (1,), 0),
    (b'{"a":1}', PASS, [("$[*].a", DROP)], b'{"a":1}', None, 0),
    (b'"text"', Rest.DROP, [("$[*].a", DROP)], b"null", None, 1),
    (b"", Rest.DROP, [("$[*].a", DROP)], b"", None, 0),
    (
        b'{"total": 2, "items" : [{"a":1}, {"a":2}], "next": null}',
        PASS,
        [("$.items[*].a", DROP)],
        b'{"total": 2, "items" : [{}, {}], "next": null}',
        (2,),
        0,
    ),
    (
        b'{"total": 2, "x": 1, "items" : [{"a":1}, {"a":2}], "next": null, "n": 1 } ',
        Rest.DROP,
        [("$.items[*].a", KEEP), ("$.x", KEEP), ("$.n", UPPER)],
        b'{"x":1,"items":[{"a":1}, {"a":2}],"n":"1"} ',
        (2, 1, 1),
        2,
    ),
    (
        b'{"d":{"q":1,"items":[{"a":1}],"r":2},"s":3}',
        Rest.DROP,
        [("$.d.items[*].a", KEEP), ("$.d.r", KEEP)],
        b'{"d":{"items":[{"a":1}],"r":2}}',
        (1, 1),
        2,
    ),
    (b'{"d":{"items":1},"items":[2]}', PASS, [("$.items[*]", DROP)], b'{"d":{"items":1},"items":[]}', (1,), 0),
    (b'{"d":{},"e":{"items":[{"a":1}]}}', PASS, [("$.e.items[*].a", DROP)], b'{"d":{},"e":{"items":[{}]}}', (1,), 0),
    (b'{"items":{"a":1},"z":1}', Rest.DROP, [("$.items[*].a", DROP), ("$.z", KEEP)], b'{"z":1}', (0, 1), 1),
    (b'{"it\\u0065ms":[{"a":1}]}', PASS, [("$.items[*].a", DROP)], b'{"it\\u0065ms":[{}]}', (1,), 0),
]  # fmt: skip


@pytest.mark.parametrize(("body", "rest", "fields", "content", "counts", "unlisted"), EDITS)
def test_an_array_however_the_bytes_come(body, rest, fields, content, counts, unlisted):
    edit = edit_of(rest, *fields)
    for cuts in [(), *((cut,) for cut in range(len(body))), tuple(range(len(body)))]:
        assert streamed(array_stream(edit), body, cuts) == (content, counts, unlisted)


BROKEN = [
    (b'[{"a":1},{"a":}]', Posture.UNPARSABLE_BODY),
    (b'[{"a":1}', Posture.UNPARSABLE_BODY),
    (b'[{"a":1},', Posture.UNPARSABLE_BODY),
    (b'[{"a":1},]', Posture.UNPARSABLE_BODY),
    (b'[,{"a":1}]', Posture.UNPARSABLE_BODY),
    (b'[{"a":1}{"a":1}]', Posture.UNPARSABLE_BODY),
    (b'[{"a":1}}', Posture.UNPARSABLE_BODY),
    (b'[{"a":1]]', Posture.UNPARSABLE_BODY),
    (b'[{"a":1}] []', Posture.UNPARSABLE_BODY),
    (b'[{"a":1}],', Posture.UNPARSABLE_BODY),
    (b"[NaN]", Posture.UNPARSABLE_BODY),
    (b"[01]", Posture.UNPARSABLE_BODY),
    (b'["\\ud800"]', Posture.UNPARSABLE_BODY),
    (b'["\x01"]', Posture.UNPARSABLE_BODY),
    (b'\xef\xbb\xbf[{"a":1}]', Posture.UNPARSABLE_BODY),
    (b'[{"a":1},{"b":"\xff"}]', Posture.UNDECODABLE_CHARSET),
    (b'[{"a":1},{"a":1,"a":2}]', Posture.DUPLICATE_KEY),
    (b'[{"b":"%b"}]' % (b"x" * 200), Posture.OVER_SIZE),
    (b'[{"b":["%b"]}]' % (b'","' * 70), Posture.OVER_SIZE),
    (b"[%b]" % (b" " * 200), Posture.OVER_SIZE),
    (b'[{"b":%b}]' % (b"[" * 30 + b"]" * 30), Posture.TOO_DEEP),
    (b"[%b" % (b"[" * 1100), Posture.TOO_DEEP),
    (b"[%b%b" % (b"[" * 15, b'"",' * 110), Posture.OVER_SIZE),
    (b"[%b]" % (b"1" * 30), Posture.OVER_SIZE),
]


@pytest.mark.parametrize(("body", "posture"), BROKEN)
def test_a_broken_array_is_refused_however_the_bytes_come(body, posture):
    limits = Limits(json_depth=20, json_number=20)
    for cuts in [(), *((cut,) for cut in range(len(body))), tuple(range(len(body)))]:
        with pytest.raises(Unreadable) as caught:
            streamed(array_stream(edit_of(PASS, ("$[*].a", DROP)), limits, 150), body, cuts)
        assert caught.value.posture is posture


AROUND = [
    (b'{"items":[1],"items":[2]}', Posture.DUPLICATE_KEY),
    (b'{"items":1,"items":[2]}', Posture.DUPLICATE_KEY),
    (b'{"x":1,"items":[2],"x":2}', Posture.DUPLICATE_KEY),
    (b'{"x":1,"items":[2],}', Posture.UNPARSABLE_BODY),
    (b'{"x":1 "items":[2]}', Posture.UNPARSABLE_BODY),
    (b'{"x":[1},"items":[2]}', Posture.UNPARSABLE_BODY),
    (b'{"items":[2]', Posture.UNPARSABLE_BODY),
    (b'{"items":[2]}}', Posture.UNPARSABLE_BODY),
    (b'{"items":[2]} x', Posture.UNPARSABLE_BODY),
    (b'{"x":"\xff","items":[2]}', Posture.UNDECODABLE_CHARSET),
    (b'{"items":[2],"x":"\xff"}', Posture.UNDECODABLE_CHARSET),
    (b'{"x":"%b","items":[2]}' % (b"y" * 100), Posture.OVER_SIZE),
    (b'{"items":[2],"x":"%b"}' % (b"y" * 100), Posture.OVER_SIZE),
]


@pytest.mark.parametrize(("body", "posture"), AROUND)
@pytest.mark.parametrize("collapse", [False, True])
def test_what_stands_around_the_items_is_read_as_strictly(body, posture, collapse):
    for cuts in [(), *((cut,) for cut in range(len(body))), tuple(range(len(body)))]:
        stream = array_stream(edit_of(PASS, ("$.items[*].a", DROP)), most=100, collapse=collapse)
        with pytest.raises(Unreadable) as caught:
            streamed(stream, body, cuts)
        assert caught.value.posture is posture


def test_nothing_of_a_piece_goes_on_before_all_of_it_is_read():
    stream = array_stream(edit_of(PASS, ("$[*].a", DROP)))
    assert b"".join(piece.content for piece in stream.feed(b'[{"a":1},{"b":1},')) == b'[{},{"b":1}'
    with pytest.raises(Unreadable):
        stream.feed(b'{"c":1},{"d":1,"d":},{"e":1},')


def test_items_go_on_before_the_array_ends_and_each_is_counted_once():
    stream = array_stream(edit_of(Rest.DROP, ("$[*].a", KEEP)))
    first = stream.feed(b'[{"a":1,"b":1},{"a":2},{"a"')
    second = stream.feed(b':3},{"b":1}]')
    assert [(piece.content, piece.counts, piece.unlisted) for piece in first] == [(b'[{"a":1},{"a":2}', (2,), 1)]
    assert [(piece.content, piece.counts, piece.unlisted) for piece in second] == [(b',{"a":3}]', (1,), 1)]


def test_limits_hold_for_each_item_and_not_for_their_sum():
    body = b"[" + b",".join([b'{"a":[1,2,3]}'] * 50) + b"]"
    edit = edit_of(PASS, ("$[*].b", DROP))
    assert streamed(array_stream(edit, Limits(json_nodes=5), most=40), body)[0] == body
    with pytest.raises(Unreadable) as caught:
        streamed(array_stream(edit, Limits(json_nodes=4), most=40), body)
    assert caught.value.posture is Posture.OVER_SIZE


def test_items_count_as_deep_as_in_their_document():
    def depth(body, edit, limit):
        try:
            open_json(body, Limits(json_depth=limit)).edit(edit)
            whole = True
        except Unreadable:
            whole = False
        try:
            flowed = streamed(array_stream(edit, Limits(json_depth=limit)), body)[0] == body
        except Unreadable:
            flowed = False
        assert whole == flowed, limit

    for limit in range(1, 8):
        depth(b'[[{"a":[1]}],{"a":[[1]]}]', edit_of(PASS, ("$[*].z", DROP)), limit)
        depth(b'{"x":{"items":[{"a":[1]}]}}', edit_of(PASS, ("$.x.items[*].z", DROP)), limit)


def test_a_name_twice_in_an_item_collapses_where_the_rules_want_that():
    edit = edit_of(PASS, ("$[*].b", KEEP))
    assert streamed(array_stream(edit, collapse=True), b'[{"a":1,"a":2}]')[0] == b'[{"a":2}]'


@pytest.mark.parametrize("depth", [5, 12, 13, 14, 40])
def test_items_may_be_nested_as_deeply_as_documents(depth):
    item = b'{"a":' * depth + b'"]}\\""' + b"}" * depth
    body = b"[" + b" , ".join([item, b'{"b":"}"}', item]) + b"]"
    edit = edit_of(PASS, ("$..b", DROP))
    expected = body.replace(b'{"b":"}"}', b"{}")
    for cuts in [(), *((cut,) for cut in range(0, len(body), 7)), tuple(range(0, len(body), 3))]:
        assert streamed(array_stream(edit), body, cuts)[0] == expected


NAMES = st.sampled_from(["a", "b", "items", "x y", '"', "é"])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(alphabet='ab"\\,:[]{} \né\U0001f600', max_size=6), st.just(1.5e300)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
ITEMS = st.lists(VALUES, max_size=8)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["{}[*].a", "{}[*]..b", "{}[*].a.b", "{}[*].items[*].a", "{}[*]['x y']", "$.x", "$..é"]),
        st.sampled_from([KEEP, DROP, BLANK, UPPER]),
    ),
    min_size=1,  # without any, the whole counts as one unlisted value, and each item as one
    max_size=3,
)
RESTS = st.sampled_from(list(Rest))
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=3)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def cut(data, body):
    return sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))


def expected(body, edit):
    edited = open_json(body, DEFAULT_LIMITS).edit(edit)
    return edited.content, edited.counts if any(edited.counts) else None, edited.unlisted


@settings(max_examples=400, deadline=None)
@given(ITEMS, FIELDS, RESTS, st.data())
def test_any_split_gives_what_the_edit_of_the_whole_gives(items, fields, rest, data):
    edit = edit_of(rest, *((text.format("$"), operation) for text, operation in fields))
    body = compact(items)
    assert streamed(array_stream(edit), body, cut(data, body)) == expected(body, edit)


@settings(max_examples=400, deadline=None)
@given(
    st.dictionaries(NAMES, LEAVES, max_size=3),
    ITEMS,
    st.dictionaries(NAMES, VALUES, max_size=3),
    FIELDS,
    RESTS,
    st.data(),
)
def test_so_it_does_with_something_around_the_array(before, items, after, fields, rest, data):
    # The first item keeps the array in the document, which without any would go where the rest is dropped.
    document = {**before, "data": [{"kept": 1}, *items], **{f"{name}2": value for name, value in after.items()}}
    listed = [("$.data[*].kept", KEEP), *((text.format("$.data"), operation) for text, operation in fields)]
    edit = edit_of(rest, *listed)
    body = compact(document)
    assert streamed(array_stream(edit), body, cut(data, body)) == expected(body, edit)


OUTSIDE = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\n\r]+')


def squeezed(text):
    return OUTSIDE.sub(lambda match: match[1] or b"", text)


@settings(max_examples=300, deadline=None)
@given(ITEMS, FIELDS, RESTS, st.sampled_from([(" ,\n", "\t: "), (", ", ": "), None]), st.data())
def test_white_space_between_items_stays(items, fields, rest, separators, data):
    edit = edit_of(rest, *((text.format("$"), operation) for text, operation in fields))
    layout = {"separators": separators} if separators else {"indent": 1}
    body = b" \n" + json.dumps(items, ensure_ascii=False, **layout).encode() + b"\r\n"
    content, counts, unlisted = streamed(array_stream(edit), body, cut(data, body))
    whole = expected(body, edit)
    assert (counts, unlisted) == whole[1:]
    assert squeezed(content) == squeezed(whole[0])
    assert content == streamed(array_stream(edit), body)[0]
    if whole[0] is body:
        assert content == body


@settings(max_examples=300, deadline=None)
@given(ITEMS, st.integers(0, 200), st.sampled_from(b'",:[]{}\\ x1\n\x00'), st.data())
def test_what_is_broken_as_a_whole_is_broken_in_pieces(items, at, byte, data):
    body = bytearray(compact(items))
    body[at % len(body)] = byte
    body = bytes(body)
    edit = edit_of(Rest.DROP, ("$[*].a", KEEP))
    try:
        whole = expected(body, edit)
    except Unreadable:
        with pytest.raises(Unreadable):
            streamed(array_stream(edit), body, cut(data, body))
    else:
        content, counts, unlisted = streamed(array_stream(edit), body, cut(data, body))
        assert (squeezed(content), counts, unlisted) == (squeezed(whole[0]), *whole[1:])


@settings(max_examples=200, deadline=None)
@given(ITEMS, FIELDS, RESTS, st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n\t"]), st.data())
def test_lines_are_edited_as_in_the_whole(items, fields, rest, end, data):
    edit = edit_of(rest, *((text.format("$"), operation) for text, operation in fields))
    body = end.join(map(compact, items))
    whole = open_ndjson(body, DEFAULT_LIMITS).edit(edit)
    counts = whole.counts if any(whole.counts) else None
    assert streamed(line_stream(edit), body, cut(data, body)) == (whole.content, counts, whole.unlisted)


@pytest.mark.parametrize(
    ("body", "posture"),
    [
        (b'{"a":1}\n{"a":}\n{"a":1}\n', Posture.UNPARSABLE_BODY),
        (b'{"a":1}\n{"a":1', Posture.UNPARSABLE_BODY),
        (b'{"a":1}\n{"b":"\xff"}', Posture.UNDECODABLE_CHARSET),
        (b'{"a":1}\n{"a":1,"a":2}', Posture.DUPLICATE_KEY),
        (b'{"a":1}\n{"b":"%b"}' % (b"x" * 80), Posture.OVER_SIZE),
    ],
)
def test_a_broken_line_is_refused_however_the_bytes_come(body, posture):
    for cuts in [(), *((cut,) for cut in range(len(body))), tuple(range(len(body)))]:
        with pytest.raises(Unreadable) as caught:
            streamed(line_stream(edit_of(PASS, ("$.a", DROP)), most=60), body, cuts)
        assert caught.value.posture is posture
