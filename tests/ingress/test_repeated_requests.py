"""A request that repeats the field lines of the one before is answered as it would be on a connection of its own."""

import asyncio
import re

import pytest
from data_port import data_port

FIELDS = b"Host: a\r\nUser-Agent: test\r\nCookie: a=b\r\n\r\n"
FIRST = b"GET /first HTTP/1.1\r\n" + FIELDS

SECOND = {
    "another path": [b"GET /second?q=1 HTTP/1.1\r\n" + FIELDS],
    "another method": [b"DELETE /second HTTP/1.1\r\n" + FIELDS],
    "head": [b"HEAD /second HTTP/1.1\r\n" + FIELDS],
    "a field more in front": [b"GET /second HTTP/1.1\r\nX-More: 1\r\n" + FIELDS],
    "a length in front": [b"POST /second HTTP/1.1\r\nContent-Length: 5\r\n" + FIELDS, b"hello"],
    "a coding in front": [b"POST /second HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + FIELDS, b"0\r\n\r\n"],
    "close in front": [b"GET /second HTTP/1.1\r\nConnection: close\r\n" + FIELDS],
    "a second host in front": [b"GET /second HTTP/1.1\r\nHost: b\r\n" + FIELDS],
    "a request as the body of one": [b"POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 75\r\n\r\n" + FIRST],
    "two at once": [b"GET /second HTTP/1.1\r\n" + FIELDS + b"GET /third HTTP/1.1\r\n" + FIELDS],
    "in two pieces": [b"GET /second HT", b"TP/1.1\r\n" + FIELDS],
    "fields alone in the second piece": [b"GET /second HTTP/1.1\r\n", FIELDS],
    "fields without a request": [FIELDS],
    "an empty line first": [b"\r\nGET /second HTTP/1.1\r\n" + FIELDS],
    "a space in the target": [b"GET /sec ond HTTP/1.1\r\n" + FIELDS],
    "a fragment": [b"GET /second#x HTTP/1.1\r\n" + FIELDS],
    "a bare LF": [b"GET /second HTTP/1.1\n" + FIELDS],
    "a bare CR": [b"GET /second\r HTTP/1.1\r\n" + FIELDS],
    "a control character": [b"GET /sec\x01ond HTTP/1.1\r\n" + FIELDS],
    "8 bits": [b"GET /sec\xe9ond HTTP/1.1\r\n" + FIELDS],
    "HTTP/1.0": [b"GET /second HTTP/1.0\r\n" + FIELDS],
    "HTTP/1.2": [b"GET /second HTTP/1.2\r\n" + FIELDS],
    "absolute form": [b"GET http://b/second HTTP/1.1\r\n" + FIELDS],
    "asterisk": [b"OPTIONS * HTTP/1.1\r\n" + FIELDS],
    "connect": [b"CONNECT b:443 HTTP/1.1\r\n" + FIELDS],
    "trace": [b"TRACE / HTTP/1.1\r\n" + FIELDS],
    "unknown method": [b"FETCH /second HTTP/1.1\r\n" + FIELDS],
    "lower case": [b"get /second HTTP/1.1\r\n" + FIELDS],
    "a target over the limit": [b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + FIELDS],
    "no target": [b"GET HTTP/1.1\r\n" + FIELDS],
}


LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
_OF_THE_MOMENT = re.compile(rb"[0-9A-HJKMNP-TV-Z]{26}|Date: [^\r]*")


async def seen_after(port, first: bytes, pieces: list[bytes]) -> tuple[bytes, list[bytes]]:
    """All that the client gets, and all that the upstream got, from `pieces` on."""
    client = await port.connect()
    if first:
        await client.send(first)
        assert (await client.answer()).status == 200
    known = len(port.upstream.requests)
    for piece in (*pieces, LAST):
        await client.send(piece)
        await asyncio.sleep(0.02)
    return _OF_THE_MOMENT.sub(b"", await client.rest()), port.upstream.requests[known:]


@pytest.mark.parametrize("pieces", SECOND.values(), ids=SECOND)
async def test_what_comes_second_means_what_it_means_first(pieces):
    async with data_port(lingering_time=0.1) as port:
        alone = await seen_after(port, b"", pieces)
        assert await seen_after(port, FIRST, pieces) == alone


async def test_repeated_fields_are_not_parsed_again():
    async with data_port() as port:
        client = await port.connect()
        blocks = []
        for target in (b"/1", b"/2", b"/3"):
            await client.send(b"GET %b HTTP/1.1\r\n" % target + FIELDS)
            await client.answer()
            (connection,) = port.server._clients.connections
            blocks.append(connection.last)
        assert blocks[0] is blocks[1] is blocks[2]
        assert [request.split(b" ")[1] for request in port.upstream.requests] == [b"/1", b"/2", b"/3"]
