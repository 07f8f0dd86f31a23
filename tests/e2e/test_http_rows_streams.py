"""Bodies under way (docs/http.md, rows 5, 6, 39 to 46, 57, 59): streams, truncation, memory, logs."""

import asyncio
import contextlib
import gzip
import json
import re
from pathlib import Path

import brotlicffi
import pytest
from aiohttp import http_parser
from data_port import data_port
from processes import GatewayProcess
from rulebook import rules
from scripted_upstream import OK, answering, scripted

from gateway.documents.coding import decode_body
from gateway.ingress.server import IngressServer
from gateway.ingress.settings import IngressSettings
from gateway.model.limits import Limits

MIB = 1 << 20
ROUTES = """
routes:
  - name: album
    match: {method: POST, path: /album}
    to: shop
    request:
      fields:
        "part:note": {is: contact.email, for: service, as: blank}
        "part:photo": {is: biometric, for: service}
      rest: {body: drop, headers: pass, query: pass, cookies: pass}
    response: {rest: pass}
  - name: feed
    match: {path: /feed}
    to: shop
    stream: [event_stream]
    request: {rest: pass}
    response:
      fields: {$.email: {is: contact.email, for: service}}
      rest: {body: drop, headers: pass, cookies: pass}
  - name: document
    match: {path: /doc}
    to: shop
    request: {fields: {$.email: {is: contact.email, for: service}}}
    response: {fields: {$.email: {is: contact.email, for: service}}, rest: pass}
  - {name: open, match: {path: /open}, to: shop, request: {rest: pass}, response: {rest: pass}}
"""
HOST = b"Host: shop.example\r\n"
JSON = b"Content-Type: application/json\r\n"
LEFT = b'{"email":"a@b.example"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def under(*scripts, **limits):
    return data_port(*scripts, routes=ROUTES, **limits)


def dechunked(raw: bytes) -> bytes:
    pieces = []
    position = 0
    while True:
        end = raw.index(b"\r\n", position)
        size = int(raw[position:end], 16)
        if not size:
            assert raw[end:] == b"\r\n\r\n"
            return b"".join(pieces)
        pieces.append(raw[end + 2 : end + 2 + size])
        position = end + 4 + size


def peak_memory(process: int) -> int:
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())[1]) * 1024


PART = b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
PHOTO = b'; filename="p.jpg"\r\nContent-Type: image/jpeg'


def album(photo: bytes) -> bytes:
    body = PART % (b"note", b"", b"a@b.example") + PART % (b"other", b"", b"hidden")
    body += PART % (b"photo", PHOTO, photo) + b"--b--\r\n"
    head = b"POST /album HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def collecting(server, reader, writer):
    """An upstream that takes chunked uploads of any size."""
    while not reader.at_eof():
        raw = bytearray()
        while not raw.endswith(b"\r\n0\r\n\r\n"):
            piece = await reader.read(MIB)
            if not piece:
                return
            raw += piece
        server.requests.append(bytes(raw))
        writer.write(OK)
        await writer.drain()


async def test_a_large_file_part_streams_through_in_flat_memory(tmp_path):
    photo = bytes(range(256)) * (30 * MIB // 256)
    async with scripted(collecting) as upstream:
        with GatewayProcess(tmp_path, rules(ROUTES, upstream.url())) as gateway:
            (worker,) = gateway.workers()
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            peaks = []
            for content in (photo[:MIB], photo):
                raw = memoryview(album(content))
                for start in range(0, len(raw), 65536):
                    writer.write(raw[start : start + 65536])
                    await writer.drain()
                async with asyncio.timeout(30):
                    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
                peaks.append(peak_memory(worker))
            writer.close()
        body = dechunked(upstream.requests[1].partition(b"\r\n\r\n")[2])
    assert body == PART % (b"note", b"", b"") + PART % (b"photo", PHOTO, photo) + b"--b--\r\n"
    assert peaks[1] - peaks[0] < 6 * MIB


async def test_no_digest_goes_along_with_a_body_that_is_edited_as_it_flows():
    async with under(collecting) as port:
        raw = album(b"photo").replace(b"\r\n\r\n", b"\r\nRepr-Digest: sha-256=:x:\r\nX-Kept: 1\r\n\r\n", 1)
        assert (await port.ask(raw)).status == 200
        (request,) = port.upstream.requests
        assert b"X-Kept: 1" in request
        assert b"Digest" not in request


def named(content: bytes) -> bytes:
    """A gzip member with a file name (RFC 1952 section 2.3.1)."""
    member = gzip.compress(content)
    return member[:3] + b"\x08" + member[4:10] + b"a@b.example\0" + member[10:]


def annotated(content: bytes) -> bytes:
    """A brotli stream with a metadata block before its content, stored (RFC 7932 sections 9.1 and 9.2)."""
    metadata = b"a@b.example"
    skipped = (0b101100 | len(metadata) - 1 << 7).to_bytes(2, "little") + metadata
    return skipped + (len(content) - 1 << 3 | 1 << 19).to_bytes(3, "little") + content + b"\x03"


HIDDEN = {
    "first member": (b"gzip", named(LEFT)),
    "second member": (b"gzip", gzip.compress(LEFT) + named(b"")),
    "inner coding": (b"gzip, br", brotlicffi.compress(named(LEFT))),
    "brotli metadata": (b"br", annotated(LEFT)),
}


@pytest.mark.parametrize(("label", "body"), HIDDEN.values(), ids=HIDDEN)
async def test_what_a_coding_carries_beside_the_content_does_not_pass(label, body):
    async with under() as port:
        head = b"POST /doc HTTP/1.1\r\n" + HOST + JSON + b"Content-Encoding: " + label
        await port.ask(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        headers = ((b"Content-Encoding", label),)
        sent = port.upstream.requests[0].partition(b"\r\n\r\n")[2]
        assert sent != body
        assert decode_body(headers, sent, Limits())[0] == LEFT
        assert decode_body(headers, body, Limits())[0] == LEFT


async def test_events_split_anywhere_arrive_as_they_are_sent_and_one_at_a_time():
    events = [b"event: a\r\n", b"data: {", b'"x": 1}\n\n', b": ping\n\n", b"id: 7\ndata: z\n\n"]
    turn = asyncio.Semaphore(0)

    async def speaking(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" + CHUNKED)
        for event in events:
            await turn.acquire()
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
        await turn.acquire()
        writer.write(b"0\r\n\r\n")

    async with under(speaking) as port:
        client = await port.connect()
        await client.send(b"GET /feed HTTP/1.1\r\n" + HOST + b"Accept: text/event-stream\r\nLast-Event-ID: 6\r\n\r\n")
        head = await client.head()
        assert head.all(b"content-type") == [b"text/event-stream; charset=utf-8"]
        assert not head.all(b"content-length")
        for event in events:
            turn.release()
            async with asyncio.timeout(5):
                assert int(await client.reader.readuntil(b"\r\n"), 16) == len(event)
                assert await client.reader.readexactly(len(event) + 2) == event + b"\r\n"
        turn.release()
        assert await client.reader.readexactly(5) == b"0\r\n\r\n"
        assert b"Last-Event-ID: 6\r\n" in port.upstream.requests[0]


async def test_events_do_not_pass_where_the_route_does_not_say_so():
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 19\r\n\r\ndata: a@b.example\n\n"
    async with under(answering(stream)) as port:
        answer = await port.ask(b"GET /doc HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (answer.status, answer.code) == (502, "unknown_media_type")


async def test_other_content_of_an_event_route_is_read():
    body = b'{"email":"a@b.example","ssn":"1"}'
    reply = b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with under(answering(reply)) as port:
        assert (await port.ask(b"GET /feed HTTP/1.1\r\n" + HOST + b"\r\n")).body == b'{"email":"a@b.example"}'


async def test_a_stream_has_no_time_limit_while_it_moves():
    async def ticking(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for _ in range(10):
            writer.write(b"data\n\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with under(ticking, upstream_idle_timeout=0.6, upstream_first_byte_timeout=0.6) as port:
        answer = await port.ask(b"GET /feed HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.body == b"data\n\n" * 10


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 50\r\n\r\n{", CHUNKED + b"2\r\n{}\r\n"], ids=["length", "chunks"]
)
@pytest.mark.parametrize("target", [b"/doc", b"/open"])
async def test_an_upload_that_breaks_off_is_no_request(target, framing):
    seen = bytearray()

    async def listening(server, reader, writer):
        while piece := await reader.read(MIB):
            seen.extend(piece)

    async with under(listening) as port:
        client = await port.connect()
        await client.send(b"POST " + target + b" HTTP/1.1\r\n" + HOST + JSON + framing)
        await port.settle(lambda: port.server.in_flight)
        if target == b"/open":
            await port.settle(lambda: b"{" in seen)
        await client.close()
        await port.settle(lambda: not port.server.in_flight)
        if target == b"/open":
            async with asyncio.timeout(5):
                await port.upstream.ended.wait()
            assert not seen.endswith(b"0\r\n\r\n")
            assert b"Content-Length: 50" in seen or b"chunked" in seen
        else:
            assert port.upstream.connections == 0


async def test_trailers_without_end_are_refused():
    async with under(lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(b"POST /doc HTTP/1.1\r\n" + HOST + JSON + CHUNKED + b"2\r\n{}\r\n0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await client.send(b"X: a\r\n" * 1000)
        assert (await client.answer()).status in (400, 431)
        assert port.upstream.connections == 0


async def test_an_extension_without_end_is_no_progress():
    # Lingers for longer than the client needs to see the answer and fall silent: a reset would take it back.
    async with under(lingering_time=5.0, body_idle_timeout=0.3) as port:
        client = await port.connect()
        await client.send(b"POST /doc HTTP/1.1\r\n" + HOST + JSON + CHUNKED + b"2\r\n{}\r\n2;")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while not client.reader._buffer:
                    await client.send(b"a" * 1000)
                    await asyncio.sleep(0.01)
        assert (await client.answer()).code == "request_timeout"
        assert port.upstream.connections == 0


async def test_nothing_is_followed_stored_or_taken_from_the_environment(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with under(answering(OK)) as port:
        away = b"HTTP/1.1 302 Found\r\nLocation: %b/next\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 0\r\n\r\n"
        async with under(answering(away % port.upstream.url().encode())) as redirecting:
            client = await redirecting.connect()
            for _ in range(2):
                await client.send(b"GET /open HTTP/1.1\r\n" + HOST + b"\r\n")
                assert (await client.answer()).status == 302
            assert len(redirecting.upstream.requests) == 2
            assert not any(b"ookie" in request for request in redirecting.upstream.requests)
        assert port.upstream.connections == 0


async def test_a_server_without_the_c_parser_does_not_start(monkeypatch):
    async with under() as port:
        monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
        with pytest.raises(RuntimeError, match="C parser"):
            IngressServer(port.gateway, None, IngressSettings(listeners=()))


PROXIED = {
    "v1": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /open HTTP/1.1\r\n" + HOST + b"\r\n",
    "v2": b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" + b"GET /open HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("raw", PROXIED.values(), ids=PROXIED)
async def test_the_proxy_protocol_is_no_request(raw):
    async with under(lingering_time=0.1) as port:
        assert (await port.ask(raw)).status in (400, 501)
        assert port.upstream.connections == 0


async def test_a_failure_of_the_upstream_names_its_record_and_nothing_else():
    async with under(answering(b"HTTP/9 secret\r\n\r\n")) as port:
        answer = await port.ask(b"GET /open?secret HTTP/1.1\r\n" + HOST + b"\r\n")
        problem = json.loads(answer.body)
        assert (answer.status, problem.keys()) == (502, {"code", "detail", "record", "status", "title"})
        assert len(problem["record"]) == 26
        assert b"secret" not in answer.body


PLANT = b"planted-7391"
MESSAGES = {
    "target": b"GET /open/%b?x=%b HTTP/1.1\r\nHost: a\r\n\r\n" % (PLANT, PLANT),
    "fields": b"GET /open HTTP/1.1\r\nHost: a\r\nX-%b: %b\r\nUser-Agent: %b\r\nReferer: %b\r\n\r\n" % ((PLANT,) * 4),
    "host": b"GET /open HTTP/1.1\r\nHost: %b.example\r\n\r\n" % PLANT,
    "broken line": b"GET /%b %b HTTP/1.1\r\nHost: a\r\n\r\n" % (PLANT, PLANT),
    "broken field": b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % PLANT,
    "broken body": b"POST /doc HTTP/1.1\r\nHost: a\r\n%bContent-Length: 14\r\n\r\n{%b" % (JSON, PLANT + b"x"),
    "listed": b'POST /doc HTTP/1.1\r\nHost: a\r\n%bContent-Length: 24\r\n\r\n{"email":"%b"}' % (JSON, PLANT),
    "chunks": b"POST /doc HTTP/1.1\r\nHost: a\r\n%b%bzz;%b\r\n" % (JSON, CHUNKED, PLANT),
    "method": b"%b / HTTP/1.1\r\nHost: a\r\n\r\n" % PLANT.upper().replace(b"-", b"X"),
}


async def test_no_log_holds_anything_of_a_message(tmp_path):
    answer = b"HTTP/1.1 200 %b\r\nContent-Type: text/%b\r\nContent-Length: 12\r\n\r\n%b" % (PLANT, PLANT, PLANT)
    async with scripted(answering(answer)) as upstream:
        with GatewayProcess(tmp_path, rules(ROUTES, upstream.url())) as gateway:
            for raw in MESSAGES.values():
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(raw)
                async with asyncio.timeout(20):
                    assert (await reader.readline()).startswith(b"HTTP/1.1 ")
                writer.close()
        assert any(PLANT in request for request in upstream.requests)
    written = [path.read_bytes() for path in (gateway.log, *gateway.state.rglob("*.log")) if path.is_file()]
    written += [path.read_bytes() for path in (gateway.state / "audit").rglob("*") if path.is_file()]
    assert any(b'"kind"' in content for content in written)
    for content in written:
        assert PLANT not in content.lower()
        assert PLANT.replace(b"-", b"x") not in content.lower()
