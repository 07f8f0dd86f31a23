"""What passes a relay: bodies both ways, answers that rules read, TLS with partners, tunnels, and an orderly end."""

import asyncio
import json
import ssl

import pytest
from certificates import Authority, write_certificate
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from flowing import Noted
from messages import JSON, answer_of, body_of
from relay_port import ROUTES, ask, relayed
from scripted_upstream import OK, answering, scripted

from gateway.ingress.tunnel import accept_of
from gateway.runtime.settings import Tls, UpstreamTls

EGRESS = "egress: {unknown: observe}\n"
SEND = ask(method=b"POST", target=b"/mailer/send", body=b'{"to":"ann@example.com","more":1}')
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + KEY,
    b"Origin: http://shop.internal",
)


async def test_what_the_partner_answers_is_judged_by_the_rules_too():
    ledger = Noted()
    said = answer_of(b'{"id":"m-1","to":"ann@example.com"}', JSON.strip(), b"X-Debug: ann@example.com")
    async with relayed(answering(said), ledger=ledger) as port:
        answer = await port.ask(SEND)

    assert json.loads(answer.body) == {"id": "m-1"}
    assert answer.all(b"x-debug") == []
    assert [(each["kind"], each["direction"], each["caller"]) for each in ledger.records] == [
        ("disclose", "request", "application:shop"),
        ("disclose", "response", "application:shop"),
    ]
    assert len({each["request"] for each in ledger.records}) == 1


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (answer_of(b'{"id":', JSON.strip()), 502, "unparsable_body"),
        (answer_of(b"{}", b"Content-Type: application/x-unknown"), 502, "unknown_media_type"),
        (answer_of(b"{}", JSON.strip(), b"Content-Encoding: odd"), 502, "unknown_content_coding"),
        (answer_of(b"[%b1]" % (b"1," * 600), JSON.strip()), 502, "over_size"),
        (answer_of(b"{}", status=b"407 Proxy Authentication Required"), 502, "upstream_broken"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 502, "upstream_broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 502, "upstream_broken"),
        (b"nonsense\r\n\r\n", 502, "upstream_broken"),
        (b"", 502, "upstream_broken"),
    ],
)
async def test_a_broken_answer_is_no_answer(said, status, code):
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(said)
        await writer.drain()

    async with relayed(script) as port:
        answer = await port.ask(SEND)
        assert (answer.status, answer.code) == (status, code)


async def test_bodies_that_no_rule_reads_stream_both_ways():
    size, piece = 3 << 20, b"x" * 65536

    async def script(server, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        # The answer begins before the request ends, so neither is held whole.
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while length := int(await reader.readuntil(b"\r\n"), 16):
            data = await reader.readexactly(length + 2)
            writer.write(b"%x\r\n%b" % (length, data))
            await writer.drain()
        await reader.readexactly(2)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async with relayed(script) as port:
        client = await port.connect()
        await client.send(ask(b"Transfer-Encoding: chunked", method=b"POST"))

        async def pour():
            for _ in range(size // len(piece)):
                await client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await client.send(b"0\r\n\r\n")

        pouring = asyncio.create_task(pour())
        answer = await client.answer()
        await pouring
        assert answer.body == b"x" * size


async def test_100_continue_comes_from_the_relay_and_only_where_the_body_is_wanted():
    async with relayed(answering(answer_of(b"{}", JSON.strip()))) as port:
        client = await port.connect()
        head, _, body = SEND.partition(b"\r\n\r\n")
        await client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.head()).status == 100
        await client.send(body)
        assert (await client.answer()).status == 200
        (request,) = port.received
        assert b"xpect" not in request
        assert body_of(request) == b'{"to":"ann@example.com"}'

        refused = await port.connect()
        await refused.send(ask(b"Expect: 100-continue", b"Content-Length: 10", method=b"POST", target=b"/nowhere"))
        assert (await refused.answer()).status == 404
        assert len(port.received) == 1


async def test_head_and_interim_answers():
    async def script(server, reader, writer):
        while request := await server.read_request(reader):
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            writer.write(OK[:-2] if request.startswith(b"HEAD") else OK)
            await writer.drain()

    async with relayed(script) as port:
        client = await port.connect()
        for method in (b"HEAD", b"GET"):
            await client.send(ask(method=method))
            answer = await client.answer(method.decode())
            assert (answer.status, answer.all(b"content-length")) == (200, [b"2"])
        assert answer.body == b"ok"


async def test_a_websocket_passes_where_the_route_lets_it():
    async def echo(server, reader, writer):
        await server.read_request(reader)
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_of(KEY)
        )
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async with relayed(echo) as port:
        client = await port.connect()
        await client.send(ask(*HANDSHAKE, target=b"/mailer/talk"))
        assert (await client.head()).status == 101
        await client.send(b"\x81\x80\x00\xff")
        assert await client.reader.readexactly(4) == b"\x81\x80\x00\xff"
        (request,) = port.received
        assert request.startswith(b"GET /talk HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port.mailer.port)
        assert b"internal" not in request
        await client.close()
        await port.mailer.ended.wait()


def partner_tls(folder, kind):
    """The certificate that a partner shows."""
    authority = Authority(folder)
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    match kind:
        case "self-signed":
            return authority, write_certificate(folder, "localhost")
        case "another authority":
            other = Authority(folder, "other")
            return authority, other.issue("partner", x509.DNSName("localhost"), usage=usage)
        case "another name":
            return authority, authority.issue("partner", x509.DNSName("other.example"), usage=usage)
        case "expired":
            return authority, authority.issue("partner", x509.DNSName("localhost"), usage=usage, days=-1)
        case "for clients":
            return authority, authority.issue("partner", x509.DNSName("localhost"))
    return authority, authority.issue("partner", x509.DNSName("localhost"), usage=usage)


TLS_ROUTES = """
routes:
  - name: mail
    match: {host: "MAILER", path: /send}
    to: mailer
    subject: {field: $.to}
    request: {fields: {$.to: {is: contact.email, for: service}}, rest: drop}
    response: {rest: pass}
"""


@pytest.mark.parametrize(
    "kind", ["trusted", "self-signed", "another authority", "another name", "expired", "for clients"]
)
async def test_a_partner_that_cannot_be_verified_gets_nothing(tmp_path, kind):
    authority, pair = partner_tls(tmp_path, kind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    async with scripted(answering(OK), context=context) as partner:
        host = f"localhost:{partner.port}"
        routes = TLS_ROUTES.replace("MAILER", host)
        files = {"mailer": UpstreamTls(ca=str(authority.path))}
        async with relayed(
            routes=routes, hosts={"MAILER": host}, to={"/mailer": f"https://{host}"}, files=files
        ) as port:
            answer = await port.ask(SEND)
            if kind == "trusted":
                assert answer.status == 200
                (request,) = partner.requests
                assert request.startswith(b"POST /send HTTP/1.1\r\nHost: %b\r\n" % host.encode())
                assert body_of(request) == b'{"to":"ann@example.com"}'
            else:
                assert (answer.status, answer.code) == (502, "upstream_tls")
                assert partner.requests == []


async def test_a_partner_that_is_not_there_is_told_apart():
    async with relayed(hosts={"MAILER": "127.0.0.1:9"}) as port:
        answer = await port.ask(SEND)
        assert (answer.status, answer.code) == (502, "upstream_unreachable")


async def test_clients_of_the_relay_can_speak_tls_and_certificates_are_renewed_together(tmp_path):
    names = ("one.internal", "two.internal")
    pairs = [write_certificate(tmp_path, name) for name in names]
    renewed = [write_certificate(tmp_path, name, f"new-{name}") for name in names]

    async def trusted(port, number, certificate):
        context = ssl.create_default_context(cafile=certificate)
        address = port.relay.servers[number].addresses[0]
        client = await port.connect(context=context, name=names[number], at=address)
        await client.send(ask(host=names[number].encode()))
        return (await client.answer()).status == 200

    async with relayed(tls=tuple(Tls(str(one), str(key)) for one, key in pairs)) as port:
        before = [path.read_bytes() for path, _ in pairs]
        (tmp_path / "old.pem").write_bytes(before[0])
        assert await trusted(port, 0, pairs[0][0])
        for pair, new in zip(pairs, renewed, strict=True):
            for path, content in zip(pair, new, strict=True):
                path.write_bytes(content.read_bytes())
        pairs[1][0].write_text("no certificate")
        with pytest.raises(OSError):
            port.relay.reload_certificates()
        assert await trusted(port, 0, tmp_path / "old.pem")
        pairs[1][0].write_bytes(renewed[1][0].read_bytes())
        port.relay.reload_certificates()
        assert [await trusted(port, number, renewed[number][0]) for number in (0, 1)] == [True, True]


async def test_over_a_unix_socket_only_a_secret_proves_who_sends(tmp_path):
    async with relayed(path=str(tmp_path / "relay.sock")) as port:
        assert (await port.ask(ask())).status == 200
        assert (await port.ask(ask(proof=b""))).status == 407
        assert len(port.received) == 1


async def test_a_drain_lets_what_is_under_way_finish_and_takes_nothing_more():
    go_on = asyncio.Event()

    async def slow(server, reader, writer):
        await server.read_request(reader)
        await go_on.wait()
        writer.write(OK)
        await writer.drain()

    async with relayed(slow) as port:
        busy, idle = await port.connect(), await port.connect()
        address = port.server.addresses[0]
        await busy.send(ask())
        await port.settle(lambda: port.received)
        draining = asyncio.create_task(port.relay.drain(10))
        assert await idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        go_on.set()
        answer = await busy.answer()
        assert (answer.status, answer.all(b"connection")) == (200, [b"close"])
        await draining


async def test_connections_to_all_relays_count_against_one_limit():
    async with relayed(tls=(None, None), connections=2) as port:
        answers = []
        for server in (*port.relay.servers, port.relay.servers[0]):
            client = await port.connect(at=server.addresses[0])
            await client.send(ask())
            answers.append(await client.answer())
        assert [answer.status for answer in answers] == [200, 200, 503]
        assert answers[-1].code == "overloaded"


async def test_the_map_of_destinations_knows_how_much_went_and_came():
    async with relayed(answering(answer_of(b'{"id":"m-1","to":"ann@example.com"}', JSON.strip()))) as port:
        noted = []
        port.gateway.services.destinations.note = lambda *place, **more: noted.append((*place, more))
        for raw in (SEND, ask(method=b"POST", body=b"x" * 500), ask(b"Transfer-Encoding: chunked", method=b"POST")):
            client = await port.connect()
            await client.send(raw)
            if b"chunked" in raw:
                await client.send(b"3\r\nabc\r\n", b"0\r\n\r\n")
            assert (await client.answer()).status == 200
        host = f"127.0.0.1:{port.mailer.port}"
        await port.settle(lambda: len(noted) == 3)
    places = {each[:3] for each in noted}
    volumes = [(each[3]["sent"], each[3]["received"], each[3]["refused"], each[3]["way"]) for each in noted]
    assert places == {(host, "mailer", "shop")}
    assert volumes == [
        (len(b'{"to":"ann@example.com"}'), len(b'{"id":"m-1"}'), False, "relay"),
        (500, 35, False, "relay"),
        (3, 35, False, "relay"),
    ]


async def test_a_host_of_no_recipient_is_forwarded_as_it_is_where_the_rules_observe_such():
    ledger = Noted()
    async with scripted(answering(OK)) as stranger:
        to = {"/stranger": stranger.url()}
        async with relayed(routes=EGRESS + ROUTES, to=to, ledger=ledger) as port:
            raw = ask(b"X-Key: k", b"Origin: http://shop.internal", method=b"POST", target=b"/stranger/x?y", body=b"{}")
            assert (await port.ask(raw)).status == 200
            (request,) = stranger.requests
    assert request == (
        b"POST /x?y HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Key: k\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}" % stranger.port
    )
    assert [(each["kind"], each["caller"], each["reason"]) for each in ledger.records] == [
        ("disclose", "application:shop", "unknown_recipient"),
        ("collect", "application:shop", "unknown_recipient"),
    ]
