"""What an upstream may say and what it may not, each on a raw socket."""

import asyncio

import pytest
from scripted_upstream import OK, answering, scripted

from gateway.model.errors import Fault, Unreadable

HOST = [(b"Host", b"shop.example")]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def head(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((line, *fields, b"", b""))


REFUSED = {
    "length and coding": head(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "coding and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 6") + b"0\r\n\r\n",
    "length twice": head(b"Content-Length: 2", b"Content-Length: 2") + b"ok",
    "length as list": head(b"Content-Length: 2, 2") + b"ok",
    "length signed": head(b"Content-Length: +2") + b"ok",
    "length blank": head(b"Content-Length: ") + b"ok",
    "length not decimal": head(b"Content-Length: 0x2") + b"ok",
    "length without end": head(b"Content-Length: 99999999999999999999999") + b"ok",
    "coding beside chunked": head(b"Transfer-Encoding: gzip, chunked") + b"2\r\nok\r\n0\r\n\r\n",
    "coding unknown": head(b"Transfer-Encoding: xchunked") + b"2\r\nok\r\n0\r\n\r\n",
    "coding after chunked": head(b"Transfer-Encoding: chunked, gzip") + b"2\r\nok\r\n0\r\n\r\n",
    "chunked listed twice": head(b"Transfer-Encoding: chunked, chunked") + b"2\r\nok\r\n0\r\n\r\n",
    "chunked on two lines": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked with parameter": head(b"Transfer-Encoding: chunked;a=b") + b"0\r\n\r\n",
    "chunked between tabs": head(b"Transfer-Encoding: \tchunked\t") + b"0\r\n\r\n",
    "identity": head(b"Transfer-Encoding: identity") + b"ok",
    "coding in 1.0": head(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK") + b"0\r\n\r\n",
    "folded field": head(b"X: a", b" b", b"Content-Length: 2") + b"ok",
    "space before colon": head(b"Content-Length : 2") + b"ok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare LF in a field": head(b"X: a\nContent-Length: 2") + b"ok",
    "bare CR in a field": head(b"X: a\rb", b"Content-Length: 2") + b"ok",
    "NUL in a field": head(b"X: a\0b", b"Content-Length: 2") + b"ok",
    "control in a field": head(b"X: a\x01b", b"Content-Length: 2") + b"ok",
    "name outside tchar": head(b"X(y): a", b"Content-Length: 2") + b"ok",
    "name with 8 bits": head(b"X\xe9: a", b"Content-Length: 2") + b"ok",
    "no name": head(b": a", b"Content-Length: 2") + b"ok",
    "no colon": head(b"X", b"Content-Length: 2") + b"ok",
    "version 2.0": head(b"Content-Length: 2", line=b"HTTP/2.0 200 OK") + b"ok",
    "version 1.2": head(b"Content-Length: 2", line=b"HTTP/1.2 200 OK") + b"ok",
    "version 0.9": head(b"Content-Length: 2", line=b"HTTP/0.9 200 OK") + b"ok",
    "another protocol": head(b"Content-Length: 2", line=b"RTSP/1.0 200 OK") + b"ok",
    "lower case": head(b"Content-Length: 2", line=b"http/1.1 200 OK") + b"ok",
    "empty line first": b"\r\n" + OK,
    "status of two digits": head(b"Content-Length: 2", line=b"HTTP/1.1 99 OK") + b"ok",
    "status over 599": head(b"Content-Length: 2", line=b"HTTP/1.1 600 OK") + b"ok",
    "status of four digits": head(b"Content-Length: 2", line=b"HTTP/1.1 2000 OK") + b"ok",
    "control in the reason": head(b"Content-Length: 2", line=b"HTTP/1.1 200 O\x01K") + b"ok",
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n",
    "proxy authentication": head(b"Content-Length: 2", line=b"HTTP/1.1 407 No") + b"ok",
    "switch that nobody asked for": head(b"Upgrade: websocket", b"Connection: Upgrade", line=b"HTTP/1.1 101 Go"),
    "interim without end": head(line=b"HTTP/1.1 103 Early Hints") * 9 + OK,
    "interim with a broken field": head(b"X(): a", line=b"HTTP/1.1 103 Early Hints") + OK,
    "field over the limit": head(b"X: " + b"a" * 17_000, b"Content-Length: 2") + b"ok",
    "head over the limit": head(*[b"X: " + b"a" * 10_000] * 7, b"Content-Length: 2") + b"ok",
    "head without end": b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * 10_000 + b"\r\n") * 8,
    "too many fields": head(*[b"X: a"] * 101, b"Content-Length: 2") + b"ok",
}

BROKEN_BODIES = {
    "short of its length": head(b"Content-Length: 50") + b"0123456789",
    "chunks cut off": CHUNKED + b"5\r\nhel",
    "no last chunk": CHUNKED + b"5\r\nhello\r\n",
    "no end of trailers": CHUNKED + b"2\r\nok\r\n0\r\n",
    "chunk size with 0x": CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    "chunk size with space": CHUNKED + b"2 \r\nok\r\n0\r\n\r\n",
    "chunk size signed": CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    "chunk size too big": CHUNKED + b"1ffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "chunk size ends in LF": CHUNKED + b"2\nok\r\n0\r\n\r\n",
    "chunk extension ends in LF": CHUNKED + b"2;a\nok\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
    "folded trailer": CHUNKED + b"2\r\nok\r\n0\r\nX: a\r\n b\r\n\r\n",
    "length in trailer": CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: 2\r\n\r\n",
}

ACCEPTED = {
    "length": (head(b"Content-Length: 2") + b"ok", b"ok"),
    "chunks": (CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
    "chunk extension": (CHUNKED + b"2;x=pii\r\nok\r\n0\r\n\r\n", b"ok"),
    "trailers": (CHUNKED + b"2\r\nok\r\n0\r\nX-Email: a@b.c\r\n\r\n", b"ok"),
    "no reason": (head(b"Content-Length: 2", line=b"HTTP/1.1 200 ") + b"ok", b"ok"),
    "no space and no reason": (head(b"Content-Length: 2", line=b"HTTP/1.1 200") + b"ok", b"ok"),
    "version 1.0": (head(b"Content-Length: 2", line=b"HTTP/1.0 200 OK") + b"ok", b"ok"),
    "interim first": (
        head(line=b"HTTP/1.1 100 Continue") + head(b"Link: </a>", line=b"HTTP/1.1 103 Early") + OK,
        b"ok",
    ),
    "no content": (head(line=b"HTTP/1.1 204 No Content"), b""),
    "reset content": (head(b"Content-Length: 0", line=b"HTTP/1.1 205 Reset"), b""),
    "not modified with length": (head(b"Content-Length: 900", line=b"HTTP/1.1 304 Not Modified"), b""),
    "upgrade that is none": (head(b"Upgrade: h2c", b"Connection: Upgrade", b"Content-Length: 2") + b"ok", b"ok"),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
async def test_refused_heads(raw):
    async with scripted(answering(raw)) as server:
        pool = server.pool()
        with pytest.raises(Fault) as caught:
            await pool.request("GET", b"/", HOST)
        assert caught.value.code == "upstream_broken"
        assert (pool.stats.open, pool.stats.idle) == (0, 0)
        assert len(server.requests) == 1


async def take(pool, *, whole):
    response = await pool.request("GET", b"/", HOST)
    if whole:
        return await response.read(1000)
    return [piece async for piece in response]


@pytest.mark.parametrize("way", ["whole", "pieces"])
@pytest.mark.parametrize("raw", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
async def test_bodies_that_break_off_are_faults_and_never_whole(raw, way):
    async with scripted(answering(raw, close=True)) as server:
        pool = server.pool()
        with pytest.raises(Fault) as caught:
            await take(pool, whole=way == "whole")
        assert caught.value.code == "upstream_broken"
        assert pool.stats.open == 0


@pytest.mark.parametrize("split", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(("raw", "body"), ACCEPTED.values(), ids=ACCEPTED)
async def test_accepted(raw, body, split):
    async def drip(server, reader, writer):
        while await server.read_request(reader):
            for byte in raw if split else ():
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0)
            if not split:
                writer.write(raw)

    async with scripted(drip) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST)
        assert await response.read(1000) == body
        pool.abort()


async def test_fields_keep_order_spelling_and_bytes_but_lose_outer_space():
    raw = head(
        b"B: 1", b"a:\t x \t", b"b: 2", b"Set-Cookie: a=b; Expires=Mon, 1", b"N:", b"Y: caf\xe9", b"Content-Length: 0"
    )
    async with scripted(answering(raw)) as server:
        response = await server.pool().request("GET", b"/", HOST)
    assert response.head.headers == (
        (b"B", b"1"),
        (b"a", b"x"),
        (b"b", b"2"),
        (b"Set-Cookie", b"a=b; Expires=Mon, 1"),
        (b"N", b""),
        (b"Y", b"caf\xe9"),
        (b"Content-Length", b"0"),
    )


async def test_trailers_never_become_header_fields():
    async with scripted(answering(ACCEPTED["trailers"][0])) as server:
        response = await server.pool().request("GET", b"/", HOST)
        await response.read(10)
    assert response.head.headers == ((b"Transfer-Encoding", b"chunked"),)


async def test_body_until_the_connection_ends():
    async with scripted(answering(head(b"X: a") + b"to the end", close=True)) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST)
        assert await response.read(1000) == b"to the end"
        assert pool.stats.open == 0


async def test_reset_instead_of_an_end_breaks_a_body_without_length():
    async def reset(server, reader, writer):
        await server.read_request(reader)
        writer.write(head(b"X: a") + b"some")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: close sends RST
        writer.transport.abort()

    async with scripted(reset) as server:
        response = await server.pool().request("GET", b"/", HOST)
        with pytest.raises(Fault):
            await response.read(1000)


HEAD_ANSWERS = {
    "with length": head(b"Content-Length: 900"),
    "chunked": head(b"Transfer-Encoding: chunked"),
    "without either": head(b"X: a"),
}


@pytest.mark.parametrize("raw", HEAD_ANSWERS.values(), ids=HEAD_ANSWERS)
async def test_head_ends_with_its_head_and_the_connection_serves_on(raw):
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(raw)
        await server.read_request(reader)
        writer.write(OK)
        await server.read_request(reader)

    async with scripted(script) as server:
        pool = server.pool()
        response = await pool.request("HEAD", b"/", HOST)
        assert await response.read(10) == b""
        assert await (await pool.request("GET", b"/", HOST)).read(10) == b"ok"
        assert server.connections == 1
        pool.abort()


AFTER_THE_END = {
    "another response": head(b"Content-Length: 2") + b"ok" + head(b"Content-Length: 6") + b"POISON",
    "garbage": head(b"Content-Length: 2") + b"okay",
    "half a status line": head(b"Content-Length: 2") + b"okHTTP/1.1 20",
    "after the last chunk": CHUNKED + b"2\r\nok\r\n0\r\n\r\nPOISON",
    "body of a 204": head(line=b"HTTP/1.1 204 No") + b"ok",
    "body of a 205": head(b"Content-Length: 2", line=b"HTTP/1.1 205 No") + b"ok",
    "body of a 304": head(b"Content-Length: 2", line=b"HTTP/1.1 304 No") + b"ok",
}


@pytest.mark.parametrize("raw", AFTER_THE_END.values(), ids=AFTER_THE_END)
async def test_bytes_after_the_end_cost_the_connection_and_serve_nobody(raw):
    async with scripted(answering(raw), answering(OK)) as server:
        pool = server.pool()
        first = await pool.request("GET", b"/first", HOST)
        assert await first.read(10) == (b"ok" if first.head.status == 200 else b"")
        assert await (await pool.request("GET", b"/second", HOST)).read(10) == b"ok"
        assert (server.connections, pool.stats.unsolicited) == (2, 1)
        pool.abort()


async def test_reset_content_with_a_length_costs_the_connection():
    async with scripted(answering(head(b"Content-Length: 2", line=b"HTTP/1.1 205 Reset"))) as server:
        pool = server.pool()
        assert await (await pool.request("GET", b"/", HOST)).read(10) == b""
        assert pool.stats.open == 0


async def test_body_of_a_head_response_costs_the_connection():
    async with scripted(answering(OK), answering(OK)) as server:
        pool = server.pool()
        assert await (await pool.request("HEAD", b"/", HOST)).read(10) == b""
        assert await (await pool.request("GET", b"/", HOST)).read(10) == b"ok"
        assert server.connections == 2
        pool.abort()


SINGLETONS = [b"Content-Type: text/html", b"Location: /a", b'ETag: "a"', b"Content-Disposition: inline"]


@pytest.mark.parametrize("field", SINGLETONS)
async def test_repeated_singletons_are_refused_where_asked(field):
    async with scripted(answering(head(field, field.swapcase(), b"Content-Length: 2") + b"ok")) as server:
        pool = server.pool()
        assert await (await pool.request("GET", b"/", HOST)).read(10) == b"ok"
        with pytest.raises(Fault) as caught:
            await pool.request("GET", b"/", HOST, strict_singletons=True)
        assert caught.value.code == "upstream_broken"


async def test_repeated_set_cookie_is_no_singleton():
    raw = head(b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Content-Length: 2") + b"ok"
    async with scripted(answering(raw)) as server:
        pool = server.pool()
        assert await (await pool.request("GET", b"/", HOST, strict_singletons=True)).read(10) == b"ok"
        pool.abort()


@pytest.mark.parametrize("flood", [b"2;" + b"a" * 200_000, b"X: a\r\n" * 40_000], ids=["extension", "trailers"])
async def test_chunk_extensions_and_trailers_are_bounded(flood):
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(CHUNKED + b"2\r\nok\r\n" + (b"0\r\n" if flood.startswith(b"X") else b""))
        await writer.drain()
        await asyncio.sleep(0.02)
        while not writer.is_closing():
            writer.write(flood)
            await writer.drain()

    async with scripted(script) as server:
        response = await server.pool().request("GET", b"/", HOST)
        with pytest.raises(Fault) as caught:
            await response.read(10)
        assert caught.value.code == "upstream_broken"


OVER = {
    "announced": head(b"Content-Length: 11") + b"0123456789a",
    "announced and not yet sent": head(b"Content-Length: 11"),
    "chunked": CHUNKED + b"b\r\n0123456789a\r\n",
    "complete": CHUNKED + b"b\r\n0123456789a\r\n0\r\n\r\n",
    "until the end": head(b"X: a") + b"0123456789a",
}


@pytest.mark.parametrize("raw", OVER.values(), ids=OVER)
async def test_whole_bodies_are_held_to_the_limit(raw):
    async with scripted(answering(raw)) as server:
        pool = server.pool()
        response = await pool.request("GET", b"/", HOST)
        with pytest.raises(Unreadable) as caught:
            await response.read(10)
        assert caught.value.posture == "over_size"
        if not response.complete:
            assert pool.stats.open == 0
        pool.abort()


async def test_no_value_of_the_answer_is_in_the_fault():
    raw = head(b"Content-Length: 2", b"X-Ssn: 123-45-6789", b"X(: 123-45-6789") + b"123-45-6789"
    async with scripted(answering(raw)) as server:
        with pytest.raises(Fault) as caught:
            await server.pool().request("GET", b"/", HOST)
    assert "123" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
