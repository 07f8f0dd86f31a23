"""The bytes of a request's head: complete, in order, and with no way to smuggle a second one."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import Fault
from gateway.upstream.head import encode_head, has_field

HEADERS = ((b"Host", b"a"), (b"X-A", b"caf\xe9"), (b"x-a", b""))


@pytest.mark.parametrize(
    ("options", "framing"),
    [
        ({"length": None, "chunked": False}, b""),
        ({"length": 0, "chunked": False}, b"Content-Length: 0\r\n"),
        ({"length": 17, "chunked": False}, b"Content-Length: 17\r\n"),
        ({"length": None, "chunked": True}, b"Transfer-Encoding: chunked\r\n"),
        (
            {"length": None, "chunked": False, "upgrade": True},
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        ),
    ],
)
def test_encoded_head(options, framing):
    expected = b"GET /a?b HTTP/1.1\r\nHost: a\r\nX-A: caf\xe9\r\nx-a: \r\n" + framing + b"\r\n"
    assert encode_head("GET", b"/a?b", HEADERS, **options) == expected


def test_framing_among_the_fields_is_ignored():
    headers = (*HEADERS, (b"content-LENGTH", b"9"), (b"Transfer-Encoding", b"chunked"), (b"X-Request-Id-1", b"z"))
    head = encode_head("POST", b"/", headers, length=2, chunked=False)
    assert head.endswith(b"x-a: \r\nX-Request-Id-1: z\r\nContent-Length: 2\r\n\r\n")


@pytest.mark.parametrize("target", [b"/", b"*", b"/a%2Fb/%7E/;m=1//x/%2e%2e?q=%41&e=", b"/x?", b"/?a?b", b'/"<>{}|^`'])
def test_targets_go_verbatim(target):
    assert encode_head("OPTIONS", target, (), length=None, chunked=False) == b"OPTIONS " + target + b" HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", b"/ HTTP/1.1\r\nX: y\r\n\r\n", ()),
        ("GET", b"/a b", ()),
        ("GET", b"/a#b", ()),
        ("GET", b"/\xe9", ()),
        ("GET", b"", ()),
        ("GET", b"http://a/", ()),
        ("GET /", b"/", ()),
        ("", b"/", ()),
        ("GÉT", b"/", ()),
        ("GET", b"/", ((b"X", b"a\r\nY: b"),)),
        ("GET", b"/", ((b"X", b"a\nY: b"),)),
        ("GET", b"/", ((b"X", b"a\rY: b"),)),
        ("GET", b"/", ((b"X", b"a\0"),)),
        ("GET", b"/", ((b"X\r\nY", b"a"),)),
        ("GET", b"/", ((b"X", b"\r\n"),)),
    ],
)
def test_what_would_break_the_head_is_never_written(method, target, headers):
    with pytest.raises(Fault) as caught:
        encode_head(method, target, headers, length=None, chunked=False)
    assert caught.value.code == "internal_error"


class Parsed:
    def __init__(self):
        self.headers = []
        self.url = b""
        self.messages = 0

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.headers.append((name, value.rstrip(b" \t")))

    def on_message_complete(self):
        self.messages += 1


token = st.from_regex(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}", fullmatch=True)
value = st.from_regex(rb"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?", fullmatch=True)
RESERVED = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"proxy-connection"}


@given(st.lists(st.tuples(token.filter(lambda name: name.lower() not in RESERVED), value), max_size=8))
def test_another_parser_reads_what_was_meant(headers):
    parsed = Parsed()
    httptools.HttpRequestParser(parsed).feed_data(encode_head("GET", b"/x?y", headers, length=None, chunked=False))
    assert (parsed.messages, parsed.url, parsed.headers) == (1, b"/x?y", headers)


@given(st.text("GET /\r\n\0: é", max_size=6), st.binary(max_size=8), st.lists(st.tuples(st.binary(), st.binary())))
def test_any_input_gives_one_message_or_a_fault(method, target, headers):
    try:
        head = encode_head(method, target, headers, length=None, chunked=False)
    except Fault:
        return
    assert head.count(b"\r\n\r\n") == 1
    assert head.endswith(b"\r\n\r\n")
    assert len(head.split(b"\r\n")) == len([n for n, _ in headers if n.lower() not in RESERVED]) + 3


@pytest.mark.parametrize(
    ("value", "found"),
    [(b"Upgrade", True), (b"keep-alive, UPGRADE", True), (b"upgrades", False), (b"", False)],
)
def test_tokens_of_a_field(value, found):
    assert has_field(((b"Connection", value),), b"connection", b"upgrade") is found
