"""Whole exchanges: what rules do on the wire, framing, failures, and the guard."""

import asyncio
import contextlib
import gzip
import re
import socket
from ipaddress import ip_network

import pytest
from data_port import data_port
from messages import GET, HOST, JSON, answer_of, body_of, order
from scripted_upstream import OK, answering

from gateway.audit.ledger import Ledger
from gateway.crypto.sign import SigningKey
from gateway.runtime.gateway import Passage
from gateway.upstream.hops import ForwardedFields, ForwardedMode, Forwarding


async def test_only_listed_fields_pass_both_ways():
    reply = answer_of(b'{"email":"a@b.example","ssn":"078-05-1120"}', JSON.strip())
    async with data_port(answering(reply)) as port:
        client = await port.connect()
        for _ in range(2):
            await client.send(order(b'{"name": "Ada", "email":"a@b.example", "age":\n 36}'))
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, b'{"email":"a@b.example"}')
        assert [body_of(request).replace(b" ", b"") for request in port.upstream.requests] == [
            b'{"email":"a@b.example"}'
        ] * 2
        assert port.upstream.connections == 1
        assert b"Ada" not in b"".join(port.upstream.requests)


async def test_a_coded_body_is_read_and_coded_again():
    async with data_port() as port:
        body = gzip.compress(b'{"email":"a@b.example","name":"Ada"}')
        assert (await port.ask(order(body, b"Content-Encoding: gzip"))).status == 502  # OK is no JSON
        assert gzip.decompress(body_of(port.upstream.requests[0])) == b'{"email":"a@b.example"}'


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (order(b'{"email":'), 400, "unparsable_body"),
        (order(b'{"email":1,"email":2}'), 400, "duplicate_key"),
        (order(b"{}", b"Content-Encoding: exi"), 415, "unknown_content_coding"),
        (order(b"x" * 1001), 413, "over_size"),
        (order(b"{}").replace(b"application/json", b"image/png"), 415, "unknown_media_type"),
        (order(b"{}", target=b"/a/%2e%2e/orders"), 400, "ambiguous_framing"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Via: 1.1 other, 1.1 Privacy-Gateway (x)\r\n\r\n", 508, "loop_detected"),
    ],
)
async def test_refusals_let_nothing_through(raw, status, code):
    async with data_port() as port:
        answer = await port.ask(raw)
        assert (answer.status, answer.code) == (status, code)
        assert port.upstream.connections == 0
        assert port.gateway.services.metrics.in_flight == 0


async def test_an_unknown_route_is_refused_and_the_connection_lives_on():
    routes = """
    routes:
      - {name: one, match: {path: /one}, to: shop, request: {rest: pass}, response: {rest: pass}}
    """
    async with data_port(routes=routes) as port:
        client = await port.connect()
        await client.send(order(b"{}"), GET.replace(b"/ ", b"/one "))
        assert (await client.answer()).code == "unknown_route"
        assert (await client.answer()).body == b"ok"
        assert len(port.upstream.requests) == 1


async def test_a_route_for_calls_that_go_out_is_none_for_requests_that_come_in():
    routes = """
  mailer: {role: processor, hosts: [api.mailer.example], contract: {ref: A}}
routes:
  - name: mail
    match: {host: api.mailer.example, path: /send}
    to: mailer
    caller: shop
    request: {rest: pass}
    response: {rest: pass}
  - {name: site, match: {path: /**}, to: shop, request: {rest: pass}, response: {rest: pass}}
"""
    async with data_port(routes=routes) as port:
        client = await port.connect()
        asked = GET.replace(b"/ ", b"/send ")
        for host, answered in ((b"shop.example", b"ok"), (b"api.mailer.example", None), (b"shop.example", b"ok")) * 2:
            await client.send(re.sub(rb"Host: [^\r]*", b"Host: " + host, asked))
            answer = await client.answer()
            assert (answer.body == answered) if answered else (answer.status, answer.code) == (404, "unknown_route")
        assert len(port.upstream.requests) == 4
        assert b"mailer" not in b"".join(port.upstream.requests)


async def test_fields_of_the_answer_keep_order_and_nothing_is_made_up():
    reply = b"HTTP/1.1 299 Secret reason\r\nServer: u\r\nX: caf\xe9\r\n"
    reply += b"Set-Cookie: a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT\r\n"
    reply += b"Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: x\r\nset-cookie: b=2\r\nContent-Length: 2\r\n\r\nok"
    async with data_port(answering(reply)) as port:
        answer = await port.ask(GET)
        assert answer.line == b"HTTP/1.1 299 "
        names = [name for name, _ in answer.fields]
        assert names == [b"server", b"x", b"set-cookie", b"set-cookie", b"date", b"via", b"content-length"]
        assert answer.all(b"x") == [b"caf\xe9"]
        assert answer.all(b"via") == [b"1.1 privacy-gateway"]


async def test_date_of_the_upstream_stays():
    async with data_port(answering(answer_of(b"ok", b"Date: Sun, 06 Nov 1994 08:49:37 GMT"))) as port:
        assert (await port.ask(GET)).all(b"date") == [b"Sun, 06 Nov 1994 08:49:37 GMT"]


@pytest.mark.parametrize(
    ("method", "target", "reply", "length"),
    [
        (b"HEAD", b"/", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", [b"5"]),
        (b"HEAD", b"/orders", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", []),
        (b"GET", b"/", b"HTTP/1.1 204 No Content\r\n\r\n", []),
        (b"GET", b"/", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", [b"5"]),
        (b"GET", b"/orders", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", []),
        (b"GET", b"/", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", [b"0"]),
    ],
)
async def test_answers_without_a_body(method, target, reply, length):
    async with data_port(answering(reply)) as port:
        client = await port.connect()
        for _ in range(2):
            await client.send(b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, HOST))
            answer = await client.answer(method.decode())
            assert answer.all(b"content-length") == length
            assert answer.body == b""
            assert not answer.all(b"transfer-encoding")


async def test_a_refusal_of_head_has_no_body():
    async with data_port(answering(b"nonsense")) as port:
        client = await port.connect()
        await client.send(GET.replace(b"GET", b"HEAD"))
        assert (await client.answer("HEAD")).status == 502
        await client.send(GET.replace(b"GET", b"HEAD"))
        assert (await client.answer("HEAD")).status == 502


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=secret\r\nab\r\n2\r\ncd\r\n"


async def in_two(server, reader, writer):
    await server.read_request(reader)
    head, _, rest = CHUNKS.partition(b"2\r\n")
    writer.write(head)
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.write(b"2\r\n" + rest + b"0\r\nX-Secret: 1\r\n\r\n")


async def test_chunks_are_made_anew():
    async with data_port(in_two) as port:
        client = await port.connect()
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        raw = await client.rest()
        assert raw.endswith(b"0\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in raw
        assert b"ecret" not in raw


async def test_a_client_of_http_1_0_gets_no_chunks():
    async with data_port(in_two) as port:
        client = await port.connect()
        await client.send(b"GET / HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n")
        answer = await client.answer()
        assert (answer.body, answer.all(b"transfer-encoding"), answer.all(b"connection")) == (b"abcd", [], [b"close"])


async def test_interim_answers_are_dropped():
    async with data_port(answering(b"HTTP/1.1 103 Early Hints\r\nLink: </secret>\r\n\r\n" + OK)) as port:
        client = await port.connect()
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        raw = await client.rest()
        assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"secret" not in raw


async def test_100_continue_comes_once_and_when_the_body_is_wanted():
    async with data_port() as port:
        client = await port.connect()
        raw = order(b'{"email":"a@b.example"}', b"Expect: 100-Continue", target=b"/x")
        head, _, body = raw.partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        assert (await client.head()).line == b"HTTP/1.1 100 Continue"
        await client.send(body[:5])
        await asyncio.sleep(0.02)
        await client.send(body[5:])
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"ok")
        assert b"xpect" not in port.upstream.requests[0]
        assert body_of(port.upstream.requests[0]) == body


async def test_no_100_continue_for_a_body_that_is_there_or_not_wanted():
    async with data_port(lingering_time=0.1) as port:
        client = await port.connect()
        await client.send(order(b"{}", b"Expect: 100-continue", target=b"/x"))
        assert (await client.answer()).status == 200
        await client.send(order(b"x" * 5000, b"Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        assert (await client.answer()).code == "over_size"


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(
    "reply", [b"Content-Length: 50\r\n\r\n0123456789", b"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n"]
)
async def test_an_answer_that_breaks_off_never_looks_whole(version, reply):
    async def breaking(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + reply)
        await writer.drain()
        await seen.wait()

    seen = asyncio.Event()
    async with data_port(breaking) as port:
        client = await port.connect()
        await client.send(b"GET / HTTP/%b\r\n%b\r\n" % (version, HOST))
        await client.head()
        assert b"0123456789" in await client.reader.readuntil(b"9")
        seen.set()
        try:
            rest = await client.rest()
        except ConnectionError:
            return
        # Without a length and without chunks only a reset tells the client.
        assert (version, reply[:1]) != (b"1.0", b"T")
        assert b"0\r\n\r\n" not in rest


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{}", 502, "upstream_broken"),
        (b"secret", 502, "upstream_broken"),
        (b"", 502, "upstream_broken"),
        (answer_of(b"{", JSON.strip()), 502, "unparsable_body"),
        (answer_of(b"{}", JSON.strip(), JSON.strip()), 502, "upstream_broken"),
        (answer_of(b"x" * 1001, JSON.strip()), 502, "over_size"),
        (answer_of(b"secret", status=b"407 Proxy Authentication Required"), 502, "upstream_broken"),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 502, "upstream_broken"),
    ],
)
async def test_what_upstreams_do_wrong(script, status, code):
    async with data_port(answering(script, close=True)) as port:
        answer = await port.ask(order(b"{}"))
        assert (answer.status, answer.code) == (status, code)
        assert b"secret" not in answer.body


async def test_a_dead_upstream():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with data_port(url=nobody) as port:
        answer = await port.ask(GET)
        assert (answer.status, answer.code, answer.all(b"retry-after")) == (502, "upstream_unreachable", [b"1"])


async def test_an_early_answer_stops_the_upload():
    async def hasty(server, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()

    async with data_port(hasty, lingering_time=0.2) as port:
        client = await port.connect()
        await client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5000000\r\n\r\n" + b"x" * 1000)
        answer = await client.answer()
        assert (answer.status, answer.body, answer.all(b"connection")) == (413, b"no", [b"close"])
        assert await client.rest() == b""


async def test_the_guard_turns_failures_of_ours_into_a_500(monkeypatch, caplog):
    async def failing(*_):
        raise RuntimeError("secret")

    async with data_port(answering(answer_of(b'{"a": "secret"}', JSON.strip()))) as port:
        monkeypatch.setattr(port.gateway, "receive", lambda _: 1 / 0)
        answer = await port.ask(GET)
        assert (answer.status, answer.code, answer.all(b"connection")) == (500, "internal_error", [b"close"])
        monkeypatch.undo()
        monkeypatch.setattr(Passage, "admit_request", failing)
        assert (await port.ask(order(b"{}"))).code == "internal_error"
        assert port.upstream.connections == 0
        monkeypatch.undo()
        monkeypatch.setattr(Passage, "admit_response", failing)
        answer = await port.ask(order(b"{}"))
        assert answer.code == "internal_error"
        assert b"secret" not in answer.body
        assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError, RuntimeError, RuntimeError]
        assert port.server.in_flight == 0


async def test_where_even_the_guard_fails_the_connection_just_ends(monkeypatch):
    async with data_port() as port:
        monkeypatch.setattr(port.gateway, "receive", lambda _: 1 / 0)
        monkeypatch.setattr(port.gateway, "refuse", lambda *_: 1 / 0)
        client = await port.connect()
        await client.send(GET)
        with contextlib.suppress(ConnectionError):
            assert await client.rest() == b""
        assert port.upstream.connections == 0


@pytest.mark.parametrize("target", [b"/watched", b"/orders"])
async def test_records_are_durable_before_anything_leaves(target):
    class Pending:
        def __init__(self):
            self.futures = []

        def commit(self, before, after):
            self.futures.append(asyncio.get_running_loop().create_future())
            return self.futures[-1]

    ledger = Pending()
    async with data_port(answering(answer_of(b'{"email":"a@b.example"}', JSON.strip())), ledger=ledger) as port:
        client = await port.connect()
        await client.send(order(b'{"email":"a@b.example"}', target=target))
        await port.settle(lambda: len(ledger.futures) == 1)
        await asyncio.sleep(0.05)
        assert port.upstream.connections == 0
        ledger.futures[0].set_result(1)
        await port.settle(lambda: len(ledger.futures) == 2)
        await asyncio.sleep(0.05)
        assert not client.reader._buffer
        ledger.futures[1].set_result(2)
        assert (await client.answer()).status == 200


async def test_with_a_real_ledger(tmp_path):
    ledger = Ledger.open(tmp_path / "w0", origin="t/w0", signer=SigningKey("t/w0", b"s" * 32), opened={"slot": "w0"})
    async with data_port(answering(answer_of(b"{}", JSON.strip())), ledger=ledger) as port:
        assert (await port.ask(order(b'{"email":"a@b.example"}'))).status == 200
        assert (await port.ask(order(b"{"))).status == 400
    await ledger.close()
    lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "w0").rglob("*")) if path.is_file())
    assert lines.count(b'"kind":"collect"') == 1
    assert lines.count(b'"kind":"refuse"') == 1
    assert b"a@b.example" not in lines


FROM_PEER = [b"X-Forwarded-For: 6.6.6.6", b"Forwarded: for=6.6.6.6", b"X-Real-IP: 6.6.6.6", b"X_Forwarded_For: 6.6.6.6"]


@pytest.mark.parametrize(
    ("forwarding", "expected"),
    [
        (Forwarding(), []),
        (
            Forwarding(mode=ForwardedMode.APPEND, fields=ForwardedFields.X_FORWARDED),
            [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: shop.example"],
        ),
        (
            Forwarding(mode=ForwardedMode.APPEND, fields=ForwardedFields.FORWARDED, trusted=(ip_network("127.0.0.1"),)),
            [*FROM_PEER[:1], b"Forwarded: for=6.6.6.6, for=127.0.0.1;proto=http;host=shop.example", FROM_PEER[2]],
        ),
    ],
    ids=["off", "append", "trusted"],
)
async def test_forwarding(forwarding, expected):
    async with data_port(settings={"forwarding": forwarding}) as port:
        await port.ask(GET[:-2] + b"\r\n".join(FROM_PEER) + b"\r\n\r\n")
        lines = port.upstream.requests[0].split(b"\r\n")
        assert [line for line in lines if b"orwarded" in line or b"eal" in line] == expected


async def test_options_with_no_forwards_left_end_here():
    async with data_port() as port:
        client = await port.connect()
        for _ in range(2):
            await client.send(b"OPTIONS / HTTP/1.1\r\n" + HOST + b"Max-Forwards: 0\r\n\r\n")
            answer = await client.answer()
            assert answer.status == 204
            assert b"OPTIONS" in answer.all(b"allow")[0]
        assert port.upstream.connections == 0


@pytest.mark.parametrize("size", [2000, 300_000])
async def test_observe_mode_lets_what_is_over_the_limit_pass_whole(size):
    body = b'{"email":"' + b"x" * size + b'"}'
    async with data_port(answering(answer_of(body, JSON.strip()))) as port:
        answer = await port.ask(order(body, target=b"/watched"))
        assert answer.body == body
        assert body_of(port.upstream.requests[0]) == body
        assert b"Content-Length: %d\r\n" % len(body) in port.upstream.requests[0]
