"""RFC 8785 for values without fractions, and nothing that has two readings."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.canonical_json import LARGEST_INTEGER, NotCanonical, canonical, parse

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 2, "a": 1, "": 0}, b'{"":0,"a":1,"b":2}'),
        ([True, False, None, -1, 0], b"[true,false,null,-1,0]"),
        # RFC 8785, section 3.2.2.2
        ('\u20ac$\u000f\nA\'B"\\\\"/', b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\b\t\f\r\x7f\u2028", b'"\\b\\t\\f\\r\x7f\xe2\x80\xa8"'),
        # RFC 8785, section 3.2.3: the order of UTF-16, in which U+1F600 comes before U+FB33
        (
            {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7},
            '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'.encode(),
        ),
    ],
)
def test_the_form_of_the_rfc(value, written):
    assert canonical(value) == written
    assert parse(written) == value


@given(values)
def test_what_is_written_is_read_and_written_alike(value):
    written = canonical(value)

    assert parse(written) == value == json.loads(written)
    assert canonical(parse(json.dumps(value, indent=2).encode())) == written


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**53, -(2**53), {1: 2}, b"x", {"a": {1}}, "\ud800", {"\udc00": 1}]
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"1.0", b"1e3", b"-0", b"9007199254740992", b"9" * 5000,
        b"NaN", b"Infinity", b"\xff", b"\xef\xbb\xbf1",
        b'{"a":1,"a":1}', b'{"x":{"a":1,"\\u0061":2}}', b"[1] 2", b"[" * 100_000,
    ],
)  # fmt: skip
def test_text_with_two_readings_is_refused(text):
    with pytest.raises(NotCanonical) as refused:
        parse(text)

    assert len(str(refused.value)) < 60


def test_nesting_without_end_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotCanonical, match="deep"):
        canonical(value)
