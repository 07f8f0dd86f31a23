"""Lists of people on paper: cases, explanations, and what the engine says of each person."""

import json

from rulebook import NOW, compiled, engine

from gateway.cli.captures import Capture
from gateway.cli.explain import explanation
from gateway.engine.compare import compare
from gateway.engine.each import decide_each, people_listed
from gateway.engine.judge import judge, uncovered
from gateway.engine.step import Refuse, Send
from gateway.engine.treatment import treatment_key
from gateway.engine.trial import GivenFacts, try_exchange
from gateway.model.facts import Consent, Facts, SubjectState
from gateway.model.message import RequestHead, ResponseHead
from gateway.model.words import ConsentStatus, Direction
from gateway.policy.cases import read_cases

ROUTES = """
routes:
  - name: customers
    match: {path: /customers}
    to: shop
    subject: {each: "$.items[*]", field: $.id}
    request: {rest: pass}
    response:
      fields:
        $.items[*].email: {is: contact.email, for: ads, otherwise: drop}
        $.total: {is: financial, for: service}
      rest: pass
"""
CASE = """
version: 1
cases:
  - name: one withdrew
    request: {path: /customers}
    response: {json: {items: [{id: a, email: x}, {id: b, email: y}, {id: c, email: z}], total: 3}}
    facts: {people: {b: {ads: withdrawn}}, consents: {ads: given}}
    expect:
      forward: {path: /customers}
      response:
        forward: {json: {items: [{id: a, email: x}, {id: b}, {id: c, email: z}], total: 3}}
        record: {kind: disclose, fields: {$.total: keep}}
"""
HEAD = RequestHead("GET", b"/customers", "localhost", ())
JSON = ((b"Content-Type", b"application/json"),)


def test_a_case_says_what_each_person_decided_and_reaches_the_rules_of_items():
    (case,) = read_cases({"a.cases.yaml": CASE})
    outcome = judge(engine(ROUTES), case, now=NOW)

    assert outcome.differences == ()
    assert uncovered(compiled(ROUTES), [outcome]) == []


def tried(body, **people):
    given = GivenFacts(NOW, people={name: (("ads", "*", status),) for name, status in people.items()})
    return try_exchange(engine(ROUTES), HEAD, b"", given, (ResponseHead(200, JSON), body))


def test_identifiers_of_one_person_are_one_share():
    body = b'{"items":[{"id":"Ann@shop.example","email":1},{"id":"ann@shop.example","email":2}]}'
    trial = tried(body, **{"Ann@shop.example": ConsentStatus.GIVEN, "ann@shop.example": ConsentStatus.GIVEN})

    assert isinstance(trial.response, Send)
    (share,) = trial.response.shares
    assert share.counts.fields == (2, 0)
    assert trial.response.outgoing.body == body


def test_an_explanation_shows_each_person():
    body = b'{"items":[{"id":"a","email":1},{"id":"b","email":2}],"total":2}'
    answer = (ResponseHead(200, JSON), body)
    trial = tried(body, a=ConsentStatus.GIVEN, b=ConsentStatus.WITHDRAWN)
    found = explanation(trial, Capture(HEAD, b""), answer)["response"]

    assert [each["count"] for each in found["fields"]] == [0, 1]
    assert [(each[0]["action"], each[0]["reason"], each[0]["count"]) for each in found["people"]] == [
        ("keep", "listed", 1),
        ("drop", "withdrawn", 1),
    ]
    assert json.loads(json.dumps(found))


def test_routes_that_list_other_people_are_treated_apart():
    (one,) = compiled(ROUTES).routes
    (other,) = compiled(ROUTES.replace("$.id", "$.owner")).routes
    assert treatment_key(one) != treatment_key(other)
    (change,) = compare(compiled(ROUTES), compiled(ROUTES.replace("$.id", "$.owner")), now=NOW)
    assert "$.owner of each $.items[*] in the response" in str(change)


def test_a_refusal_that_speaks_of_somebody_leaves_the_next_decision_nobodys():
    routes = ROUTES.replace("otherwise: drop", "otherwise: block")
    under = engine(routes)
    body = b'{"items": [{"id": "a", "email": "x"}], "total": 3}'
    exchange = under.receive(HEAD, b"r")
    exchange.open_request(None)
    exchange.decide_request(Facts(NOW))
    exchange.open_response(ResponseHead(200, JSON), body)
    listed = people_listed(exchange.content)
    withdrawn = SubjectState({("ads", "*"): Consent("ads", "*", ConsentStatus.WITHDRAWN, "e")})
    given = SubjectState({("ads", "*"): Consent("ads", "*", ConsentStatus.GIVEN, "e")})

    refused = decide_each(exchange, Direction.RESPONSE, listed, {"a": Facts(NOW, "s1.a", withdrawn)}, now=NOW)
    assert isinstance(refused, Refuse)
    assert exchange.subject == "s1.a"
    sent = decide_each(exchange, Direction.RESPONSE, listed, {"a": Facts(NOW, "s1.a", given)}, now=NOW)

    assert isinstance(sent, Send)
    assert [share.subject for share in sent.shares] == ["s1.a"]
    assert exchange.subject is None
