"""What a request sends of the session's cookie, and what an answer makes of it."""

from datetime import UTC, datetime

import pytest

from gateway.documents.session_cookie import SessionChange, change_of, sent_values

NOW = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
PAST, FUTURE = b"Thu, 01 Jan 1970 00:00:00 GMT", b"Fri, 01 Jan 2100 00:00:00 GMT"


def sent(*lines):
    return sent_values((*((b"Cookie", line) for line in lines), (b"X", b"session=x")), b"session")


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ([], []),
        ([b"a=1; b=2"], []),
        ([b"session=s1"], [b"s1"]),
        ([b"a=1;session=s1; b=2"], [b"s1"]),
        ([b" session = s1 "], [b"s1"]),
        ([b'session="s1"'], [b'"s1"']),
        ([b"session"], [b""]),
        ([b"session=a=b"], [b"a=b"]),
        ([b"Session=s1; session2=x; xsession=y"], []),
        ([b"session=s1; session=s2"], [b"s1", b"s2"]),
        ([b"session=s1", b"session=s1"], [b"s1", b"s1"]),
        # Some frameworks decode names: such an application may believe either of the two.
        ([b"session=s1; s%65ssion=s2"], [b"s1", b"s2"]),
        ([b"session=s1; s%6=s2"], [b"s1"]),
    ],
)
def test_what_a_request_sends(lines, values):
    assert sent(*lines) == values


def change(*lines):
    return change_of((*((b"Set-Cookie", line) for line in lines), (b"X", b"session=x")), b"session", NOW)


def to(value):
    return SessionChange(value=value)


ENDED = SessionChange(ended=True)
DOUBTFUL = SessionChange()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        ([b"other=1; Path=/"], None),
        ([b"Session=s1"], None),
        ([b"session=s1; Path=/; HttpOnly"], to(b"s1")),
        ([b' session = "s1" ;Secure'], to(b'"s1"')),
        ([b"session=s1; Max-Age=60"], to(b"s1")),
        ([b"session=s1; Expires=" + FUTURE], to(b"s1")),
        ([b"session=s1; Expires=yesterday"], to(b"s1")),
        ([b"session=s1; Expires="], to(b"s1")),
        ([b"session=s1; Max-Age=soon"], to(b"s1")),
        ([b"session=s1; Max-Age=60; Expires=" + PAST], to(b"s1")),
        ([b"session=; Path=/"], ENDED),
        ([b'session=""; Path=/'], ENDED),
        ([b"session; Path=/"], ENDED),
        ([b"session=gone; max-age=0"], ENDED),
        ([b"session=gone; Max-Age=-1"], ENDED),
        ([b"session=gone; Max-Age=00"], ENDED),
        ([b"session=gone; expires=" + PAST], ENDED),
        ([b"session=gone; Expires=Thu, 01-Jan-1970 00:00:10 GMT"], ENDED),
        ([b"session=gone; Max-Age=0; Expires=" + FUTURE], ENDED),
        ([b"session=s1", b"other=2"], to(b"s1")),
        # An old Path is cleaned up beside the new session.
        ([b"session=; Path=/old; Max-Age=0", b"session=s1; Path=/"], to(b"s1")),
        ([b"session=s1; Path=/", b"session=s1; Path=/app"], to(b"s1")),
        # Which of the two the browser will send depends on the path.
        ([b"session=s1; Path=/", b"session=s2; Path=/app"], DOUBTFUL),
        ([b"session=s1; Path=/", b"session=s2; Domain=shop.example"], DOUBTFUL),
    ],
)
def test_what_an_answer_makes_of_it(lines, expected):
    assert change(*lines) == expected
