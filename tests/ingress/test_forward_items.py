"""Large JSON and NDJSON on their way through, item by item: what really arrives on either side."""

import asyncio
import gzip
import json

import pytest
from data_port import data_port
from flowing import (
    CHUNKED,
    ITEM,
    KEPT,
    MANY,
    ROUTES,
    USER,
    Listening,
    Noted,
    answer_head,
    chunk,
    get,
    post,
    saying,
    saying_whole,
)
from messages import HOST

from gateway.documents.coding import decode_body, encode_body
from gateway.model.limits import DEFAULT_LIMITS


@pytest.mark.parametrize("size", [7, 200, 5000, len(MANY)])
async def test_an_answer_over_the_limit_is_edited_item_by_item(size):
    ledger = Noted()
    pieces = [MANY[start : start + size] for start in range(0, len(MANY), size)]
    async with data_port(saying(*pieces), routes=ROUTES, ledger=ledger) as port:
        answer = await port.ask(get())
        assert (answer.status, answer.body) == (200, KEPT)
        assert answer.all(b"transfer-encoding") == [b"chunked"]
        assert answer.all(b"content-length") == answer.all(b"content-md5") == []
        assert answer.all(b"etag")[0].startswith(b'"one-pg')
        assert answer.all(b"accept-ranges") == [b"none"]
    assert ledger.counted == {"$[*].email": 100, "$[*].born": 100, "body:*": 100}
    assert {record["request"] for record in ledger.records} == {answer.all(b"privacy-record")[0].decode()}
    assert {record["status"] for record in ledger.records} == {200}


@pytest.mark.parametrize("lines", [(), (USER,)])
async def test_a_request_over_the_limit_is_edited_item_by_item(lines):
    upstream, ledger = Listening(), Noted()
    async with data_port(upstream, routes=ROUTES, ledger=ledger) as port:
        answer = await port.ask(post(*lines, b"Content-Length: %d\r\n" % len(MANY)) + MANY)
        assert answer.status == 200
        assert upstream.body == KEPT
        assert b"Transfer-Encoding: chunked" in upstream.raw
        assert b"Content-Length" not in upstream.raw
    assert ledger.counted == {"$[*].email": 100, "$[*].born": 100, "body:*": 100}


@pytest.mark.parametrize(("rest", "recorded"), [("drop", True), ("pass", False)])
async def test_a_message_that_flows_is_counted_once(rest, recorded):
    body = json.dumps([1] * 800).encode()
    async with data_port(
        saying(body[:1500], body[1500:]), routes=ROUTES.replace("body: drop", f"body: {rest}")
    ) as port:
        assert (await port.ask(get())).status == 200
        messages = port.gateway.services.metrics.snapshot().messages
        assert [row[1:] for row in messages if row[1] == "response"] == [("response", recorded, 1)]


async def test_lines_flow_both_ways_as_they_come():
    lines = b'{"email":"a@b.example","secret":1}\r\n\n' * 100
    kept = b'{"email":"a@b.example"}\r\n\n' * 100

    async def echo(server, reader, writer):
        raw = b""
        while not raw.endswith(b"\r\n0\r\n\r\n"):
            raw += await reader.read(1 << 16)
        server.requests.append(raw)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n" % len(lines)
        writer.write(head + lines)
        await writer.drain()

    async with data_port(echo, routes=ROUTES) as port:
        head = b"POST /lines HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-ndjson\r\n"
        answer = await port.ask(head + b"Content-Length: %d\r\n\r\n" % len(lines) + lines)
        assert answer.body == kept
        assert b"secret" not in port.upstream.requests[0]
        assert port.upstream.requests[0].count(b"a@b.example") == 100


async def test_a_body_that_says_it_is_small_keeps_its_length():
    small = json.dumps([ITEM]).encode()
    async with data_port(saying_whole(small), routes=ROUTES) as port:
        answer = await port.ask(get())
        assert answer.all(b"content-length") == [b"25"]
        assert answer.body == b'[{"email":"a@b.example"}]'


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_coded_answer_is_coded_again(coding):
    body = encode_body(
        b"[" + b",".join(b'{"email":"a@b.example","born":%d}' % n for n in range(9000)) + b"]", (coding,)
    )
    label = f"Content-Encoding: {coding}\r\n".encode()
    async with data_port(saying_whole(body, label), routes=ROUTES) as port:
        answer = await port.ask(get())
        assert answer.all(b"content-encoding") == [coding.encode()]
        headers = ((b"Content-Encoding", coding.encode()),)
        plain = decode_body(headers, answer.body, DEFAULT_LIMITS)[0]
        assert plain == b"[" + b",".join([b'{"email":"a@b.example"}'] * 9000) + b"]"


async def test_a_coded_request_is_coded_again():
    upstream = Listening()
    async with data_port(upstream, routes=ROUTES) as port:
        body = encode_body(MANY, ("gzip",))
        assert (await port.ask(post(CHUNKED, b"Content-Encoding: gzip\r\n") + chunk(body) + b"0\r\n\r\n")).status == 200
        assert gzip.decompress(upstream.body) == KEPT


async def test_a_coding_that_nobody_knows_is_refused():
    async with data_port(saying_whole(b"x" * 5000, b"Content-Encoding: rot13\r\n"), routes=ROUTES) as port:
        assert (await port.ask(get())).code in ("over_size", "unknown_content_coding")


async def test_an_observed_route_changes_nothing():
    observed = ROUTES.replace("stream: items", "stream: items\n    mode: observe", 1)
    spaced = json.dumps([ITEM] * 100, indent=1).encode()
    async with data_port(saying(spaced), routes=observed) as port:
        assert (await port.ask(get())).body == spaced


LARGE = 64 * 1024 * 1024


async def test_a_slow_client_slows_the_upstream_of_items():
    sent = 0
    block = b",".join([json.dumps(ITEM).encode()] * 700)

    async def flood(server, reader, writer):
        nonlocal sent
        await server.read_request(reader)
        writer.write(answer_head(CHUNKED) + chunk(b"[" + block))
        while sent < LARGE:
            writer.write(chunk(b"," + block))
            await writer.drain()
            sent += len(block)

    async with data_port(flood, routes=ROUTES.replace("body: drop", "body: pass")) as port:
        client = await port.connect(limit=1)
        await client.send(get())
        before = -1
        while before != sent or not sent:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < LARGE / 4
