"""A client that repeats its fields, and one that changes them: the second request is judged like the first."""

import pytest
from data_port import data_port

from gateway.runtime.gateway import Gateway

HOST = b"Host: shop.example\r\n"
FIELDS = HOST + b"X-A: 1\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 2\r\n"
ONWARD = HOST + b"X-A: 1\r\n"
VIA = b"Via: 1.1 privacy-gateway\r\n\r\n"


def request(fields: bytes = FIELDS, *, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


@pytest.fixture
def heads(monkeypatch):
    """The heads that the gateway was given."""
    given = []
    receive = Gateway.receive

    def spy(gateway, head):
        given.append(head)
        return receive(gateway, head)

    monkeypatch.setattr(Gateway, "receive", spy)
    return given


async def test_repeated_fields_are_judged_once_and_sent_alike(heads):
    async with data_port() as port:
        client = await port.connect()
        for target in (b"/", b"/a", b"/b?c"):
            await client.send(request(line=b"GET %b HTTP/1.1" % target))
            assert (await client.answer()).status == 200
        assert port.upstream.requests == [
            b"GET %b HTTP/1.1\r\n%b%b" % (target, ONWARD, VIA) for target in (b"/", b"/a", b"/b?c")
        ]
        assert heads[0].headers is heads[1].headers is heads[2].headers


async def test_another_connection_begins_anew(heads):
    async with data_port() as port:
        for _ in range(2):
            assert (await port.ask(request())).status == 200
        assert heads[0].headers == heads[1].headers
        assert heads[0].headers is not heads[1].headers


CHANGES = {
    "value": (request(FIELDS.replace(b"X-A: 1", b"X-A: 2")), b"GET / HTTP/1.1\r\n" + HOST + b"X-A: 2\r\n" + VIA),
    "name": (request(FIELDS.replace(b"X-A", b"x-a")), b"GET / HTTP/1.1\r\n" + HOST + b"x-a: 1\r\n" + VIA),
    "absolute target": (
        request(line=b"GET http://other.example/x HTTP/1.1"),
        b"GET /x HTTP/1.1\r\nHost: other.example\r\nX-A: 1\r\n" + VIA,
    ),
    "version": (
        request(line=b"GET / HTTP/1.0"),
        b"GET / HTTP/1.1\r\n" + ONWARD + VIA.replace(b"1.1", b"1.0"),
    ),
    "method": (request(line=b"DELETE /x HTTP/1.1"), b"DELETE /x HTTP/1.1\r\n" + ONWARD + VIA),
}


@pytest.mark.parametrize(("changed", "expected"), CHANGES.values(), ids=CHANGES)
async def test_what_changes_is_told_to_the_upstream_and_so_is_what_comes_back(changed, expected):
    async with data_port() as port:
        client = await port.connect()
        await client.send(request())
        await client.answer()
        await client.send(changed)
        await client.answer()
        assert port.upstream.requests[1] == expected
        if b"HTTP/1.0" not in changed:
            await client.send(request())
            await client.answer()
            assert port.upstream.requests[2] == port.upstream.requests[0]


async def test_max_forwards_counts_down_for_options_only():
    fields = HOST + b"Max-Forwards: 3\r\n"
    async with data_port() as port:
        client = await port.connect()
        for method in (b"GET", b"OPTIONS", b"OPTIONS", b"GET"):
            await client.send(request(fields, line=method + b" / HTTP/1.1"))
            await client.answer()
        hops = [sent.partition(b"Max-Forwards: ")[2][:1] for sent in port.upstream.requests]
        assert hops == [b"3", b"2", b"2", b"3"]


REFUSED = {
    "doubled field": (request(FIELDS + b"Range: a\r\nRange: b\r\n"), "bad_request"),
    "two framings": (request(FIELDS + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), "ambiguous_framing"),
    "loop": (request(FIELDS + b"Via: 1.1 privacy-gateway\r\n"), "loop_detected"),
    "no host": (request(b"X-A: 1\r\n"), "bad_request"),
    "target": (request(line=b"GET /a#b HTTP/1.1"), "bad_request"),
    "method": (request(line=b"TRACE / HTTP/1.1"), "method_not_allowed"),
    "version": (request(line=b"GET / HTTP/1.2"), "version_unsupported"),
}


@pytest.mark.parametrize(("raw", "code"), REFUSED.values(), ids=REFUSED)
async def test_a_good_request_before_excuses_nothing(raw, code):
    async with data_port(lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(request())
        assert (await client.answer()).status == 200
        await client.send(raw)
        assert (await client.answer()).code == code
        assert len(port.upstream.requests) == 1


async def test_bodies_of_equal_heads_are_each_read():
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n"
    async with data_port() as port:
        client = await port.connect()
        for body in (b"ab", b"cd"):
            await client.send(head + body)
            assert (await client.answer()).status == 200
        assert [sent[-2:] for sent in port.upstream.requests] == [b"ab", b"cd"]
