"""Heads that are known by their template mean what reading them in full says they mean."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.model.errors import Fault
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.upstream.parser import ResponseParser
from gateway.upstream.templates import LEARN_AFTER, HeadTemplates

LINES = [
    b"Server: nginx",
    b"Content-Type: application/json",
    b"Cache-Control: private, max-age=0",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Connection: x-hop",
    b"X-Hop: 1",
    b"Keep-Alive: timeout=5, max=%d",
    b"Set-Cookie: a=b; Path=/",
    b"Date: Mon, 23 Nov 2026 15:40:%d GMT",
    b"date: %d",
    b'ETag: "tag-%d"',
    b'ETag: W/"%d"',
    b"ETag: bare-%d",
    b"Last-Modified: %d ",
    b"X-Request-Id:%d",
    b"Age: %d",
    b"Vary: Sec-GPC\t",
]
LENGTH = b"Content-Length: %d"
PLAIN = b"HTTP/1.1 200 OK\r\nDate: %d\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"


def answer(status: bytes, lines: list[bytes], number: int, body: bytes) -> bytes:
    filled = [line % number if b"%d" in line else line for line in lines]
    return b"\r\n".join((b"HTTP/1.1 " + status, *filled, LENGTH % len(body), b"", b"")) + body


def reading(parser: ResponseParser, data: bytes) -> object:
    """All that the parser makes of one piece of input."""
    parser.begin(is_head=False)
    try:
        whole = parser.read_head(data)
    except Fault as fault:
        return fault.code, fault.why
    judged = parser.judged
    return (
        whole,
        judged.headers,
        judged.onward.status,
        judged.onward.headers,
        (judged.length, judged.chunked, judged.repeats),
        (parser.persistent, parser.complete, parser.extra, parser.until_eof),
        b"".join(parser.take_chunks()),
    )


def read_in_full(data: bytes) -> object:
    return reading(ResponseParser(DEFAULT_LIMITS, HeadTemplates(DEFAULT_LIMITS)), data)


def taught(examples: list[bytes]) -> HeadTemplates:
    templates = HeadTemplates(DEFAULT_LIMITS)
    for data in examples:
        reading(ResponseParser(DEFAULT_LIMITS, templates), data)
    return templates


@settings(max_examples=400, deadline=None)
@given(
    status=st.sampled_from([b"200 OK", b"404 Not Found", b"200 ", b"201"]),
    lines=st.lists(st.sampled_from(LINES), max_size=7),
    number=st.integers(0, 10**6),
    body=st.binary(max_size=12),
    at=st.integers(0, 400),
    cut=st.integers(0, 3),
    put=st.sampled_from([b"", b"", b"\r\n", b"\n", b"\0", b"\0A", b" ", b"\t", b":", b'"', b"\x80", b"X: y\r\n", b"0"]),
)
@example(b"200 OK", [b'ETag: "tag-%d"'], 7, b"ok", 0, 0, b"")
def test_a_known_head_reads_as_it_does_in_full(status, lines, number, body, at, cut, put):
    templates = taught([answer(status, lines, count, b"taught") for count in range(LEARN_AFTER)])
    data = answer(status, lines, number, body)
    data = data[:at] + put + data[at + cut :]
    assert reading(ResponseParser(DEFAULT_LIMITS, templates), data) == read_in_full(data)


def test_a_head_is_known_after_it_came_a_few_times_with_other_values():
    examples = [PLAIN % count for count in range(LEARN_AFTER)]
    assert taught(examples[:-1]).read(PLAIN % 9) is None
    known = taught(examples).read(PLAIN % 9)
    assert known is not None
    judged, body = known
    assert body == b"ok"
    assert judged.headers == ((b"Date", b"9"), (b"Content-Length", b"2"), (b"Content-Type", b"text/plain"))


@pytest.mark.parametrize(
    "other",
    [
        PLAIN % 9 + b"HTTP/1.1 200 OK\r\n",
        (PLAIN % 9)[:-1],
        (PLAIN % 9).replace(b"Content-Length: 2", b"Content-Length: 02345678901234567890"),
        (PLAIN % 9).replace(b"Content-Type: text/plain", b"Content-Type: text/html"),
        (PLAIN % 9).replace(b"200 OK", b"201 OK"),
        (PLAIN % 9).replace(b"Date: 9", b"Date: " + b"9" * 300),
        (PLAIN % 9).replace(b"Date: 9", b"Date: 9\r\nSet-Cookie: a=b"),
    ],
    ids=["more behind it", "less of it", "length", "media type", "status", "long value", "another field"],
)
def test_any_other_head_is_not_known(other):
    assert taught([PLAIN % count for count in range(LEARN_AFTER)]).read(other) is None


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: 1\r\nDate: 2\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate:1\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["without body", "chunked", "a varying field twice", "no space after the colon"],
)
def test_what_is_not_learned(head):
    assert taught([head] * (LEARN_AFTER + 1)).read(head) is None


def test_limits_that_a_known_value_could_break_leave_nothing_to_learn():
    templates = HeadTemplates(Limits(header_field=100))
    parser = ResponseParser(DEFAULT_LIMITS, templates)
    for count in range(LEARN_AFTER + 1):
        reading(parser, PLAIN % count)
    assert templates.read(PLAIN % 1) is None


def test_heads_that_never_repeat_are_soon_looked_at_only_now_and_then():
    templates = HeadTemplates(DEFAULT_LIMITS)
    parser = ResponseParser(DEFAULT_LIMITS, templates)
    for count in range(2000):
        reading(parser, re.sub(rb"text/plain", b"text/x-%d" % count, PLAIN % count))
    for count in range(LEARN_AFTER):
        reading(parser, PLAIN % count)
    assert templates.read(PLAIN % 1) is None
    for count in range(2000):
        reading(parser, PLAIN % count)
    assert templates.read(PLAIN % 1) is not None
