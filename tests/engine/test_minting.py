"""Which pseudonyms of a person's identifier a message takes along: known from its plan, and the very ones it holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rulebook import engine, run

from gateway.model.words import ConsentStatus

ROUTE = """
routes:
  - name: r
    match: {{path: "/things/{{id}}"}}
    to: shop
    mode: {mode}
    subject: {{field: "{subject}"}}
    request: {{fields: {{{fields}}}, rest: pass}}
    response: {{fields: {{$.email: {{is: contact.email, for: service, as: pseudonym}}}}, rest: pass}}
"""
AS = "as: pseudonym"
JSON = ((b"Content-Type", b"application/json"),)
FORM = ((b"Content-Type", b"application/x-www-form-urlencoded"),)


def decided(subject, fields, *, mode="enforce", target=b"/things/ann", headers=JSON, body=b"", **more):
    rules = ROUTE.format(subject=subject, fields=fields, mode=mode)
    trial = run(engine(rules), target=target, headers=headers, body=body, **more)
    return trial.request.decision.plan, trial.request.outgoing


def field(address, data_class="contact.email", how=AS, purpose="service"):
    return f'"{address}": {{is: {data_class}, for: {purpose}, {how}}}'


@pytest.mark.parametrize(
    ("address", "target", "headers", "body"),
    [
        ("$.email", b"/things/x", JSON, b'{"email":"Ann@x.example"}'),
        ("$.deep[0].email", b"/things/x", JSON, b'{"deep":[{"email":"\\u0041nn@x.example"}]}'),
        ("$.id", b"/things/x", JSON, b'{"id":12.50}'),
        ("form:email", b"/things/x", FORM, b"email=Ann%40x.example"),
        ("query:email", b"/things/x?email=Ann+B%40x.example", (), b""),
        ("path:id", b"/things/Ann%40x.example", (), b""),
        ("header:X-User", b"/things/x", ((b"X-User", b" Ann@x.example "),), b""),
        ("cookie:user", b"/things/x", ((b"Cookie", b"a=1; user=Ann@x.example"),), b""),
    ],
)
def test_the_pseudonym_is_the_one_that_the_message_holds(address, target, headers, body):
    rules = ROUTE.format(subject=address, fields=field(address), mode="enforce")
    under = engine(rules)
    trial = run(under, target=target, headers=headers, body=body)
    exchange = trial.exchange
    identifier = exchange.open_request(body or None)
    (mint,) = trial.request.decision.plan.mints
    out = trial.request.outgoing
    sent = out.target + b"".join(value for _, value in out.headers) + (out.body or b"")
    assert mint(identifier).encode() in sent
    assert identifier.encode() not in sent


@given(st.text(min_size=1).filter(lambda text: text.strip() and text.isprintable()))
def test_whatever_the_identifier_is(identifier):
    rules = ROUTE.format(subject="$.email", fields=field("$.email"), mode="enforce")
    body = json.dumps({"email": identifier}).encode()
    trial = run(engine(rules), target=b"/things/x", body=body)
    (mint,) = trial.request.decision.plan.mints
    assert json.loads(trial.request.outgoing.body) == {"email": mint(trial.exchange.open_request(body))}


@pytest.mark.parametrize(
    ("subject", "fields", "minted"),
    [
        ("$.email", field("$['email']"), 1),
        ("$.email", field("$.mail"), 0),
        ("$.email", field("$.email", how="as: keep"), 0),
        ("$.email", field("$.email", how="as: hash"), 0),
        ("$.email", field("query:email"), 0),
        ("header:x-user", field("header:X-User"), 1),
        ("$.email", field("$.email") + ", " + field("$.mail"), 1),
    ],
)
def test_only_a_field_at_the_very_address_of_the_person_counts(subject, fields, minted):
    plan, _ = decided(subject, fields)
    assert len(plan.mints) == minted


def test_what_is_dropped_without_consent_is_not_given_out():
    fields = field("$.email", purpose="ads", how="as: pseudonym, otherwise: drop")
    body = b'{"email":"ann"}'
    assert decided("$.email", fields, body=body)[0].mints == ()
    given_consent = (("ads", "*", ConsentStatus.GIVEN),)
    assert len(decided("$.email", fields, body=body, consents=given_consent)[0].mints) == 1


def test_a_route_that_only_watches_gives_nothing_out_and_an_answer_is_not_the_request():
    assert decided("$.email", field("$.email"), mode="observe")[0].mints == ()
    rules = ROUTE.format(subject="$.email", fields=field("$.email"), mode="enforce")
    answer = (200, JSON, b'{"email":"ann"}')
    trial = run(engine(rules), target=b"/things/x", body=b'{"email":"ann"}', response=answer)
    assert trial.response.decision.plan.mints == ()


LIST = """
routes:
  - name: r
    match: {{path: /things}}
    to: shop
    subject: {{each: "$.items[*]", field: $.customer.id, in: {direction}}}
    request: {{fields: {{{request}}}, rest: pass}}
    response: {{fields: {{{response}}}, rest: pass}}
"""


@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_list_of_people_gives_out_those_of_its_items(direction):
    inside = field("$.items[*].customer.id", "unique_id")
    sections = {"request": field("query:x"), "response": field("$.x")} | {direction: inside}
    content = b'{"items":[{"customer":{"id":"ann"}},{"customer":{"id":"bob"}}]}'
    body = content if direction == "request" else b""
    trial = run(engine(LIST.format(direction=direction, **sections)), body=body, response=(200, JSON, content))
    step = trial.request if direction == "request" else trial.response
    assert [len(share.decision.plan.mints) for share in step.shares] == [1, 1]
    (mint,) = step.shares[0].decision.plan.mints
    assert json.loads(step.outgoing.body) == {
        "items": [{"customer": {"id": mint("ann")}}, {"customer": {"id": mint("bob")}}]
    }


def test_on_paper_a_pseudonym_is_nobodys_unless_the_facts_name_somebody():
    rules = ROUTE.format(
        subject="$.email", fields=field("$.email", how="otherwise: drop", purpose="ads"), mode="enforce"
    )
    given_consent = (("ads", "*", ConsentStatus.GIVEN),)
    body = json.dumps({"email": "p1.26q4a." + "A" * 22}).encode()
    alone = run(engine(rules), target=b"/things/x", body=body, consents=given_consent)
    assert alone.facts.subject is None
    named = run(engine(rules), target=b"/things/x", body=body, consents=given_consent, subject="ann")
    assert named.facts.subject is not None
    assert named.request.outgoing.body == body
