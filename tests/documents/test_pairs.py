from urllib.parse import parse_qsl, urlencode

import edits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.edit import Empty, FieldEdit, PartEdit, Remove, Replace, Retain
from gateway.documents.form_body import open_form
from gateway.documents.query import edit_query, read_query
from gateway.model.address import Address, Place, parse_address
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture, Rest

KEEP, DROP, BLANK = Retain(), Remove(), Empty()
UPPER = Replace(str.upper)


def edit_of(place, rest, fields):
    return edits.edit_of(rest, *fields, place=f"{place}:")


EDITS = [
    (b"a=1&b=2", Rest.PASS, [("a", DROP)], b"b=2", (1,), 0),
    (b"a=1&b=2&a=3", Rest.PASS, [("a", DROP)], b"b=2", (2,), 0),
    (b"a=1", Rest.PASS, [("a", DROP)], b"", (1,), 0),
    (b"%61=1&b=%zz"[:5] + b"&b=2", Rest.PASS, [("a", DROP)], b"b=2", (1,), 0),
    (b"a=x+y%2Fz", Rest.PASS, [("a", UPPER)], b"a=X%20Y%2FZ", (1,), 0),
    (b"a=%C3%A9&b=%c3%a9", Rest.PASS, [("a", UPPER)], b"a=%C3%89&b=%c3%a9", (1,), 0),
    (b"a=%41+B", Rest.PASS, [("a", UPPER)], b"a=%41+B", (1,), 0),
    (b"a=1&b&c=", Rest.PASS, [("a", BLANK), ("b", BLANK), ("c", BLANK)], b"a=&b&c=", (1, 1, 1), 0),
    (b"a=1&b=2&&c", Rest.DROP, [("a", KEEP)], b"a=1&", (1,), 2),
    (b"a=1&b=2", Rest.BLOCK, [("a", KEEP)], b"a=1&b=2", (1,), 1),
    (b"a=1&b=2", Rest.DROP, [("a", KEEP), ("b", KEEP)], b"a=1&b=2", (1, 1), 0),
    (b"user%5Bemail%5D=x&a[]=1", Rest.DROP, [("user[email]", KEEP)], b"user%5Bemail%5D=x", (1,), 1),
    (b"=1&a=2", Rest.DROP, [("a", KEEP)], b"a=2", (1,), 1),
    (b"a=1;c=2", Rest.PASS, [("b", DROP)], b"a=1;c=2", (0,), 0),
    (b"b%00=1", Rest.DROP, [("b", KEEP)], b"", (0,), 1),
    (b"a=1", Rest.PASS, [("a", KEEP), ("a", DROP)], b"a=1", (1, 0), 0),
]


@pytest.mark.parametrize("place", ["query", "form", "part"])
@pytest.mark.parametrize(("raw", "rest", "fields", "content", "counts", "unlisted"), EDITS)
def test_edit(place, raw, rest, fields, content, counts, unlisted):
    edit = edit_of(place, rest, fields)
    edited = edit_query(raw, edit) if place == "query" else open_form(raw, DEFAULT_LIMITS).edit(edit)
    assert (edited.content, edited.counts, edited.unlisted) == (content, counts, unlisted)
    if content == raw:
        assert edited.content is raw


def test_an_edit_for_another_place_does_not_match():
    assert open_form(b"a=1", DEFAULT_LIMITS).edit(edit_of("query", Rest.PASS, [("a", DROP)])).content == b"a=1"
    assert edit_query(b"a=1", edit_of("form", Rest.PASS, [("a", DROP)])).counts == (0,)
    assert open_form(b"a=1", DEFAULT_LIMITS).read(parse_address("$.a")) == []


def test_an_empty_query():
    assert edit_query(b"", edit_of("query", Rest.DROP, [("a", KEEP)])).content == b""
    assert read_query(b"", "a") == []


def test_read():
    assert read_query(b"a=1&b=2&%61=x+%26", "a") == ["1", "x &"]
    assert open_form(b"a=1&a=2", DEFAULT_LIMITS).read(parse_address("form:a")) == ["1", "2"]
    assert open_form(b"a=%e9", DEFAULT_LIMITS, charset="latin-1").read(parse_address("form:a")) == ["é"]


def test_the_charset_of_the_label_is_kept():
    form = open_form(b"a=%e9&b=%e9", DEFAULT_LIMITS, charset="latin-1")
    assert form.edit(edit_of("form", Rest.PASS, [("a", UPPER)])).content == b"a=%C9&b=%e9"
    with pytest.raises(Unreadable) as caught:
        form.edit(edit_of("form", Rest.PASS, [("a", Replace(lambda _: "\u20ac"))]))
    assert caught.value.posture is Posture.UNDECODABLE_CHARSET


@pytest.mark.parametrize(
    ("raw", "posture"),
    [
        (b"a=%zz", Posture.UNPARSABLE_BODY),
        (b"a=%u0040", Posture.UNPARSABLE_BODY),
        (b"b=%4", Posture.UNPARSABLE_BODY),
        (b"b=\x00", Posture.UNPARSABLE_BODY),
        (b"a=1;email=x", Posture.UNPARSABLE_BODY),
        (b"a=1;%65mail=x", Posture.UNPARSABLE_BODY),
        (b"a;email", Posture.UNPARSABLE_BODY),
        (b"%e9=1", Posture.UNDECODABLE_CHARSET),
        (b"email=%c1%80", Posture.UNDECODABLE_CHARSET),
    ],
)
def test_unreadable(raw, posture):
    for attempt in (
        lambda: edit_query(raw, edit_of("query", Rest.PASS, [("email", UPPER)])),
        lambda: read_query(raw, "email"),
        lambda: open_form(raw, DEFAULT_LIMITS).edit(edit_of("form", Rest.PASS, [("email", UPPER)])),
        lambda: open_form(raw, DEFAULT_LIMITS).read(parse_address("form:email")),
    ):
        with pytest.raises(Unreadable) as caught:
            attempt()
        assert caught.value.posture is posture


@pytest.mark.parametrize(
    ("raw", "posture"),
    [
        (b"_charset_=utf-7&a=1", Posture.UNDECODABLE_CHARSET),
        (b'{"email":"a=b"}', Posture.UNPARSABLE_BODY),
        (b"[" * 5000 + b"]" * 5000, Posture.UNPARSABLE_BODY),
        (b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\nx\r\n--x--', Posture.UNPARSABLE_BODY),
        (b"a=1&b=2&c=3&d=4", Posture.OVER_SIZE),
    ],
)
def test_a_form_that_is_no_form(raw, posture):
    with pytest.raises(Unreadable) as caught:
        open_form(raw, Limits(form_fields=3))
    assert caught.value.posture is posture


def test_braces_alone_do_not_make_json():
    assert open_form(b"{a}=1", DEFAULT_LIMITS).read(parse_address("form:{a}")) == ["1"]


WORDS = st.text(alphabet="ab &=%+;\u00e9", min_size=1, max_size=4)


@given(
    st.lists(st.tuples(WORDS, WORDS), max_size=6), st.sets(WORDS, max_size=3), st.sampled_from([Rest.DROP, Rest.PASS])
)
def test_against_a_reference(pairs, names, rest):
    raw = urlencode(pairs).encode()
    listed = sorted(names)
    operation = KEEP if rest is Rest.DROP else DROP
    fields = tuple(FieldEdit(i, Address(Place.QUERY, "", name=name), operation) for i, name in enumerate(listed))
    edited = edit_query(raw, PartEdit(fields, rest, len(listed)))
    wanted = [pair for pair in pairs if (pair[0] in names) == (rest is Rest.DROP)]
    assert parse_qsl(edited.content.decode(), keep_blank_values=True) == wanted
    assert edited.content == urlencode(wanted).encode()
    assert sum(edited.counts) == sum(name in names for name, _ in pairs)
    if wanted == pairs:
        assert edited.content is raw or not raw
    assert edit_query(edited.content, PartEdit(fields, rest, len(listed))).content is edited.content
