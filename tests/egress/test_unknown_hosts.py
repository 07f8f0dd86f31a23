"""Hosts of no recipient through the proxy: refused, or let pass as they are with a record and a place on the map."""

import pytest
from flowing import Noted
from messages import answer_of
from outgoing_gateway import basic
from proxy_port import RULES, proxy_port
from scripted_upstream import answering

JSON = b"Content-Type: application/json"
UNKNOWN = RULES.replace("$HOSTS", "[api.mailer.example]").replace(
    "$ROUTES",
    """
  - name: send
    match: {host: api.mailer.example, path: /v1/send}
    to: mailer
    caller: shop
    request: {fields: {$.email: {is: contact.email, for: service}}}
    response: {rest: pass}
""",
)
OBSERVE = "egress: {unknown: observe}"
BODY = b'{"email": "ann@shop.example",\n "total": 1.50}'


def post(proxy, body=BODY, *lines, target=b"/collect?sku=1"):
    host = proxy.authority.encode()
    fields = (b"Host: " + host, b"Proxy-Authorization: " + basic(), b"Content-Length: %d" % len(body), *lines)
    return b"POST http://%b%b HTTP/1.1\r\n%b\r\n\r\n%b" % (host, target, b"\r\n".join(fields), body)


def noted(proxy):
    """What the map has of each host: outcome and volumes. There is one, with the partner's port."""
    waiting = proxy.gateway.services.destinations._waiting
    return {(key[0].replace(str(proxy.partner.port), "PORT"), *key[1:]): tally for key, tally in waiting.items()}


async def test_they_are_refused_and_on_the_map():
    ledger = Noted()
    async with proxy_port(rules=UNKNOWN, plain=True, ledger=ledger) as proxy:
        client = await proxy.connect()
        await client.send(post(proxy, BODY, JSON))
        assert (await client.answer()).code == "unknown_recipient"
        await client.close()
        assert proxy.requests == []
        (tally,) = noted(proxy).values()

    assert (tally.messages, tally.refused, tally.sent, tally.classes) == (1, 1, 0, set())
    assert [record["reason"] for record in ledger.records] == ["unknown_recipient"]


async def test_p7_where_the_rules_let_them_pass_their_content_arrives_as_it_was_sent():
    ledger = Noted()
    answer = b'{"ok": true,\n "user_id": "u-1"}'
    async with proxy_port(
        answering(answer_of(answer, JSON)), rules=UNKNOWN, egress=OBSERVE, plain=True, ledger=ledger
    ) as proxy:
        client = await proxy.connect()
        await client.send(post(proxy, BODY, JSON, b"X-Odd:  kept", b"Cookie: _ga=GA1.2"))
        assert (await client.answer()).body == answer
        await client.close()
        (request,) = proxy.requests
        ((key, tally),) = noted(proxy).items()

    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /collect?sku=1 HTTP/1.1\r\n")
    assert b"Cookie: _ga=GA1.2" in head
    assert body == BODY
    asked, answered = ledger.records
    assert (asked["kind"], asked["recipient"], asked["reason"]) == ("disclose", "*", "unknown_recipient")
    assert [(field["address"], field["class"]) for field in asked["fields"]] == [
        ("$.email", "user.contact.email"),
        ("cookie:_ga", "user.device.cookie_id"),
    ]
    assert (answered["kind"], answered["direction"]) == ("collect", "response")
    assert key == ("localhost:PORT", "", "shop")
    assert (tally.messages, tally.refused, tally.sent, tally.received) == (1, 0, len(BODY), len(answer))


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ((JSON,), b'{"email":'),
        ((JSON, b"Content-Encoding: exi"), BODY),
        ((b"Content-Type: application/x-protobuf",), b"\x08\x96\x01"),
        ((), b"\x00\xff"),
    ],
)
async def test_what_nobody_can_read_passes_and_is_counted(lines, body):
    async with proxy_port(rules=UNKNOWN, egress=OBSERVE, plain=True, ledger=Noted()) as proxy:
        client = await proxy.connect()
        await client.send(post(proxy, body, *lines))
        assert (await client.answer()).status == 200
        await client.close()
        assert [request.partition(b"\r\n\r\n")[2] for request in proxy.requests] == [body]
        (tally,) = noted(proxy).values()

    assert (tally.unread, tally.sent) == (1, len(body))


async def test_p2_without_a_record_nothing_leaves():
    ledger = Noted()
    ledger.broken = True
    async with proxy_port(rules=UNKNOWN, egress=OBSERVE, plain=True, ledger=ledger) as proxy:
        client = await proxy.connect()
        await client.send(post(proxy, BODY, JSON))
        assert (await client.answer()).code == "audit_unavailable"
        await client.close()
        assert proxy.requests == []
        (tally,) = noted(proxy).values()

    assert (tally.refused, tally.sent) == (1, 0)
