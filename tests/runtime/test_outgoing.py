"""Calls that go out, before their bodies are read: who sends, to whom, by which rules, and what is recorded of it."""

import asyncio
import contextlib
import json

import pytest
from flowing import Noted
from outgoing_gateway import SECRET, basic, outgoing_gateway, policy_of

from gateway.model.errors import Fault, Source
from gateway.model.message import RequestHead
from gateway.model.words import Posture
from gateway.runtime.passage import Refused

RULES = """
version: 1
controller: {name: Shop, contact: privacy@shop.example}
purposes: {service: {basis: contract}}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  mailer: {role: processor, hosts: [api.mailer.example], contract: {ref: A}}
  tally: {role: processor, hosts: ["*.tally.example"], contract: {ref: B}}
routes:
  - name: mail
    match: {host: "api.mailer.example", method: POST, path: /send}
    to: mailer
    request: {fields: {$.to: {is: contact.email, for: service}}}
    response: {rest: pass}
  - name: site
    match: {path: /send}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
  - name: count
    match: {host: "*.tally.example", path: /count}
    to: tally
    request: {rest: pass}
    response: {rest: pass}
"""
PROVEN = (basic(),)


def head(host="api.mailer.example", target=b"/send", method="POST", peer="192.0.2.9"):
    return RequestHead(method, target, host, ((b"Host", host.encode()),), "https", peer)


@pytest.fixture
async def calls(tmp_path):
    ledger = Noted()
    async with outgoing_gateway(tmp_path, RULES, ledger=ledger) as (gateway, outgoing):
        outgoing.gateway, outgoing.ledger = gateway, ledger
        yield outgoing


def refused(calls, *arguments):
    with pytest.raises(Refused) as caught:
        calls.receive(*arguments)
    return caught.value.refusal


def told(record):
    return {key: record.get(key) for key in ("kind", "reason", "caller", "route", "recipient", "direction")}


@pytest.mark.parametrize(
    ("authorization", "peer", "caller"),
    [
        (PROVEN, "192.0.2.9", "application:shop"),
        (PROVEN, "10.2.0.7", "application:shop"),
        ((), "10.2.0.7", "application:batch"),
    ],
)
async def test_a_call_is_the_application_s_and_the_route_s(calls, authorization, peer, caller):
    passage = calls.receive(head(peer=peer), authorization)

    assert (passage.exchange.caller, passage.exchange.route.name, passage.recipient) == (caller, "mail", "mailer")
    passage.finish(200)


async def test_what_is_let_go_is_recorded_with_its_application(calls):
    headers = ((b"Content-Type", b"application/json"),)
    body = b'{"to":"ann@example.com"}'
    passage = calls.receive(RequestHead("POST", b"/send", "api.mailer.example", headers, has_body=True), PROVEN)

    assert (await passage.admit_request(body)).body == body
    assert [told(record) for record in calls.ledger.records] == [
        {
            "kind": "disclose",
            "reason": None,
            "caller": "application:shop",
            "route": "mail",
            "recipient": "mailer",
            "direction": "request",
        }
    ]
    passage.finish(200)


@pytest.mark.parametrize(
    "authorization",
    [(), (basic("shop", "wrong"),), (basic("other"),), (b"Bearer x",), (basic(), basic())],
    ids=["none", "secret", "name", "scheme", "twice"],
)
async def test_who_proves_nothing_is_asked_for_it_before_anything_else(calls, authorization):
    answers = [
        refused(calls, head(host), authorization)
        for host in ("api.mailer.example", "unknown.example", "a.tally.example")
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(407, "proxy_authentication_required")}
    assert all(b"proxy-authenticate" in dict(answer.headers) for answer in answers)
    kinds = {(record["kind"], record["reason"], record.get("caller")) for record in calls.ledger.records}
    assert kinds == ({("refuse", "proxy_authentication_required", None)} if authorization else set())
    assert SECRET not in json.dumps(calls.ledger.records)


@pytest.mark.parametrize(
    ("host", "target", "method", "code", "status", "route"),
    [
        ("unknown.example", b"/send", "POST", "unknown_recipient", 403, None),
        ("mailer.example", b"/send", "POST", "unknown_recipient", 403, None),
        ("tally.example", b"/count", "GET", "unknown_recipient", 403, None),
        ("", b"/send", "POST", "unknown_recipient", 403, None),
        ("api.mailer.example", b"/other", "POST", "unknown_route", 404, None),
        ("api.mailer.example", b"/send", "GET", "unknown_recipient", 403, "site"),
        ("a.tally.example", b"/send", "POST", "unknown_recipient", 403, "site"),
        ("a.tally.example", b"/count/../send", "POST", "ambiguous_framing", 400, None),
    ],
)
async def test_what_no_rule_lets_go_is_refused_and_recorded_with_its_application(
    calls, host, target, method, code, status, route
):
    answer = refused(calls, head(host, target, method), PROVEN)

    assert (answer.code, answer.status) == (code, status)
    (record,) = calls.ledger.records
    assert told(record) == {
        "kind": "refuse",
        "reason": code,
        "caller": "application:shop",
        "route": route,
        "recipient": "shop" if route else None,
        "direction": "request",
    }
    assert record["request"] == json.loads(answer.body)["record"]
    assert calls.gateway.services.metrics.in_flight == 0


async def test_a_new_policy_counts_from_the_next_call(calls):
    gateway = calls.gateway
    before = calls.receive(head(), PROVEN)
    gateway.swap(policy_of(RULES.replace("api.mailer.example", "api.other.example")))

    assert refused(calls, head(), PROVEN).code == "unknown_recipient"
    assert calls.receive(head("api.other.example"), PROVEN).recipient == "mailer"
    assert before.recipient == "mailer"
    gateway.swap(policy_of(RULES))
    assert calls.receive(head(), PROVEN).recipient == "mailer"


async def test_a_refusal_before_there_is_a_partner_says_who_sends_and_what_is_wrong(calls):
    fault = Fault(Posture.UNKNOWN_ROUTE, Source.CLIENT, "nowhere")

    with pytest.raises(Refused) as caught:
        raise calls.refused(fault, PROVEN, "192.0.2.9", detail="This leads nowhere.")
    assert json.loads(caught.value.refusal.body)["detail"] == "This leads nowhere."
    assert [told(record)["caller"] for record in calls.ledger.records] == ["application:shop"]
    with pytest.raises(Refused) as caught:
        calls.refused(fault, (), "192.0.2.9")
    assert caught.value.refusal.code == "proxy_authentication_required"


OBSERVED = RULES + "egress: {unknown: observe}\n"


async def test_calls_to_hosts_of_no_recipient_pass_where_the_rules_let_them(tmp_path):
    ledger = Noted()
    async with outgoing_gateway(tmp_path, RULES, ledger=ledger) as (gateway, outgoing):
        metrics = gateway.services.metrics
        with pytest.raises(Refused):
            outgoing.receive(head(host="cdn.tracker.example"), PROVEN)
        gateway.swap(policy_of(OBSERVED))
        passage = outgoing.receive(head(host="cdn.tracker.example"), PROVEN)
        await passage.admit_request(None)
        passage.finish(200)
        assert passage.passes_over_limit
        assert outgoing.receive(head(), PROVEN).recipient == "mailer"
        gateway.swap(policy_of(RULES))
        with pytest.raises(Refused) as caught:
            outgoing.receive(head(host="cdn.tracker.example"), PROVEN)

    assert caught.value.refusal.code == "unknown_recipient"
    assert metrics.unknown_destinations == {"refused": 2, "observed": 1}
    assert [(record["kind"], record.get("recipient"), record["caller"]) for record in ledger.records] == [
        ("refuse", None, "application:shop"),
        ("disclose", "*", "application:shop"),
        ("refuse", None, "application:shop"),
    ]
    assert ledger.records[1]["host"] == "cdn.tracker.example"


@pytest.mark.parametrize("asked", [head(), head(target=b"/nowhere"), head(host="in.tally.example")])
async def test_refused_calls_are_on_the_map(tmp_path, asked):
    noted = []
    async with outgoing_gateway(tmp_path, RULES, ledger=Noted()) as (gateway, outgoing):
        gateway.services.destinations.note = lambda *given, **more: noted.append((*given, more["refused"], more["way"]))
        with contextlib.suppress(Refused):
            outgoing.receive(asked, PROVEN).finish(403)
        owner = "tally" if "tally" in asked.host else "mailer"

    assert noted == [(asked.host, owner, "shop", True, "relay")]


async def test_p2_a_call_to_a_host_of_no_recipient_waits_for_its_record(tmp_path):
    ledger = Noted()
    ledger.held = []
    async with outgoing_gateway(tmp_path, OBSERVED, ledger=ledger) as (_, outgoing):
        admitted = asyncio.ensure_future(outgoing.receive(head(host="cdn.example"), PROVEN).admit_request(None))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not admitted.done()
        (record,) = ledger.held
        record.set_result(1)
        assert (await admitted).target == b"/send"
