"""`subject: identity` on paper: the person is whom a verified source names, and nobody else."""

import pytest
from rulebook import compiled, engine, record_of

from gateway.engine.compare import compare
from gateway.engine.judge import judge
from gateway.engine.trial import PAPER_KEYS, GivenFacts, step_record, try_exchange
from gateway.model.errors import ConfigError
from gateway.model.identity import Identity, IdentitySource
from gateway.model.message import RequestHead
from gateway.model.words import ConsentStatus
from gateway.policy.cases import identity_on_paper, read_cases
from gateway.policy.compile import compile_policy

ROUTES = """
routes:
  - name: me
    match: {path: /me}
    to: shop
    subject: identity
    request:
      fields: {"header:X-Phone": {is: contact.phone_number, for: analytics, otherwise: drop}}
    response: {rest: pass}
  - name: you
    match: {path: /you}
    to: shop
    subject: {field: "header:X-User"}
    request:
      fields: {"header:X-Phone": {is: contact.phone_number, for: analytics, otherwise: drop}}
    response: {rest: pass}
  - name: whoever
    match: {path: /whoever}
    to: shop
    request:
      fields: {"header:X-Phone": {is: contact.phone_number, for: service, otherwise: drop}}
    response: {rest: pass}
  - name: mine
    match: {path: /mine}
    to: shop
    subject: identity
    request:
      fields: {"header:X-Phone": {is: contact.phone_number, for: service, otherwise: drop}}
    response: {rest: pass}
"""
ANN = "ann@shop.example"
HEADERS = ((b"X-User", b"eve@shop.example"), (b"X-Phone", b"0171"))
GIVEN = (("analytics", "*", ConsentStatus.GIVEN),)


def tried(path, name, source=IdentitySource.TOKEN):
    identity = None if name is None else Identity(source, name, 0.0)
    head = RequestHead("GET", path, "shop.example", HEADERS)
    return try_exchange(engine(ROUTES), head, b"", GivenFacts(0.0, None, GIVEN, identity))


def subject_of(name):
    return PAPER_KEYS.subject_handle(name)


@pytest.mark.parametrize("source", list(IdentitySource))
def test_the_identity_is_the_subject_and_the_caller(source):
    record = record_of(tried(b"/me", ANN, source))
    assert (record["subject"], record["caller"]) == (subject_of(ANN), f"{source}:{subject_of(ANN)}")
    assert record["fields"][0]["reason"] == "listed"


def test_nothing_that_a_client_says_is_an_identity():
    trial = tried(b"/me", None)
    assert trial.request.reason == "unresolved_subject"
    assert step_record(trial, trial.request)["caller"] == "anonymous"


def test_where_a_field_names_the_person_the_identity_is_only_the_caller():
    record = record_of(tried(b"/you", ANN))
    assert (record["subject"], record["caller"]) == (subject_of("eve@shop.example"), f"token:{subject_of(ANN)}")


def test_where_the_route_names_nobody_the_record_does_not_either():
    record = record_of(tried(b"/whoever", ANN))
    assert (record["subject"], record["caller"]) == (None, f"token:{subject_of(ANN)}")
    assert record_of(tried(b"/mine", ANN))["subject"] == subject_of(ANN)


def test_the_kinds_of_route_share_no_plan():
    under = engine(ROUTES)
    plans = [under._way(route).request for route in under.policy.routes]
    assert len({id(each) for each in plans}) == len(plans)


def test_a_difference_of_policies_names_it():
    before, after = compiled(ROUTES), compiled(ROUTES.replace("subject: identity", 'subject: {field: "header:X-User"}'))
    changes = [each for each in compare(before, after, now=0.0) if each.address == "subject"]
    assert [each.route for each in changes] == ["me", "mine"]
    assert {(each.old, each.new) for each in changes} == {("identity", "header:X-User")}


CASE = """
version: 1
cases:
  - name: someone known
    request: {{path: /me, headers: {{X-Phone: "0171"}}}}
    facts: {{identity: {identity}, consents: {{analytics: given}}}}
    expect: {{forward: {{headers: {{X-Phone: "0171"}}}}}}
"""


def test_a_case_gives_an_identity():
    [case] = read_cases({"a.cases.yaml": CASE.format(identity="{token: ann@shop.example}")})
    assert judge(engine(ROUTES), case, now=0.0).passed
    [case] = read_cases({"a.cases.yaml": CASE.format(identity="{token: ann}").replace("identity: {token: ann}, ", "")})
    assert not judge(engine(ROUTES), case, now=0.0).passed


@pytest.mark.parametrize(
    ("identity", "known"),
    [
        ("{session: ann@shop.example}", True),
        ("{visitor: AAAAAAAAAAAAAAAAAAAAAA}", True),
        ("{visitor: 'visitor:AAAAAAAAAAAAAAAAAAAAAA'}", True),
        ("{token: 'visitor:AAAAAAAAAAAAAAAAAAAAAA'}", False),
        ("{session: 'Visitor:x'}", False),
    ],
)
def test_a_case_gives_a_session_or_a_visitor(identity, known):
    [case] = read_cases({"a.cases.yaml": CASE.format(identity=identity)})
    assert judge(engine(ROUTES), case, now=0.0).passed is known


@pytest.mark.parametrize("name", ["visitor:x", "x"])
def test_a_visitor_is_called_by_either_name(name):
    trial = try_exchange(
        engine(ROUTES),
        RequestHead("GET", b"/me", "shop.example", HEADERS),
        b"",
        GivenFacts(0.0, None, GIVEN, identity_on_paper(IdentitySource.VISITOR, name)),
    )
    assert record_of(trial)["caller"] == "visitor:" + subject_of("visitor:x")


@pytest.mark.parametrize(
    ("identity", "code"),
    [("ann", "PG104"), ("{}", "PG108"), ("{password: ann}", "PG105"), ("{token: a, header: b}", "PG108")],
)
def test_a_case_names_one_source(identity, code):
    with pytest.raises(ConfigError) as caught:
        read_cases({"a.cases.yaml": CASE.format(identity=identity)})
    assert code in [found.code for found in caught.value.diagnostics]


@pytest.mark.parametrize("subject", ["identty", "identity: {field: $.a}", "[identity]", ""])
def test_what_is_no_subject(subject):
    text = "version: 1\n" + ROUTES.replace("subject: identity", f"subject: {subject}")
    policy, diagnostics = compile_policy({"rules.yaml": text}, today="2026-11-23")
    assert policy is None
    assert {"PG101", "PG104", "PG107"} & {found.code for found in diagnostics}


def test_consent_needs_no_address_where_the_identity_is_the_subject():
    assert compiled(ROUTES).routes[0].names_person
