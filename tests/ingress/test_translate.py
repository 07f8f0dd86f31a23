"""What is refused before any rule is asked, and what reaches the upstream; judged by bytes on sockets."""

import pytest
from data_port import data_port
from scripted_upstream import OK

HOST = b"Host: shop.example\r\n"


def get(*lines: bytes, target: bytes = b"/", method: bytes = b"GET", version: bytes = b"HTTP/1.1", host=HOST) -> bytes:
    return b"%b %b %b\r\n%b%b\r\n" % (method, target, version, host, b"".join(line + b"\r\n" for line in lines))


def post(*lines: bytes, body: bytes = b"ab", version: bytes = b"HTTP/1.1") -> bytes:
    return get(*lines, method=b"POST", version=version) + body


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = {
    "HTTP/2.0": (get(version=b"HTTP/2.0"), 505, "version_unsupported"),
    "HTTP/1.2": (get(version=b"HTTP/1.2"), 505, "version_unsupported"),
    "HTTP/0.9": (get(version=b"HTTP/0.9"), 505, "version_unsupported"),
    "no version": (b"GET /\r\n\r\n", 505, "version_unsupported"),
    "h2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_unsupported"),
    "lower-case protocol": (get(version=b"http/1.1"), 400, "bad_request"),
    "unknown method": (get(method=b"FOOBAR"), 501, "not_implemented"),
    "lower-case method": (get(method=b"get"), 501, "not_implemented"),
    "TLS": (b"\x16\x03\x01secret\r\n\r\n", 400, "bad_request"),
    "CONNECT": (get(method=b"CONNECT", target=b"shop.example:443"), 405, "method_not_allowed"),
    "TRACE": (get(method=b"TRACE"), 405, "method_not_allowed"),
    "CL and TE": (post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"), 400, "ambiguous_framing"),
    "TE and CL": (post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"), 400, "ambiguous_framing"),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501, "not_implemented"),
    "xchunked": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400, "ambiguous_framing"),
    "chunked, chunked": (post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), 400, "ambiguous_framing"),
    "chunked twice": (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), 400, "ambiguous_framing"),
    "identity": (post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"), 400, "ambiguous_framing"),
    "empty TE": (post(b"Transfer-Encoding:", b"Content-Length: 2"), 400, "ambiguous_framing"),
    "TE in 1.0": (post(CHUNKED, body=b"0\r\n\r\n", version=b"HTTP/1.0"), 400, "ambiguous_framing"),
    "CL list": (post(b"Content-Length: 2, 2"), 400, "ambiguous_framing"),
    "CL twice": (post(b"Content-Length: 2", b"Content-Length: 2"), 400, "ambiguous_framing"),
    "CL signed": (post(b"Content-Length: +2"), 400, "ambiguous_framing"),
    "CL negative": (post(b"Content-Length: -2"), 400, "ambiguous_framing"),
    "CL hex": (post(b"Content-Length: 0x2"), 400, "ambiguous_framing"),
    "CL empty": (post(b"Content-Length:"), 400, "ambiguous_framing"),
    "CL overflow": (post(b"Content-Length: 99999999999999999999"), 400, "ambiguous_framing"),
    "CL 19 digits": (post(b"Content-Length: 9000000000000000000"), 400, "ambiguous_framing"),
    "chunk 0x": (post(CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n"), 400, "ambiguous_framing"),
    "chunk space": (post(CHUNKED, body=b"3 \r\nabc\r\n0\r\n\r\n"), 400, "ambiguous_framing"),
    "chunk bare LF": (post(CHUNKED, body=b"3\nabc\r\n0\r\n\r\n"), 400, "ambiguous_framing"),
    "chunk overflow": (post(CHUNKED, body=b"1" * 17 + b"\r\nabc\r\n0\r\n\r\n"), 400, "ambiguous_framing"),
    "bare LF": (b"GET / HTTP/1.1\nHost: shop.example\n\n", 400, "bad_request"),
    "bare LF in field": (b"GET / HTTP/1.1\r\nHost: shop.example\n\r\n", 400, "bad_request"),
    "bare CR": (get(b"X: a\rb"), 400, "bad_request"),
    "NUL": (get(b"X: a\x00b"), 400, "bad_request"),
    "control": (get(b"X: a\x01b"), 400, "bad_request"),
    "DEL": (get(b"X: a\x7fb"), 400, "bad_request"),
    "obs-fold": (get(b"X: a\r\n secret"), 400, "bad_request"),
    "space before colon": (get(b"X : a"), 400, "bad_request"),
    "name outside tchar": (get(b"X(y: a"), 400, "bad_request"),
    "8-bit name": (get(b"\xc3\xa4: a"), 400, "bad_request"),
    "no name": (get(b": a"), 400, "bad_request"),
    "no colon": (get(b"secret"), 400, "bad_request"),
    "no Host": (get(host=b""), 400, "bad_request"),
    "Host twice": (get(HOST.strip()), 400, "bad_request"),
    "Host is none": (get(host=b"Host: a b/../c@d\r\n"), 400, "bad_request"),
    "empty Host": (get(host=b"Host:\r\n"), 400, "bad_request"),
    "Host list": (get(host=b"Host: a, b\r\n"), 400, "bad_request"),
    "fragment": (get(target=b"/a#secret"), 400, "bad_request"),
    "space in target": (get(target=b"/a secret"), 400, "bad_request"),
    "tab in target": (get(target=b"/a\tsecret"), 400, "bad_request"),
    "8-bit target": (get(target=b"/\xc3\xa4"), 400, "bad_request"),
    "GET *": (get(target=b"*"), 400, "bad_request"),
    "unknown scheme": (get(target=b"ftp://shop.example/"), 400, "bad_request"),
    "authority form": (get(target=b"shop.example:80"), 400, "bad_request"),
    "two Content-Types": (post(b"Content-Length: 2", b"Content-Type: a/b", b"content-type: c/d"), 400, "bad_request"),
    "two Authorizations": (get(b"Authorization: a", b"authorization: b"), 400, "bad_request"),
    "two Origins": (get(b"Origin: a", b"Origin: b"), 400, "bad_request"),
    "two Ranges": (get(b"Range: bytes=0-1", b"Range: bytes=2-3"), 400, "bad_request"),
    "unknown expectation": (post(b"Content-Length: 2", b"Expect: 200-ok"), 417, "expectation_failed"),
    "expectation list": (post(b"Content-Length: 2", b"Expect: 100-continue, x"), 417, "expectation_failed"),
    "Max-Forwards": (get(b"Max-Forwards: x", method=b"OPTIONS"), 400, "bad_request"),
    "long target": (get(target=b"/" + b"secret" * 20), 414, "uri_too_long"),
    "long field": (get(b"X: " + b"secret" * 50), 431, "headers_too_large"),
    "long name": (get(b"X" * 300 + b": secret"), 431, "headers_too_large"),
    "many fields": (get(*[b"X: secret"] * 12), 431, "headers_too_large"),
    "all fields": (get(*[b"X: " + b"secret" * 20] * 8), 431, "headers_too_large"),
    "after close": (get(b"Connection: close") + get(), 400, "bad_request"),
}


@pytest.mark.parametrize(("raw", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_refused_with_nothing_at_the_upstream(raw, status, code):
    async with data_port(
        request_line=100, header_field=200, header_count=11, headers_total=700, lingering_time=0.1
    ) as port:
        client = await port.connect()
        await client.send(raw)
        answer = await client.answer()
        assert (answer.status, answer.code) == (status, code)
        assert answer.line.startswith(b"HTTP/1.1 ")
        assert answer.all(b"content-type") == [b"application/problem+json"]
        assert answer.all(b"connection") == [b"close"]
        assert bool(answer.all(b"allow")) == (status == 405)
        assert b"secret" not in repr(vars(answer)).encode()
        assert await client.rest() == b""
        assert port.upstream.connections == 0


FORWARDED = {
    "target verbatim": (
        get(target=b"/a%2Fb/%7E/;m=1//x?q=%41&e=&+"),
        b"GET /a%2Fb/%7E/;m=1//x?q=%41&e=&+ HTTP/1.1\r\n" + HOST,
    ),
    "bare question mark": (get(target=b"/x?"), b"GET /x? HTTP/1.1\r\n" + HOST),
    "absolute form": (
        get(b"X: 1", target=b"http://u:p@other.example/x"),
        b"GET /x HTTP/1.1\r\nHost: other.example\r\nX: 1\r\n",
    ),
    "asterisk form": (get(target=b"*", method=b"OPTIONS"), b"OPTIONS * HTTP/1.1\r\n" + HOST),
    "obs-text": (get(b"X: caf\xe9 \xc3\xa9"), b"GET / HTTP/1.1\r\n" + HOST + b"X: caf\xe9 \xc3\xa9\r\n"),
    "order and multiplicity": (
        get(b"X-a: 1", b"Y: 2", b"x-A: 3", b"X-a:4 "),
        b"GET / HTTP/1.1\r\n" + HOST + b"X-a: 1\r\nY: 2\r\nx-A: 3\r\nX-a: 4\r\n",
    ),
    "hop-by-hop": (
        get(
            b"Connection: close, X-Hop",
            b"X-Hop: 1",
            b"Keep-Alive: 5",
            b"TE: trailers",
            b"Trailer: X",
            b"Proxy-Connection: x",
        ),
        b"GET / HTTP/1.1\r\n" + HOST,
    ),
    "credentials for a proxy": (get(b"Proxy-Authorization: secret"), b"GET / HTTP/1.1\r\n" + HOST),
    "h2c": (
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
        b"GET / HTTP/1.1\r\n" + HOST,
    ),
    "nominated Host": (get(b"Connection: Host, Content-Length"), b"GET / HTTP/1.1\r\n" + HOST),
    "expectation of 1.0": (
        get(b"Expect: x", version=b"HTTP/1.0"),
        b"GET / HTTP/1.1\r\n" + HOST,
    ),
    "max-forwards": (
        get(b"Max-Forwards: 3", method=b"OPTIONS"),
        b"OPTIONS / HTTP/1.1\r\n" + HOST + b"Max-Forwards: 2\r\n",
    ),
    "max-forwards of GET": (get(b"Max-Forwards: 0"), b"GET / HTTP/1.1\r\n" + HOST + b"Max-Forwards: 0\r\n"),
}


@pytest.mark.parametrize(("raw", "expected"), FORWARDED.values(), ids=FORWARDED)
async def test_what_reaches_the_upstream(raw, expected):
    async with data_port() as port:
        answer = await port.ask(raw)
        assert answer.status == 200
        via = b"Via: 1.0 " if b"HTTP/1.0" in raw else b"Via: 1.1 "
        assert port.upstream.requests == [expected + via + b"privacy-gateway\r\n\r\n"]


BODIES = {
    "length": (post(b"Content-Length: 2"), b"Content-Length: 2\r\n\r\nab"),
    "chunks": (
        post(CHUNKED, body=b"1;x=secret\r\na\r\n1\r\nb\r\n0\r\nX-Secret: 1\r\n\r\n"),
        b"Content-Length: 2\r\n\r\nab",
    ),
    "empty": (post(b"Content-Length: 0", body=b""), b"Content-Length: 0\r\n\r\n"),
    "none": (post(body=b""), b"\r\n"),
    "of GET": (get(b"Content-Length: 2") + b"ab", b"Content-Length: 2\r\n\r\nab"),
    "of DELETE": (get(b"Content-Length: 2", method=b"DELETE") + b"ab", b"Content-Length: 2\r\n\r\nab"),
}


@pytest.mark.parametrize(("raw", "expected"), BODIES.values(), ids=BODIES)
async def test_framing_is_written_anew(raw, expected):
    async with data_port() as port:
        assert (await port.ask(raw)).body == b"ok"
        (received,) = port.upstream.requests
        assert received.partition(b"privacy-gateway\r\n")[2] == expected
        assert OK.endswith(b"ok")
        assert b"secret" not in received.lower()


async def test_without_a_host_the_upstream_gets_its_own():
    async with data_port() as port:
        answer = await port.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert answer.status == 200
        assert port.upstream.requests[0].startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port.upstream.port)
