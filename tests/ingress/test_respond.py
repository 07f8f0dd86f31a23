"""The bytes of answers."""

import re

import pytest

from gateway.engine.refusals import refusal
from gateway.ingress.respond import chunk, field_lines, head_bytes, refusal_bytes, switching_protocols

DATE = rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n"


def test_fields_are_written_in_order_and_the_length_is_taken_out():
    fields = field_lines(((b"A", b"1"), (b"content-LENGTH", b"7"), (b"a", b"\xe9"), (b"dAte", b"x")))
    assert b"".join(fields.parts) == b"A: 1\r\na: \xe9\r\ndAte: x\r\n"
    assert (fields.length, fields.dated) == (7, True)


def test_a_date_is_added_where_there_is_none():
    head = head_bytes(200, field_lines(()), framing=b"", keep_alive=True, legacy=False)
    assert re.fullmatch(rb"HTTP/1.1 200 OK\r\n" + DATE + rb"\r\n", head)


@pytest.mark.parametrize(
    ("keep_alive", "legacy", "expected"),
    [
        (True, False, b""),
        (False, False, b"Connection: close\r\n"),
        (True, True, b"Connection: keep-alive\r\n"),
        (False, True, b"Connection: close\r\n"),
    ],
)
def test_persistence(keep_alive, legacy, expected):
    fields = field_lines(((b"Date", b"x"),))
    head = head_bytes(299, fields, framing=b"F: f\r\n", keep_alive=keep_alive, legacy=legacy, via=b"V: v\r\n")
    assert head == b"HTTP/1.1 299 \r\nDate: x\r\nV: v\r\nF: f\r\n" + expected + b"\r\n"


@pytest.mark.parametrize(("piece", "expected"), [(b"x", b"1\r\nx\r\n"), (b"x" * 26, b"1a\r\n" + b"x" * 26 + b"\r\n")])
def test_chunks(piece, expected):
    assert chunk(piece) == expected


def test_a_refusal_has_a_body_unless_it_answers_head():
    answer = refusal("bad_request")
    whole = refusal_bytes(answer, keep_alive=False)
    head = refusal_bytes(answer, keep_alive=False, without_body=True)
    assert whole == head + answer.body
    assert b"Content-Length: %d\r\n" % len(answer.body) in head


def test_a_switch_has_no_date_and_no_length():
    assert switching_protocols(((b"A", b"1"),), b"Via: x\r\n") == (
        b"HTTP/1.1 101 Switching Protocols\r\nA: 1\r\nVia: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
