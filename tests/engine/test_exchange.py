"""Exchanges on paper: what leaves, what is recorded, what is refused."""

import json

import pytest
from rulebook import compiled, engine, record_of, run

from gateway.engine.engine import Engine
from gateway.engine.step import Refuse, Send
from gateway.engine.trial import PAPER_KEYS
from gateway.model.facts import Facts
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead
from gateway.model.words import ConsentStatus

JSON = ((b"Content-Type", b"application/json"),)
SIGN_UP = """
routes:
  - name: sign-up
    match: {method: POST, path: /things}
    to: shop
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: service}
        $.born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
        $.phone: {is: contact.phone_number, for: service, as: {mask: {keep_last: 4}}}
        header:X-Device: {is: device.device_id, for: ads}
    response:
      fields:
        $.email: {is: contact.email, for: service, as: pseudonym}
        $.internal: {is: account, for: service, as: drop}
      rest: pass
"""
BODY = (
    b'{"email":"ann@example.com", "born":"1990-01-02","phone":"+49 30 1234567","note":"x","n":12345678901234567890.10}'
)


def refused_as(trial):
    return trial.response.refusal.code if isinstance(trial.response, Refuse) else trial.code


def test_only_listed_fields_leave_and_the_rest_is_recorded_by_count():
    trial = run(engine(SIGN_UP), body=BODY)
    step = trial.request

    assert isinstance(step, Send)
    assert step.outgoing.body == b'{"email":"ann@example.com","phone":"+** ** ***4567"}'
    record = record_of(trial, step)
    assert record["kind"] == "collect"
    assert [(each["address"], each["action"], each.get("reason")) for each in record["fields"]] == [
        ("$.email", "keep", "listed"),
        ("$.born", "drop", "no_consent"),
        ("$.phone", "mask", "listed"),
        ("body:*", "drop", "unlisted_field"),
    ]
    assert record["fields"][3]["count"] == 2
    assert "ann@" not in str(record)
    assert record["subject"].startswith("s1.")


def test_consent_lets_the_field_pass_and_names_its_event():
    trial = run(engine(SIGN_UP), body=BODY, consents=[("ads", "*", ConsentStatus.GIVEN)])
    step = trial.request

    assert b'"born":"1990-01-02"' in step.outgoing.body
    assert record_of(trial, step)["consent"] == ["given-for-trial"]


def test_a_field_without_consent_blocks_unless_the_rule_says_otherwise():
    trial = run(engine(SIGN_UP), headers=(*JSON, (b"X-Device", b"d-17")), body=BODY)
    step = trial.request

    assert isinstance(step, Refuse)
    assert (step.refusal.code, step.refusal.status) == ("no_consent", 451)
    assert b'"purpose":"ads"' in step.refusal.body
    assert b"privacy@shop.example" in step.refusal.body
    assert b"d-17" not in step.refusal.body
    assert record_of(trial, step)["kind"] == "refuse"


@pytest.mark.parametrize("portal", ["", "/privacy"])
def test_a_refusal_says_where_consent_can_be_given_if_there_is_a_place(portal):
    under = Engine(compiled(SIGN_UP), PAPER_KEYS, DEFAULT_LIMITS, portal)
    step = run(under, headers=(*JSON, (b"X-Device", b"d-17")), body=BODY).request

    consent = {"purpose": "ads", "title": "Show you offers elsewhere", "contact": "privacy@shop.example"}
    assert json.loads(step.refusal.body)["consent"] == consent | ({"where": portal} if portal else {})


def test_gpc_wins_over_consent():
    headers = (*JSON, (b"Sec-GPC", b"1"))
    trial = run(engine(SIGN_UP), headers=headers, body=BODY, consents=[("ads", "*", ConsentStatus.GIVEN)])
    step = trial.request

    assert b"born" not in step.outgoing.body
    assert (b"Sec-GPC", b"1") in step.outgoing.headers
    assert {each.get("reason") for each in record_of(trial, step)["fields"]} >= {"gpc"}


def test_a_person_who_cannot_be_resolved_is_refused_where_consent_matters():
    trial = run(engine(SIGN_UP), body=b'{"born":"1990-01-02"}')
    step = trial.request

    assert isinstance(step, Refuse)
    assert step.refusal.code == "unresolved_subject"


def test_two_different_people_in_one_subject_field_are_nobody():
    rules = SIGN_UP.replace("{field: $.email}", "{field: 'query:who'}")
    trial = run(engine(rules), target=b"/things?who=a&who=b", body=b'{"born":"1990"}')

    assert trial.facts.subject is None


def test_the_response_is_pseudonymised_for_the_caller():
    answer = (
        200,
        (*JSON, (b"ETag", b'"v1"'), (b"Content-MD5", b"x")),
        b'{"email":"ann@example.com","internal":1,"ok":true}',
    )
    trial = run(engine(SIGN_UP), body=BODY, response=answer)

    step = trial.response
    assert step.outgoing.body.startswith(b'{"email":"p1.')
    assert step.outgoing.body.endswith(b'","ok":true}')
    names = {name.lower() for name, _ in step.outgoing.headers}
    assert b"content-md5" not in names
    assert (b"Accept-Ranges", b"none") in step.outgoing.headers
    assert any(name == b"ETag" and value.startswith(b'"v1-pg') for name, value in step.outgoing.headers)
    assert (b"Cache-Control", b"private") in step.outgoing.headers
    record = record_of(trial, step)
    assert (record["kind"], record["recipient"], record["status"]) == ("disclose", "caller", 200)


def test_a_message_with_nothing_to_change_is_the_very_same_bytes():
    body = b' {"email" : "a@b.c" } '
    trial = run(engine(SIGN_UP), body=body)
    step = trial.request

    assert step.outgoing.body is body


def test_the_entity_tag_comes_back_as_the_upstream_knows_it():
    under = engine(SIGN_UP)
    answer = (200, (*JSON, (b"ETag", b'"v1"')), b"{}")
    tag = next(v for n, v in run(under, body=BODY, response=answer).response.outgoing.headers if n == b"ETag")
    trial = run(under, headers=(*JSON, (b"If-None-Match", tag), (b"Range", b"bytes=0-4")), body=BODY)
    step = trial.request

    assert (b"If-None-Match", b'"v1"') in step.outgoing.headers
    assert not any(name == b"Range" for name, _ in step.outgoing.headers)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((206, (*JSON, (b"Content-Range", b"bytes 0-3/9")), b'{"em'), "unparsable_body"),
        ((200, JSON, b'{"email":"a","email":"b"}'), "duplicate_key"),
        ((200, ((b"Content-Type", b"text/html"),), b"<p>a@b.c"), "unknown_media_type"),
        ((500, JSON, b"{broken"), "unparsable_body"),
        ((200, (*JSON, (b"Content-Encoding", b"exi")), b"{}"), "unknown_content_coding"),
    ],
)
def test_an_answer_that_cannot_be_read_does_not_pass(answer, code):
    assert refused_as(run(engine(SIGN_UP), body=BODY, response=answer)) == code


def test_an_unreadable_body_may_be_emptied_where_the_rules_say_so():
    rules = SIGN_UP + "    postures: {unparsable_body: drop}\n"
    trial = run(engine(rules), body=b"{broken")
    step = trial.request

    assert step.outgoing.body == b""
    assert record_of(trial, step)["reason"] == "unparsable_body"


OBSERVED = SIGN_UP.replace("    to: shop", "    to: shop\n    mode: observe")


@pytest.mark.parametrize("body", [BODY, b"{broken", b'{"email":"a","email":"b"}', b"\xff\xfe"])
def test_observe_changes_nothing_and_records_what_would_have_happened(body):
    headers = (*JSON, (b"X-Device", b"d-17"), (b"User-Agent", b"curl/8"), (b"Range", b"bytes=0-1"))
    answer = (200, (*JSON, (b"ETag", b'"v1"')), b'{"email":"ann@example.com","internal":1}')
    trial = run(engine(OBSERVED), headers=headers, body=body, response=answer)

    assert trial.request.outgoing.body is body
    assert trial.request.outgoing.headers == headers
    assert trial.response.outgoing.headers == answer[1]
    assert trial.response.outgoing.body is answer[2]
    assert record_of(trial, trial.response)["mode"] == "observe"


def test_rest_block_refuses_unlisted_values():
    trial = run(engine(SIGN_UP.replace("response:", "  rest: {body: block}\n    response:")), body=BODY)
    step = trial.request

    assert step.refusal.code == "unlisted_field"


def test_an_expired_contract_refuses_everything():
    rules = SIGN_UP.replace(
        "routes:",
        "  late:\n    role: processor\n    upstream: http://127.0.0.1:1\n"
        "    contract: {ref: C, expires: 2026-01-01}\nroutes:",
    ).replace("to: shop", "to: late")
    trial = run(engine(rules), body=BODY)
    step = trial.request

    assert step.refusal.code == "contract_expired"


def test_no_route_is_refused():
    assert run(engine(SIGN_UP), method="GET", target=b"/other").code == "unknown_route"


def test_stripping_lets_nothing_personal_pass():
    under = engine(SIGN_UP)
    trial = run(under, body=BODY)
    step = trial.exchange.decide_request(trial.facts, strip=True)

    assert step.outgoing.body == b"{}"


def test_routes_that_share_a_header_block_keep_their_counts_apart():
    under = engine(
        """
routes:
  - name: one
    match: {method: POST, path: /one}
    to: shop
    request: {fields: {$.a: {is: name, for: service}}, rest: pass}
    response: {rest: pass}
  - name: two
    match: {method: POST, path: /two}
    to: shop
    request:
      fields: {$.a: {is: name, for: service}, $.b: {is: name, for: service, as: block}}
      rest: pass
    response: {rest: pass}
"""
    )
    derived: dict[object, object] = {}
    for path, body, refused in ((b"/one", b"{}", False), (b"/two", b"{}", False), (b"/two", b'{"b":1}', True)):
        head = RequestHead("POST", path, "shop.example", JSON, has_body=True, derived=derived)
        exchange = under.receive(head, b"0" * 26)
        exchange.open_request(body)
        assert isinstance(exchange.decide_request(Facts(0.0)), Refuse) is refused
