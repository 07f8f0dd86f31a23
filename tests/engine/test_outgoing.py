"""Calls that go out to partners, on paper: who takes their routes, what leaves, what is recorded."""

import json

import pytest
from rulebook import NOW, compiled, record_of

from gateway.engine.engine import Engine
from gateway.engine.step import Refuse, Send
from gateway.engine.trial import PAPER_KEYS, GivenFacts, try_exchange
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead, ResponseHead
from gateway.model.words import ConsentStatus

RULES = """
  mailer:
    role: processor
    hosts: [api.mailer.example]
    contract: {ref: A, expires: 2026-12-31}
    may_receive: {contact.email: service}
  tally: {role: partner, hosts: [in.tally.example], contract: {ref: B}}
  both: {role: partner, hosts: [both.example], upstream: "http://127.0.0.1:2", contract: {ref: C}}
routes:
  - name: mail
    match: {host: api.mailer.example, method: POST, path: /send}
    to: mailer
    caller: shop
    subject: {field: $.to}
    request:
      fields:
        $.to: {is: contact.email, for: service}
        $.name: {is: name, for: service, otherwise: drop}
    response: {fields: {$.id: {is: unique_id, for: service}}, rest: drop}
  - name: count
    match: {host: in.tally.example, method: POST, path: /send}
    to: tally
    caller: shop
    subject: {field: $.to}
    request: {fields: {$.to: {is: contact.email, for: analytics, as: pseudonym}}}
    response: {fields: {$.id: {is: unique_id, for: service}}, rest: drop}
  - name: either
    match: {host: both.example, path: /send}
    to: both
    request: {rest: pass}
    response: {rest: pass}
  - name: site
    match: {path: /**}
    to: shop
    request: {fields: {$.to: {is: contact.email, for: service}}}
    response: {fields: {$.id: {is: unique_id, for: service}}, rest: drop}
"""
JSON = ((b"Content-Type", b"application/json"),)
BODY = {"to": "ann@example.com", "name": "Ann", "more": 1}


def called(host, *, outgoing=True, consents=(), now=NOW, under=None, goes_out=None):
    under = under or Engine(compiled(RULES), PAPER_KEYS, DEFAULT_LIMITS, outgoing=outgoing)
    head = RequestHead("POST", b"/send", host, JSON, has_body=True)
    answer = ResponseHead(200, JSON), b'{"id":"m-1","to":"ann@example.com"}'
    given = GivenFacts(now, None, tuple(consents), outgoing=goes_out)
    return try_exchange(under, head, json.dumps(BODY).encode(), given, answer)


@pytest.mark.parametrize(
    ("host", "outgoing", "route"),
    [
        ("shop.example", False, "site"),
        ("shop.example", True, "site"),
        ("api.mailer.example", False, None),
        ("api.mailer.example:443", False, None),
        ("api.mailer.example", True, "mail"),
        ("in.tally.example", False, None),
        ("in.tally.example", True, "count"),
        ("both.example", False, "either"),
        ("both.example", True, "either"),
    ],
)
def test_routes_to_recipients_without_an_upstream_are_for_calls_that_go_out(host, outgoing, route):
    trial = called(host, outgoing=outgoing)

    assert (trial.exchange and trial.exchange.route.name) == route
    assert trial.code == ("" if route else "unknown_route")


def test_engines_of_both_kinds_share_a_policy_and_agree_each_with_itself():
    policy = compiled(RULES)
    ingress = Engine(policy, PAPER_KEYS, DEFAULT_LIMITS)
    egress = Engine(policy, PAPER_KEYS, DEFAULT_LIMITS, outgoing=True)

    codes = [called("api.mailer.example", under=each).code for each in (egress, ingress, egress, ingress, ingress)]

    assert codes == ["", "unknown_route", "", "unknown_route", "unknown_route"]


def test_a_partner_gets_what_it_may_receive_and_nothing_else():
    trial = called("api.mailer.example")

    assert json.loads(trial.request.outgoing.body) == {"to": "ann@example.com"}
    assert [(each["address"], each["action"], each["reason"]) for each in record_of(trial)["fields"]] == [
        ("$.to", "keep", "listed"),
        ("$.name", "drop", "not_permitted_for_recipient"),
        ("body:*", "drop", "unlisted_field"),
    ]


def test_a_contract_that_ended_refuses_calls():
    assert isinstance(called("api.mailer.example", now=1_798_761_599.0).request, Send)
    trial = called("api.mailer.example", now=1_798_761_600.0)

    assert isinstance(trial.request, Refuse)
    assert trial.request.refusal.code == "contract_expired"


@pytest.mark.parametrize(
    ("consents", "leaves"),
    [
        ((), False),
        ((("analytics", "*", ConsentStatus.GIVEN),), True),
        ((("analytics", "tally", ConsentStatus.GIVEN),), True),
        ((("analytics", "mailer", ConsentStatus.GIVEN),), False),
        ((("analytics", "*", ConsentStatus.GIVEN), ("analytics", "tally", ConsentStatus.WITHDRAWN)), False),
    ],
)
def test_consent_counts_for_the_very_partner(consents, leaves):
    step = called("in.tally.example", consents=consents).request

    assert isinstance(step, Send) == leaves
    if leaves:
        assert json.loads(step.outgoing.body)["to"].startswith("p1.")


def test_what_a_partner_answers_to_an_own_application_is_collected():
    kinds = {}
    for host in ("api.mailer.example", "shop.example"):
        trial = called(host)
        kinds[host] = record_of(trial)["kind"], record_of(trial, trial.response)["kind"]

    assert kinds == {"api.mailer.example": ("disclose", "collect"), "shop.example": ("collect", "disclose")}


@pytest.mark.parametrize(
    ("to", "caller", "kinds"),
    [
        ("shop", "caller", ("collect", "disclose")),
        ("shop", "mailer", ("collect", "disclose")),
        ("shop", "admin", ("collect", "disclose")),
        ("mailer", "caller", ("disclose", "disclose")),
        ("mailer", "partner", ("disclose", "disclose")),
        ("mailer", "admin", ("disclose", "collect")),
    ],
)
def test_the_kind_of_a_record_says_whether_the_controller_gains_data(to, caller, kinds):
    policy = compiled(
        f"""
  admin: {{role: controller, upstream: "http://127.0.0.1:2"}}
  mailer: {{role: processor, hosts: [api.mailer.example], contract: {{ref: A}}}}
  partner: {{role: partner, upstream: "http://127.0.0.1:3"}}
routes:
  - name: one
    match: {{host: api.mailer.example, path: /send}}
    to: {to}
    caller: {caller}
    request: {{fields: {{$.to: {{is: contact.email, for: service}}}}}}
    response: {{fields: {{$.id: {{is: unique_id, for: service}}}}}}
"""
    )
    under = Engine(policy, PAPER_KEYS, DEFAULT_LIMITS, outgoing=True)
    trial = called("api.mailer.example", under=under, goes_out=to == "mailer")

    assert (record_of(trial)["kind"], record_of(trial, trial.response)["kind"]) == kinds


@pytest.mark.parametrize(
    ("host", "goes_out", "code", "route"),
    [
        ("api.mailer.example", None, "", "mail"),
        ("api.mailer.example", True, "", "mail"),
        ("api.mailer.example", False, "unknown_route", None),
        ("both.example", None, "", "either"),
        ("both.example", True, "", "either"),
        ("elsewhere.example", None, "", "site"),
        ("elsewhere.example", True, "unknown_recipient", None),
        ("shop.example", None, "", "site"),
        ("shop.example", True, "unknown_recipient", None),
        ("other.mailer.example", True, "unknown_recipient", None),
    ],
)
def test_on_paper_the_host_says_which_way_a_message_goes_unless_a_fact_does(host, goes_out, code, route):
    trial = called(host, goes_out=goes_out)

    assert (trial.code, trial.exchange and trial.exchange.route.name) == (code, route)


def test_a_call_that_would_take_the_route_of_somebody_else_is_refused():
    stray = RULES.replace("in.tally.example, method: POST, path: /send", "in.tally.example, method: POST, path: /count")
    trial = called("in.tally.example", under=Engine(compiled(stray), PAPER_KEYS, DEFAULT_LIMITS, outgoing=True))

    assert (trial.code, trial.exchange) == ("unknown_recipient", None)


def test_where_unknown_hosts_are_observed_a_call_to_one_leaves_as_it_is():
    observing = RULES.replace("routes:", "egress: {unknown: observe}\nroutes:")
    under = Engine(compiled(observing), PAPER_KEYS, DEFAULT_LIMITS, outgoing=True)

    step = called("elsewhere.example", under=under, goes_out=True).request

    assert isinstance(step, Send)
    assert (json.loads(step.outgoing.body), step.outgoing.headers) == (BODY, JSON)
