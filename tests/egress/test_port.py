"""Calls through the proxy, from raw clients and a client of HTTP/2 to a partner with TLS whose log is the evidence."""

import asyncio
import json

import httpx
import pytest
from flowing import Noted
from messages import answer_of
from outgoing_gateway import SECRET, basic
from proxy_port import Proxy, connect, proxy_port
from scripted_upstream import answering

from gateway.model.errors import StoreDown
from gateway.model.words import ConsentStatus, Posture
from gateway.runtime.decisions import Choice
from gateway.runtime.settings_egress import ProxyListener
from gateway.stores.event import Assurance

JSON = b"Content-Type: application/json"
MAIL = b'{"email":"ann@shop.example"}'
SENT = answering(answer_of(b'{"email":"ann@shop.example","hash":"1"}', JSON))


def post(proxy: Proxy, body: bytes, *lines: bytes, target: bytes = b"/v1/send", host: str = "") -> bytes:
    fields = (b"Host: " + (host or proxy.authority).encode(), JSON, b"Content-Length: %d" % len(body), *lines)
    return b"POST %b HTTP/1.1\r\n%b\r\n\r\n%b" % (target, b"\r\n".join(fields), body)


async def decide(proxy: Proxy, status: ConsentStatus, name: str = "ann@shop.example") -> None:
    services = proxy.gateway.services
    handle = await services.people.meet(name)
    await services.decisions.decide(handle, [Choice("ads", status)], method="test", assurance=Assurance.HIGH)


async def test_only_listed_fields_pass_both_ways_and_each_call_has_its_record():
    ledger = Noted()
    async with proxy_port(SENT, ledger=ledger) as proxy:
        client = await proxy.secure()
        for _ in range(2):
            await client.send(post(proxy, b'{"name":"Ann", "email":"ann@shop.example"}'))
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, b'{"email":"ann@shop.example"}')
            assert answer.all(b"via") == [b"1.1 privacy-gateway-egress"]
        assert [request.partition(b"\r\n\r\n")[2] for request in proxy.requests] == [MAIL] * 2
        assert proxy.partner.connections == 1
        assert b"Ann" not in b"".join(proxy.requests)
        assert b"roxy-" not in b"".join(proxy.requests)
    disclosed = [record for record in ledger.records if record["direction"] == "request"]
    assert [(each["kind"], each["caller"], each["recipient"]) for each in disclosed] == [
        ("disclose", "application:shop", "mailer")
    ] * 2


async def test_http2_is_the_same_call():
    async with proxy_port(SENT) as proxy:
        way = httpx.Proxy(proxy.url, auth=("shop", SECRET))
        async with httpx.AsyncClient(http2=True, proxy=way, verify=proxy.trusting(), trust_env=False) as client:
            asked = [
                client.post(f"https://{proxy.authority}/v1/send", json={"email": "ann@shop.example", "ssn": "1"})
                for _ in range(5)
            ]
            for answer in await asyncio.gather(*asked):
                assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
                assert answer.content == MAIL
        assert [request.partition(b"\r\n\r\n")[2] for request in proxy.requests] == [MAIL] * 5


async def test_crumbs_of_cookies_are_one_field():
    async with proxy_port() as proxy:
        way = httpx.Proxy(proxy.url, auth=("shop", SECRET))
        async with httpx.AsyncClient(http2=True, proxy=way, verify=proxy.trusting(), trust_env=False) as client:
            lines = [("cookie", "a=1"), ("cookie", "b=2"), ("x-twice", "1"), ("x-twice", "2")]
            assert (await client.get(f"https://{proxy.authority}/open/x", headers=lines)).status_code == 200
        head = proxy.requests[0].lower()
        assert b"cookie: a=1; b=2\r\n" in head
        assert b"x-twice: 1\r\nx-twice: 2\r\n" in head


REFUSED_TUNNELS = [
    ("unknown host", "other.example:443", None, 403, "unknown_recipient"),
    ("unknown port", "localhost:1", None, 403, "unknown_recipient"),
    ("nobody", "", b"", 407, "proxy_authentication_required"),
    ("wrong secret", "", basic("shop", "x" * 24), 407, "proxy_authentication_required"),
    ("unknown application", "", basic("pony"), 407, "proxy_authentication_required"),
    ("no port", "localhost", None, 400, "bad_request"),
]


@pytest.mark.parametrize(
    ("authority", "credentials", "status", "code"),
    [case[1:] for case in REFUSED_TUNNELS],
    ids=[case[0] for case in REFUSED_TUNNELS],
)
async def test_tunnels_that_are_not_opened(authority, credentials, status, code):
    ledger = Noted()
    async with proxy_port(ledger=ledger) as proxy:
        client = await proxy.tunnel(authority, credentials=credentials)
        assert (client.opened.status, client.opened.code) == (status, code)
        assert bool(client.opened.all(b"proxy-authenticate")) == (status == 407)
        assert proxy.refusals == {code: 1}
        assert proxy.partner.connections == 0
        if status == 403:
            assert [each["reason"] for each in ledger.records] == [code]
            assert ledger.records[0]["caller"] == "application:shop"


async def test_a_client_may_prove_itself_on_the_connection_that_was_refused():
    async with proxy_port() as proxy:
        client = await proxy.tunnel(credentials=b"")
        assert client.opened.status == 407
        await client.send(connect(proxy.authority))
        assert (await client.head()).status == 200
        await client.writer.start_tls(proxy.trusting(), server_hostname="localhost")
        await client.send(post(proxy, MAIL, target=b"/open/x"))
        assert (await client.answer()).body == b"ok"


REFUSED_CALLS = [
    ("no route", {"target": b"/elsewhere"}, MAIL, (), 404, "unknown_route"),
    ("another host than the tunnel's", {"host": "other.example"}, MAIL, (), 400, "ambiguous_framing"),
    ("body over the limit", {}, b'{"email":"%b"}' % (b"x" * 1000), (), 413, "over_size"),
    ("unreadable body", {}, b'{"email":', (), 400, "unparsable_body"),
    ("duplicate key", {}, b'{"email":1,"email":2}', (), 400, "duplicate_key"),
    ("bomb's coding", {}, MAIL, (b"Content-Encoding: exi",), 415, "unknown_content_coding"),
    ("two lengths", {}, MAIL, (b"Content-Length: 3",), 400, "ambiguous_framing"),
    ("length and chunks", {}, MAIL, (b"Transfer-Encoding: chunked",), 400, "ambiguous_framing"),
    ("folded line", {}, MAIL, (b"X-A: 1\r\n 2",), 400, "bad_request"),
    ("space before the colon", {}, MAIL, (b"X-A : 1",), 400, "bad_request"),
    ("NUL", {}, MAIL, (b"X-A: \x00",), 400, "bad_request"),
    ("two hosts", {}, MAIL, (b"Host: other.example",), 400, "bad_request"),
    ("WebSocket", {"target": b"/open/x"}, b"", (b"Connection: upgrade", b"Upgrade: websocket"), 501, "upgrade_refused"),
    ("loop", {}, MAIL, (b"Via: 1.1 privacy-gateway-egress",), 508, "loop_detected"),
    ("expectation", {}, MAIL, (b"Expect: more",), 417, "expectation_failed"),
    ("no consent", {"target": b"/v1/offers"}, MAIL, (), 451, "no_consent"),
    ("fragment", {"target": b"/open/x#y"}, MAIL, (), 400, "bad_request"),
    ("head too large", {}, MAIL, (b"X-A: " + b"x" * 80_000,), 431, "headers_too_large"),
    ("too many fields", {}, MAIL, (b"X-A: 1",) * 200, 431, "headers_too_large"),
]


@pytest.mark.parametrize(
    ("how", "body", "lines", "status", "code"),
    [case[1:] for case in REFUSED_CALLS],
    ids=[case[0] for case in REFUSED_CALLS],
)
async def test_calls_that_do_not_pass(how, body, lines, status, code):
    ledger = Noted()
    async with proxy_port(ledger=ledger) as proxy:
        answer = await proxy.ask(post(proxy, body, *lines, **how))
        assert (answer.status, answer.code) == (status, code)
        assert proxy.partner.connections == 0
        assert proxy.refusals == {code: 1}
        assert proxy.gateway.services.metrics.in_flight == 0
        recorded = code in {str(posture) for posture in Posture} | {"no_consent"}
        assert [(each["kind"], each["reason"]) for each in ledger.records] == ([("refuse", code)] if recorded else [])
        assert all(each["caller"] == "application:shop" for each in ledger.records)


async def test_a_contract_that_has_ended():
    ledger = Noted()
    async with proxy_port(ledger=ledger, expires="2026-11-22") as proxy:
        answer = await proxy.ask(post(proxy, MAIL))
        assert (answer.status, answer.code) == (403, "contract_expired")
        assert proxy.partner.connections == 0
        assert [each["kind"] for each in ledger.records] == ["refuse"]


@pytest.mark.parametrize("store", ["consent", "ledger"])
async def test_a_store_that_is_down(store, monkeypatch):
    ledger = Noted()
    async with proxy_port(ledger=ledger) as proxy:
        await decide(proxy, ConsentStatus.GIVEN)
        assert (await proxy.ask(post(proxy, MAIL, target=b"/v1/offers"))).status == 200

        def down(_subject):
            raise StoreDown(Posture.CONSENT_STORE_DOWN, "down")

        if store == "ledger":
            ledger.broken = True
        else:
            monkeypatch.setattr(proxy.gateway.services.consent, "state", down)
        answer = await proxy.ask(post(proxy, MAIL, target=b"/v1/offers"))
        expected = "audit_unavailable" if store == "ledger" else "consent_store_down"
        assert (answer.status, answer.code) == (503, expected)
        assert len(proxy.requests) == 1


async def test_a_withdrawal_between_the_tunnel_and_the_call():
    async with proxy_port() as proxy:
        await decide(proxy, ConsentStatus.GIVEN)
        client = await proxy.secure()
        await client.send(post(proxy, MAIL, target=b"/v1/offers"))
        assert (await client.answer()).status == 200
        await decide(proxy, ConsentStatus.WITHDRAWN)
        await client.send(post(proxy, MAIL, target=b"/v1/offers"))
        answer = await client.answer()
        assert (answer.status, answer.code) == (451, "withdrawn")
        assert len(proxy.requests) == 1


async def test_a_withdrawal_while_a_connection_is_made(monkeypatch):
    async with proxy_port() as proxy:
        await decide(proxy, ConsentStatus.GIVEN)
        pool = proxy.port._pools[0].of(f"https://{proxy.authority}", "mailer")
        connecting, go_on = asyncio.Event(), asyncio.Event()
        reach = pool._reach

        async def slowly(*arguments):
            await reach(*arguments)
            connecting.set()
            await go_on.wait()

        monkeypatch.setattr(pool, "_reach", slowly)
        client = await proxy.secure()
        await client.send(post(proxy, MAIL, target=b"/v1/offers"))
        await connecting.wait()
        await decide(proxy, ConsentStatus.WITHDRAWN)
        go_on.set()
        answer = await client.answer()
        assert (answer.status, answer.code) == (503, "consent_changed")
        assert proxy.requests == []


async def test_a_body_without_a_length_ends_at_the_limit():
    ledger = Noted()
    async with proxy_port(ledger=ledger) as proxy:
        client = await proxy.secure()
        head = post(proxy, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        await client.send(head, b"3e8\r\n" + b"x" * 1000 + b"\r\n", b"1\r\nx\r\n")
        answer = await client.answer()
        assert (answer.status, answer.code) == (413, "over_size")
        assert answer.all(b"connection") == [b"close"]
        await client.send(b"0\r\n\r\n")
        assert await client.rest() == b""
        assert proxy.partner.connections == 0
        assert [each["reason"] for each in ledger.records] == ["over_size"]


async def test_chunks_pass_and_trailers_do_not():
    async with proxy_port(SENT) as proxy:
        client = await proxy.secure()
        head = post(proxy, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        await client.send(head, b"%x\r\n%b\r\n0\r\nX-Trailer: secret\r\n\r\n" % (len(MAIL), MAIL))
        assert (await client.answer()).status == 200
        assert proxy.requests[0].endswith(b"\r\n\r\n" + MAIL)
        assert b"secret" not in proxy.requests[0]


async def test_an_answer_over_the_limit_is_no_answer():
    async with proxy_port(answering(answer_of(b"x" * 2000))) as proxy:
        answer = await proxy.ask(post(proxy, MAIL))
        assert (answer.status, answer.code) == (502, "over_size")


async def test_a_body_is_asked_for_only_where_it_is_wanted():
    async with proxy_port(SENT) as proxy:
        client = await proxy.secure()
        head = post(proxy, MAIL, b"Expect: 100-continue").removesuffix(MAIL)
        await client.send(head)
        assert (await client.head()).status == 100
        await client.send(MAIL)
        assert (await client.answer()).status == 200
        await client.send(head.replace(b"/v1/send", b"/elsewhere"))
        answer = await client.answer()
        assert (answer.status, answer.code) == (404, "unknown_route")


async def test_plain_http_goes_to_this_machine_alone():
    async with proxy_port(plain=True) as proxy:
        client = await proxy.connect()
        field = b"Proxy-Authorization: " + basic()
        raw = post(proxy, MAIL, field, target=f"http://{proxy.authority}/open/x".encode())
        await client.send(raw)
        assert (await client.answer()).body == b"ok"
        assert proxy.requests[0].startswith(b"POST /open/x HTTP/1.1\r\nHost: localhost:")
        assert b"roxy-Auth" not in proxy.requests[0]
        await client.send(raw.replace(field, b"X: 1"))
        assert (await client.answer()).code == "proxy_authentication_required"
    async with proxy_port() as proxy:
        client = await proxy.connect()
        fields = b"Host: other.example\r\nProxy-Authorization: " + basic()
        await client.send(b"GET http://other.example/ HTTP/1.1\r\n%b\r\n\r\n" % fields)
        answer = await client.answer()
        assert (answer.status, answer.code) == (403, "unknown_recipient")
        await client.send(b"GET / HTTP/1.1\r\nHost: mitm.it\r\n\r\n")
        assert (await client.answer()).code in ("bad_request", "proxy_authentication_required")
        assert proxy.partner.connections == 0


async def test_a_port_that_clients_take_for_the_partner():
    from gateway.runtime.listener import Listener

    listener = ProxyListener(Listener("127.0.0.1", 0), "reverse", to="https://localhost:{port}")
    async with proxy_port(SENT, modes=(listener,)) as proxy:
        client = await proxy.connect()
        await client.writer.start_tls(proxy.trusting(), server_hostname="localhost")
        await client.send(post(proxy, MAIL, b"Proxy-Authorization: " + basic(), host="whatever.example"))
        assert (await client.answer()).body == MAIL
        assert f"\r\nHost: {proxy.authority}\r\n".encode() in proxy.requests[0]
        await client.send(post(proxy, MAIL))
        assert (await client.answer()).code == "proxy_authentication_required"
        other = await proxy.connect()
        await other.send(connect(proxy.authority))
        answer = await other.answer()
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert json.loads(answer.body)["status"] == 405
        assert len(proxy.requests) == 1
