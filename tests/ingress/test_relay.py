"""A relay in front of partners: what they receive, byte by byte, and what is refused before they receive anything."""

import json

import pytest
from flowing import Noted
from messages import JSON, answer_of
from outgoing_gateway import SECRET, basic
from relay_port import PROVEN, ask, relayed
from scripted_upstream import OK, answering

INSIDE = (
    b"Via: 1.1 proxy.shop.internal",
    b"Forwarded: for=10.1.2.3;host=shop.internal",
    b"X-Forwarded-For: 10.1.2.3",
    b"X-Forwarded-Host: shop.internal",
    b"X_Forwarded_For: 10.1.2.3",
    b"X-Real-IP: 10.1.2.3",
    b"Connection: keep-alive, X-Hop",
    b"X-Hop: shop.internal",
    b"TE: trailers",
    b"Proxy-Connection: keep-alive",
    b"Origin: http://shop.internal",
    b"Referer: http://shop.internal/orders/7",
)


def line_and_fields(request):
    line, *fields = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return line, fields


@pytest.mark.parametrize(
    ("host", "target", "partner", "onward"),
    [
        (b"relay.internal:8082", b"/mailer/v1/jobs?x=1&y=%20", "mailer", b"/v1/jobs?x=1&y=%20"),
        (b"relay.internal:8082", b"/mailer", "mailer", b"/"),
        (b"relay.internal:8082", b"/mailer?x=/tally/y", "mailer", b"/?x=/tally/y"),
        (b"relay.internal:8082", b"/mailer/", "mailer", b"/"),
        (b"relay.internal:8082", b"/mailer/a%2Ab;c", "mailer", b"/a%2Ab;c"),
        (b"10.0.0.1", b"/tally/open/x", "tally", b"/open/x"),
        (b"mailer.internal", b"/mailer/x", "mailer", b"/mailer/x"),
        (b"MAILER.internal:8082", b"/v1?q", "mailer", b"/v1?q"),
    ],
)
async def test_the_partner_gets_its_own_paths_and_its_own_host(host, target, partner, onward):
    async with relayed() as port:
        answer = await port.ask(ask(b"Accept: */*", b"X-Key: k", target=target, host=host))
        received = getattr(port, partner)

        assert answer.status == 200
        assert (
            port.received
            == received.requests
            == [b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\nX-Key: k\r\n\r\n" % (onward, received.port)]
        )


@pytest.mark.parametrize("target", [b"/mailer/x", b"/mailer/send"])
async def test_nothing_tells_the_partner_what_stands_behind_the_relay(target):
    body = b'{"to":"ann@example.com"}'
    async with relayed(answering(answer_of(b"{}", JSON.strip()))) as port:
        answer = await port.ask(ask(*INSIDE, method=b"POST", target=target, body=body))
        assert answer.status == 200
        (request,) = port.received
        assert answer.all(b"via") == [b"1.1 privacy-gateway-egress"]
    head, _, rest = request.partition(b"\r\n\r\n")
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    # A route that reads the answer asks for what it can read.
    assert names - {b"accept-encoding"} == {b"host", b"content-type", b"content-length"}
    assert rest == body
    for word in (b"internal", b"10.1.2.3", b"8082", b"gateway", SECRET.encode(), basic()):
        assert word not in request


async def test_places_of_the_partner_s_own_and_those_that_the_route_lists_pass():
    async with relayed() as port:
        own = b"http://127.0.0.1:%d" % port.mailer.port
        asked = [
            (b"/mailer/x", own, [b"Origin: " + own, b"Referer: " + own + b"/y"]),
            (b"/mailer/x", b"http://shop.example", []),
            (b"/mailer/listing/x", b"http://shop.example", [b"Origin: http://shop.example"]),
            (b"/mailer/x", b"http://shop.example", []),
            (b"/mailer/x", own + b".evil.example", []),
        ]
        client = await port.connect()
        for target, origin, _ in asked:
            await client.send(ask(b"Origin: " + origin, b"Referer: " + origin + b"/y", target=target))
            assert (await client.answer()).status == 200

    for (_, _, expected), request in zip(asked, port.mailer.requests, strict=True):
        assert [line for line in line_and_fields(request)[1] if line[:1] in b"OR"] == expected


async def test_requests_of_one_connection_with_the_same_fields_find_their_partners():
    async with relayed() as port:
        client = await port.connect()
        for _ in range(3):
            for target in (b"/mailer/x", b"/tally/open/x", b"/mailer/y"):
                await client.send(ask(b"Accept: */*", target=target))
                assert (await client.answer()).status == 200
        for partner, targets in ((port.mailer, [b"/x", b"/y"] * 3), (port.tally, [b"/open/x"] * 3)):
            host = b"127.0.0.1:%d" % partner.port
            assert partner.requests == [
                b"GET %b HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\n\r\n" % (target, host) for target in targets
            ]
            assert partner.connections == 1


async def test_a_count_of_forwards_goes_down_for_options_only():
    async with relayed() as port:
        client = await port.connect()
        for method in (b"GET", b"OPTIONS", b"GET"):
            await client.send(ask(b"Max-Forwards: 3", method=method))
            assert (await client.answer()).status == 200
        assert [line_and_fields(each)[1][1] for each in port.received] == [
            b"Max-Forwards: 3",
            b"Max-Forwards: 2",
            b"Max-Forwards: 3",
        ]


REFUSED = {
    "no proof": (ask(proof=b""), 407, "proxy_authentication_required"),
    "no proof and no partner": (ask(target=b"/nowhere", proof=b""), 407, "proxy_authentication_required"),
    "wrong secret": (
        ask(proof=b"Proxy-Authorization: " + basic("shop", "wrong") + b"\r\n"),
        407,
        "proxy_authentication_required",
    ),
    "proof twice": (ask(proof=PROVEN * 2), 400, "bad_request"),
    "a whole URL": (ask(target=b"http://127.0.0.1/mailer/x"), 400, "bad_request"),
    "a whole URL of the relay": (ask(target=b"http://relay.internal:8082/mailer/x"), 400, "bad_request"),
    "a tunnel": (ask(method=b"CONNECT", target=b"api.mailer.example:443"), 405, "method_not_allowed"),
    "no partner": (ask(target=b"/nowhere"), 404, "unknown_route"),
    "no partner at the root": (ask(target=b"/"), 404, "unknown_route"),
    "no prefix": (ask(target=b"/mailerx"), 404, "unknown_route"),
    "asterisk": (ask(method=b"OPTIONS", target=b"*"), 404, "unknown_route"),
    "dots": (ask(target=b"/mailer/../tally/open/x"), 400, "ambiguous_framing"),
    "encoded dots": (ask(target=b"/mailer/%2e%2e/tally/open/x"), 400, "ambiguous_framing"),
    "encoded slash": (ask(target=b"/mailer%2fx"), 400, "ambiguous_framing"),
    "two slashes": (ask(target=b"//mailer/x"), 400, "ambiguous_framing"),
    "no route": (ask(target=b"/tally/nowhere"), 404, "unknown_route"),
    "a partner that no rule knows": (ask(target=b"/stranger/x"), 403, "unknown_recipient"),
    "a websocket where none is let through": (
        ask(
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
        501,
        "upgrade_refused",
    ),
    "too long": (ask(method=b"POST", target=b"/mailer/send", body=b"[%b1]" % (b"1," * 600)), 413, "over_size"),
    "unreadable": (ask(method=b"POST", target=b"/mailer/send", body=b"{"), 400, "unparsable_body"),
}
TO = {"/mailer": "http://MAILER", "/tally": "http://TALLY", "/stranger": "http://127.0.0.1:9"}
RECORDED = {"unknown_route", "ambiguous_framing", "unknown_recipient", "over_size", "unparsable_body"}


@pytest.mark.parametrize(("raw", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_leaves_nothing_at_any_partner(raw, status, code):
    ledger = Noted()
    async with relayed(to=TO, ledger=ledger) as port:
        answer = await port.ask(raw)

        assert (answer.status, answer.code) == (status, code)
        assert answer.all(b"content-type") == [b"application/problem+json"]
        assert (answer.all(b"proxy-authenticate") != []) == (status == 407)
        assert port.mailer.connections == port.tally.connections == 0
    told = [(record["kind"], record["reason"], record.get("caller")) for record in ledger.records]
    if code in RECORDED:
        assert told == [("refuse", code, "application:shop")]
        assert ledger.records[0]["request"] == json.loads(answer.body)["record"]
    elif basic("shop", "wrong") in raw:
        assert told == [("refuse", code, None)]
    else:
        assert told == []


@pytest.mark.parametrize(
    ("raw", "detail"),
    [(ask(target=b"/nowhere"), "leads to no partner"), (ask(target=b"http://127.0.0.1/mailer/x"), "no proxy")],
)
async def test_the_relay_says_what_is_wrong_with_its_own_addresses(raw, detail):
    async with relayed() as port:
        assert detail in json.loads((await port.ask(raw)).body)["detail"]


async def test_a_refused_request_leaves_the_connection_usable_and_the_next_one_passes():
    async with relayed() as port:
        client = await port.connect()
        for target, status in ((b"/nowhere", 404), (b"/mailer/x", 200), (b"/mailer/../x", 400), (b"/mailer/y", 200)):
            await client.send(ask(target=target))
            assert (await client.answer()).status == status
        assert [line_and_fields(each)[0] for each in port.received] == [b"GET /x HTTP/1.1", b"GET /y HTTP/1.1"]


async def test_a_client_of_http_1_0_without_a_host_is_led_by_its_path():
    async with relayed() as port:
        answer = await port.ask(b"GET /mailer/x HTTP/1.0\r\n" + PROVEN + b"\r\n")
        assert answer.status == 200
        assert port.received == [b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port.mailer.port]


@pytest.mark.parametrize("location", [b"http://127.0.0.1:%d/v1/jobs/7", b"/v1/jobs/7"])
@pytest.mark.parametrize("status", [b"201 Created", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"])
async def test_redirections_of_the_partner_lead_back_through_the_relay(status, location):
    async def script(server, reader, writer):
        while await server.read_request(reader):
            value = location % server.port if b"%d" in location else location
            writer.write(answer_of(b"{}", b"Location: " + value, b"Set-Cookie: a=b; Domain=m.example", status=status))
            await writer.drain()

    async with relayed(script) as port:
        client = await port.connect()
        for _ in range(8):  # a head that comes again and again is read by its template
            await client.send(ask(target=b"/mailer/v1/jobs"))
            answer = await client.answer()
            assert answer.all(b"location") == [b"/mailer/v1/jobs/7"]
            assert answer.all(b"set-cookie") == [b"a=b; Domain=m.example"]
        await client.send(ask(target=b"/v1/jobs", host=b"mailer.internal"))
        assert (await client.answer()).all(b"location") == [b"/v1/jobs/7"]
        await client.send(ask(target=answer.all(b"location")[0]))
        assert (await client.answer()).status == int(status[:3])
        assert line_and_fields(port.mailer.requests[-1])[0] == b"GET /v1/jobs/7 HTTP/1.1"


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
async def test_a_location_that_leads_nowhere_stays(status):
    async with relayed(answering(answer_of(b"{}", b"Location: /v1/x", status=status))) as port:
        assert (await port.ask(ask())).all(b"location") == [b"/v1/x"]


async def test_the_peer_alone_proves_nothing_where_no_network_is_listed():
    async with relayed(answering(OK)) as port:
        assert (await port.ask(ask(proof=b""))).status == 407
        assert port.received == []
