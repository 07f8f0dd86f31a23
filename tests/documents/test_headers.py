import edits
import pytest

from gateway.documents.edit import Empty, Remove, Replace, Retain
from gateway.documents.headers import REQUEST_PLUMBING, RESPONSE_PLUMBING, edit_headers, read_header
from gateway.model.words import Rest

KEEP, DROP, BLANK = Retain(), Remove(), Empty()
UPPER = Replace(str.upper)
HEADERS = (
    (b"Host", b"shop.example"),
    (b"User-Agent", b"me"),
    (b"X-Email", b"a@b.c"),
    (b"Cookie", b"a=1"),
    (b"x-email", b"d@e.f"),
    (b"Content-Type", b"text/plain"),
)


def edit_of(rest, *fields):
    return edits.edit_of(rest, *fields, place="header:")


def without(*positions):
    return tuple(pair for position, pair in enumerate(HEADERS) if position not in positions)


@pytest.mark.parametrize(
    ("rest", "fields", "expected", "counts", "unlisted"),
    [
        (Rest.PASS, [("X-Email", DROP)], without(2, 4), (2,), 0),
        (Rest.PASS, [("Absent", DROP)], HEADERS, (0,), 0),
        (Rest.DROP, [], without(1, 2, 4), (), 3),
        (Rest.DROP, [("x-email", KEEP)], without(1), (2,), 1),
        (Rest.DROP, [("host", DROP), ("x-email", KEEP)], without(0, 1), (1, 2), 1),
        (Rest.BLOCK, [("user-agent", KEEP)], HEADERS, (1,), 2),
        (Rest.PASS, [("user-agent", BLANK)], (HEADERS[0], (b"User-Agent", b""), *HEADERS[2:]), (1,), 0),
        (Rest.PASS, [("user-agent", UPPER)], (HEADERS[0], (b"User-Agent", b"ME"), *HEADERS[2:]), (1,), 0),
        (Rest.PASS, [("user-agent", Replace(str))], HEADERS, (1,), 0),
        (Rest.PASS, [("user-agent", KEEP), ("user-agent", DROP)], HEADERS, (1, 0), 0),
    ],
)
def test_edit(rest, fields, expected, counts, unlisted):
    edited = edit_headers(HEADERS, edit_of(rest, *fields), REQUEST_PLUMBING)
    assert (edited.headers, edited.counts, edited.unlisted) == (expected, counts, unlisted)
    if expected == HEADERS:
        assert edited.headers is HEADERS


def test_what_a_transform_makes_cannot_break_the_line():
    edited = edit_headers(
        HEADERS, edit_of(Rest.PASS, ("user-agent", Replace(lambda _: "x\r\nY: z\x00é "))), REQUEST_PLUMBING
    )
    assert edited.headers[1] == (b"User-Agent", "x  Y: z é".encode())


def test_read():
    headers = ((b"X-Name", "Zoë".encode()), (b"x-name", b"Zo\xeb"), (b"Y", b"z"))
    assert read_header(headers, "x-name") == ["Zoë", "Zoë"]
    assert read_header(headers, "absent") == []


@pytest.mark.parametrize(
    "name", [b"authorization", b"user-agent", b"referer", b"from", b"forwarded", b"x-forwarded-for"]
)
def test_what_tells_about_a_person_is_no_plumbing(name):
    assert name not in REQUEST_PLUMBING


@pytest.mark.parametrize("name", [b"host", b"content-type", b"accept-encoding", b"if-none-match", b"range", b"sec-gpc"])
def test_what_http_needs_is_plumbing(name):
    assert name in REQUEST_PLUMBING


def test_plumbing_is_lower_case():
    assert all(name == name.lower() for name in REQUEST_PLUMBING | RESPONSE_PLUMBING)
    assert {b"cookie", b"set-cookie"}.isdisjoint(REQUEST_PLUMBING | RESPONSE_PLUMBING)
