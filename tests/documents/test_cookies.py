import edits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.cookies import edit_cookies, edit_set_cookies, read_cookie
from gateway.documents.edit import Empty, Remove, Replace, Retain
from gateway.model.errors import Unreadable
from gateway.model.words import Posture, Rest

KEEP, DROP, BLANK = Retain(), Remove(), Empty()
UPPER = Replace(str.upper)


def edit_of(rest, *fields):
    return edits.edit_of(rest, *fields, place="cookie:")


@pytest.mark.parametrize(
    ("line", "rest", "fields", "expected", "counts", "unlisted"),
    [
        (b"a=1; b=2; c=3", Rest.PASS, [("b", DROP)], b"a=1; c=3", (1,), 0),
        (b"a=1; b=2", Rest.PASS, [("a", DROP)], b"b=2", (1,), 0),
        (b"a=1; b=2", Rest.PASS, [("b", DROP)], b"a=1", (1,), 0),
        (b"a=1", Rest.PASS, [("a", DROP)], None, (1,), 0),
        (b"a=1; a=2; b=3", Rest.PASS, [("a", DROP)], b"b=3", (2,), 0),
        (b"a=x;b=  y ;c", Rest.PASS, [("a", UPPER)], b"a=X;b=  y ;c", (1,), 0),
        (b'a="x y"; b=1', Rest.PASS, [("a", UPPER)], b"a=X%20Y; b=1", (1,), 0),
        (b'a="X"; b=1', Rest.PASS, [("a", UPPER)], b'a="X"; b=1', (1,), 0),
        (b"a=1; b=2", Rest.PASS, [("a", BLANK)], b"a=; b=2", (1,), 0),
        (b"a=1; b=2; c=3", Rest.DROP, [("b", KEEP)], b"b=2", (1,), 2),
        (b"a=1; b=2", Rest.DROP, [], None, (), 2),
        (b"a=1; b=2", Rest.BLOCK, [("b", KEEP)], b"a=1; b=2", (1,), 1),
        (b"A=1; b=2", Rest.DROP, [("a", KEEP)], None, (0,), 2),
        (b"%65mail=x; b=2", Rest.PASS, [("email", DROP)], b"b=2", (1,), 0),
        (b"secret; b=2", Rest.DROP, [("b", KEEP)], b"b=2", (1,), 1),
        (b'p={"a":1,"b":2}', Rest.PASS, [("q", DROP)], b'p={"a":1,"b":2}', (0,), 0),
    ],
)
def test_edit_cookies(line, rest, fields, expected, counts, unlisted):
    headers = ((b"Host", b"h"), (b"Cookie", line), (b"X", b"y"))
    edited = edit_cookies(headers, edit_of(rest, *fields))
    wanted = [(b"Host", b"h"), (b"Cookie", expected), (b"X", b"y")]
    assert edited.headers == tuple(pair for pair in wanted if pair[1] is not None)
    assert (edited.counts, edited.unlisted) == (counts, unlisted)
    if expected == line:
        assert edited.headers is headers


def test_each_line_is_handled():
    headers = ((b"Cookie", b"a=1; b=2"), (b"cookie", b"a=3"))
    assert edit_cookies(headers, edit_of(Rest.PASS, ("a", DROP))).headers == ((b"Cookie", b"b=2"),)
    assert read_cookie(headers, "a") == ["1", "3"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'a="x\\100y"', "x@y"),
        (b'a="x\\"y\\\\"', 'x"y\\'),
        (b"a=x%40y", "x%40y"),
        (b"a=", ""),
        (b"a", ""),
        (b"a=b=c", "b=c"),
        ("a=é".encode(), "é"),
    ],
)
def test_read(line, text):
    assert read_cookie(((b"Cookie", line),), "a") == [text]


@pytest.mark.parametrize(
    ("line", "posture"),
    [
        (b'a="x; email=y"', Posture.UNPARSABLE_BODY),
        (b'a="x\\"; email=y; b="', Posture.UNPARSABLE_BODY),
        (b'a="', Posture.UNPARSABLE_BODY),
        (b'a="x" y', Posture.UNPARSABLE_BODY),
        (b"$Version=1; a=x", Posture.UNPARSABLE_BODY),
        (b"b=1; $version=1; a=x", Posture.UNPARSABLE_BODY),
        (b"a=\xe9", Posture.UNDECODABLE_CHARSET),
    ],
)
def test_refused(line, posture):
    headers = ((b"Cookie", line),)
    for attempt in (lambda: read_cookie(headers, "a"), lambda: edit_cookies(headers, edit_of(Rest.PASS, ("a", UPPER)))):
        with pytest.raises(Unreadable) as caught:
            attempt()
        assert caught.value.posture is posture


@pytest.mark.parametrize(
    ("line", "rest", "fields", "expected", "counts", "unlisted"),
    [
        (b"a=x; Path=/; HttpOnly", Rest.PASS, [("a", UPPER)], b"a=X; Path=/; HttpOnly", (1,), 0),
        (
            b"a=x;Expires=Wed, 21 Oct 2026 07:28:00 GMT",
            Rest.PASS,
            [("a", BLANK)],
            b"a=;Expires=Wed, 21 Oct 2026 07:28:00 GMT",
            (1,),
            0,
        ),
        (b"a=x; Path=/", Rest.PASS, [("a", DROP)], None, (1,), 0),
        (b"a=x; Path=/", Rest.PASS, [("Path", DROP)], b"a=x; Path=/", (0,), 0),
        (b"a=x; Path=/", Rest.DROP, [("b", KEEP)], None, (0,), 1),
        (b"a=x; Path=/", Rest.DROP, [("a", KEEP)], b"a=x; Path=/", (1,), 0),
        (b"a=x; Path=/", Rest.BLOCK, [], b"a=x; Path=/", (), 1),
    ],
)
def test_edit_set_cookies(line, rest, fields, expected, counts, unlisted):
    headers = ((b"Date", b"d"), (b"Set-Cookie", line))
    edited = edit_set_cookies(headers, edit_of(rest, *fields))
    assert edited.headers == ((b"Date", b"d"), *(() if expected is None else ((b"Set-Cookie", expected),)))
    assert (edited.counts, edited.unlisted) == (counts, unlisted)
    if expected == line:
        assert edited.headers is headers


def test_a_set_cookie_that_quotes_a_semicolon_is_refused():
    with pytest.raises(Unreadable):
        edit_set_cookies(((b"Set-Cookie", b'a="x;y"; Path=/'),), edit_of(Rest.PASS, ("a", KEEP)))


NAMES = st.sampled_from(["a", "b", "c", "d"])
PAIRS = st.lists(st.tuples(NAMES, st.text(alphabet="xyz%=", max_size=4)), min_size=1, max_size=6)


@given(PAIRS, st.sets(NAMES))
def test_against_a_reference(pairs, names):
    line = "; ".join(f"{name}={value}" for name, value in pairs).encode()
    headers = ((b"Cookie", line),)
    for rest, operation in ((Rest.DROP, KEEP), (Rest.PASS, DROP)):
        edit = edit_of(rest, *((name, operation) for name in sorted(names)))
        edited = edit_cookies(headers, edit)
        wanted = [f"{name}={value}" for name, value in pairs if (name in names) == (rest is Rest.DROP)]
        assert edited.headers == (((b"Cookie", "; ".join(wanted).encode()),) if wanted else ())
        assert (edited.headers is headers) == (len(wanted) == len(pairs))
        assert edit_cookies(edited.headers, edit).headers is edited.headers
