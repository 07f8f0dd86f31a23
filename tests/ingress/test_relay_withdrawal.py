"""Consent towards partners: given for one, withdrawn at any moment before its bytes leave."""

import asyncio
import json

import pytest
from flowing import Noted
from messages import body_of
from relay_port import ask, relayed
from scripted_upstream import OK, answering

from gateway.model.errors import StoreDown
from gateway.model.words import ConsentStatus, Posture
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

ROUTES = """
routes:
  - name: count
    match: {host: "TALLY", method: POST, path: /send}
    to: tally
    subject: {field: $.to}
    request: {fields: {$.to: {is: contact.email, for: analytics, as: pseudonym, otherwise: block}}, rest: drop}
    response: {rest: pass}
  - name: look
    match: {host: "TALLY", path: /look}
    to: tally
    subject: {field: "header:X-User"}
    request: {fields: {"header:X-User": {is: contact.email, for: analytics, as: pseudonym, otherwise: block}}}
    response: {rest: pass}
  - name: mail
    match: {host: "MAILER", method: POST, path: /send}
    to: mailer
    subject: {field: $.to}
    request: {fields: {$.to: {is: contact.email, for: service, as: pseudonym}}, rest: drop}
    response: {rest: pass}
  - name: letter
    match: {host: "MAILER", method: POST, path: /letter}
    to: mailer
    subject: {field: $.to}
    request: {fields: {$.to: {is: contact.email, for: service}}, rest: drop}
    response: {rest: pass}
"""
ANN = "ann@example.com"
BODY = json.dumps({"to": ANN, "more": 1}).encode()
SEND = ask(method=b"POST", target=b"/tally/send", body=BODY)
LOOK = ask(b"X-User: ann@example.com", target=b"/tally/look")


async def decide(port, status, recipient="tally", purpose="analytics"):
    services = port.gateway.services
    person = services.people.known(ANN) or await services.people.meet(ANN)
    at = now_microseconds()
    services.consent.append(
        ConsentEvent(
            id=new_event_id(at),
            subject=person,
            purpose=purpose,
            status=status,
            at=at,
            method="test",
            recipient=recipient,
        )
    )


def told(ledger):
    return [(each["kind"], each["recipient"], each["caller"], each.get("reason")) for each in ledger.records]


async def test_each_partner_gets_a_pseudonym_of_its_own_and_who_may_have_the_value_gets_it():
    ledger = Noted()
    async with relayed(routes=ROUTES, ledger=ledger) as port:
        await decide(port, ConsentStatus.GIVEN)
        for target in (b"/tally/send", b"/mailer/send", b"/mailer/letter", b"/tally/send"):
            assert (await port.ask(ask(method=b"POST", target=target, body=BODY))).status == 200
        tally = [json.loads(body_of(each)) for each in port.tally.requests]
        mailer = [json.loads(body_of(each)) for each in port.mailer.requests]
        person = port.gateway.services.people.find(ANN)

    assert mailer[1] == {"to": ANN}
    assert tally[0] == tally[1]
    assert {text["to"][:3] for text in (tally[0], mailer[0])} == {"p1."}
    assert tally[0] != mailer[0]
    assert told(ledger) == [
        ("disclose", recipient, "application:shop", None) for recipient in ("tally", "mailer", "mailer", "tally")
    ]
    assert {record["subject"] for record in ledger.records} == {person}
    assert ANN not in json.dumps(ledger.records)


@pytest.mark.parametrize(
    ("statuses", "recipient", "leaves"),
    [
        ([], "tally", False),
        ([ConsentStatus.GIVEN], "tally", True),
        ([ConsentStatus.GIVEN], "mailer", False),
        ([ConsentStatus.GIVEN, ConsentStatus.WITHDRAWN], "tally", False),
        ([ConsentStatus.GIVEN, ConsentStatus.WITHDRAWN, ConsentStatus.GIVEN], "tally", True),
    ],
)
@pytest.mark.parametrize("raw", [SEND, LOOK], ids=["body", "header"])
async def test_consent_counts_for_the_very_partner_from_the_next_call(raw, statuses, recipient, leaves):
    ledger = Noted()
    async with relayed(routes=ROUTES, ledger=ledger) as port:
        client = await port.connect()
        for status in statuses:
            await decide(port, status, recipient)
            await client.send(raw)
            answer = await client.answer()
            assert answer.status == (200 if status is ConsentStatus.GIVEN and recipient == "tally" else 451)
        before = len(port.received)
        await client.send(raw)
        answer = await client.answer()

        assert answer.status == (200 if leaves else 451)
        assert len(port.received) - before == leaves
        assert ANN.encode() not in b"".join(port.received)
    assert told(ledger)[-1][:3] == ("disclose" if leaves else "refuse", "tally", "application:shop")


async def test_a_call_that_waits_for_a_connection_does_not_leave_after_a_withdrawal():
    go_on = asyncio.Event()

    async def slow(server, reader, writer):
        while await server.read_request(reader):
            await go_on.wait()
            writer.write(OK)
            await writer.drain()

    async with relayed(tally=slow, routes=ROUTES, upstream_pool_size=1) as port:
        await decide(port, ConsentStatus.GIVEN)
        first, second = await port.connect(), await port.connect()
        await first.send(SEND)
        await port.settle(lambda: port.tally.requests)
        await second.send(SEND)
        (pool,) = [each for each in port.pools._pools.values() if each.stats.open]
        await port.settle(lambda: pool.stats.waiting)
        await decide(port, ConsentStatus.WITHDRAWN)
        go_on.set()

        answer = await second.answer()
        assert (answer.status, answer.code) == (503, "consent_changed")
        assert (await first.answer()).status == 200
        assert len(port.tally.requests) == 1
        await decide(port, ConsentStatus.GIVEN)
        await second.send(SEND)
        assert (await second.answer()).status == 200
        assert port.tally.connections == 1


async def test_a_call_is_not_sent_once_more_after_a_withdrawal():
    hang_up = asyncio.Event()

    async def dropping(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        await server.read_request(reader)
        await hang_up.wait()

    async with relayed(tally=dropping, routes=ROUTES) as port:
        await decide(port, ConsentStatus.GIVEN)
        client = await port.connect()
        await client.send(LOOK)
        assert (await client.answer()).status == 200
        await client.send(LOOK)
        await port.settle(lambda: len(port.tally.requests) == 2)
        await decide(port, ConsentStatus.WITHDRAWN)
        hang_up.set()

        answer = await client.answer()
        assert (answer.status, answer.code) == (503, "consent_changed")
        assert len(port.tally.requests) == 2


@pytest.mark.parametrize(("raw", "times"), [(LOOK, 3), (SEND, 2)], ids=["safe", "unsafe"])
async def test_only_a_safe_call_is_sent_once_more(raw, times):
    async def dropping(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        await server.read_request(reader)

    scripts = [dropping, answering(OK)]

    async def script(server, reader, writer):
        await scripts[min(server.connections, 2) - 1](server, reader, writer)

    async with relayed(tally=script, routes=ROUTES) as port:
        await decide(port, ConsentStatus.GIVEN)
        client = await port.connect()
        await client.send(raw)
        assert (await client.answer()).status == 200
        await client.send(raw)
        answer = await client.answer()
        assert answer.status == (200 if times == 3 else 502)
        assert len(port.tally.requests) == times


async def test_the_record_stands_before_the_partner_hears_anything():
    ledger = Noted()
    ledger.held = []
    async with relayed(routes=ROUTES, ledger=ledger) as port:
        client = await port.connect()
        await client.send(ask(method=b"POST", target=b"/mailer/letter", body=BODY))
        await port.settle(lambda: ledger.held)
        await asyncio.sleep(0.05)
        assert port.mailer.connections == 0
        ledger.held[0].set_result(1)
        assert (await client.answer()).status == 200
        assert len(port.mailer.requests) == 1


async def test_without_a_ledger_that_takes_records_nothing_leaves():
    ledger = Noted()
    ledger.broken = True
    async with relayed(routes=ROUTES, ledger=ledger) as port:
        answer = await port.ask(ask(method=b"POST", target=b"/mailer/letter", body=BODY))
        assert (answer.status, answer.code) == (503, "audit_unavailable")
        assert port.mailer.connections == 0


@pytest.mark.parametrize("store", ["consent", "people"])
async def test_without_the_stores_that_tell_of_people_nothing_leaves(store, monkeypatch):
    def down(*_):
        raise StoreDown(Posture.CONSENT_STORE_DOWN, "down")

    async with relayed(routes=ROUTES) as port:
        await decide(port, ConsentStatus.GIVEN)
        monkeypatch.setattr(getattr(port.gateway.services, store), "state" if store == "consent" else "known", down)
        for raw in (SEND, LOOK):
            answer = await port.ask(raw)
            assert (answer.status, answer.code) == (503, "consent_store_down")
        assert port.received == []
