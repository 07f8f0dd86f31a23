"""Cookies of all routes through the engine: what passes either way, what is recorded, and what else changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rulebook import compiled, engine, record_of, run

from gateway.documents.cookie_names import name_of
from gateway.engine.compare import compare
from gateway.engine.engine import Engine
from gateway.engine.forgetting import forgotten
from gateway.engine.judge import all_rules
from gateway.engine.step import Refuse, Send
from gateway.engine.trial import PAPER_KEYS, step_record
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import header_values
from gateway.model.words import ConsentStatus

COOKIES = """
cookies:
  sid: {is: unique_id, for: service}
  _ga: {is: device.cookie_id, for: analytics}
  _ga_*: {is: device.cookie_id, for: analytics, max_age: 1d}
  fr: {is: device.cookie_id, for: ads}
"""
ROUTES = (
    COOKIES
    + """
routes:
  - name: page
    match: {path: /page}
    to: shop
    subject: {field: query:me}
    request: {rest: pass}
    response: {rest: pass}
  - name: strict
    match: {path: /strict}
    to: shop
    subject: {field: query:me}
    request: {rest: {query: pass, cookies: drop}}
    response: {rest: {body: pass, headers: pass, cookies: drop}}
  - name: static
    match: {path: /static}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
  - name: watched
    match: {path: /watched}
    to: shop
    mode: observe
    subject: {field: query:me}
    request: {rest: pass}
"""
)
UNDER = engine(ROUTES)
GIVEN = (("analytics", "*", ConsentStatus.GIVEN),)
WITHDRAWN = (("analytics", "*", ConsentStatus.WITHDRAWN),)
CARRIED = b"sid=1; _ga=2; theme=dark; _ga_X=3"


def ask(target=b"/page?me=ann", cookie=CARRIED, sets=(), consents=(), headers=(), under=UNDER):
    fields = (*((b"Set-Cookie", line) for line in sets), *headers)
    return run(under, "GET", target, ((b"Cookie", cookie),), consents=consents, response=(200, fields, b"ok"))


def sent(step, name=b"cookie"):
    assert isinstance(step, Send)
    return header_values(step.outgoing.headers, name)


@pytest.mark.parametrize(
    ("target", "consents", "onward"),
    [
        (b"/page?me=ann", (), [b"sid=1; theme=dark"]),
        (b"/page?me=ann", WITHDRAWN, [b"sid=1; theme=dark"]),
        (b"/page?me=ann", GIVEN, [CARRIED]),
        (b"/page", GIVEN, [b"sid=1; theme=dark"]),
        (b"/strict?me=ann", GIVEN, [b"sid=1; _ga=2; _ga_X=3"]),
        (b"/strict?me=ann", (), [b"sid=1"]),
        (b"/static", GIVEN, [b"sid=1; theme=dark"]),
        (b"/watched?me=ann", (), [CARRIED]),
    ],
)
def test_cookies_of_a_request(target, consents, onward):
    assert sent(ask(target, consents=consents).request) == onward


@pytest.mark.parametrize(
    ("target", "consents", "onward"),
    [
        (b"/page?me=ann", (), [b"sid=1; HttpOnly", b"theme=x"]),
        (b"/page?me=ann", GIVEN, [b"sid=1; HttpOnly", b"_ga=2; HttpOnly", b"_ga_X=3; Max-Age=86400", b"theme=x"]),
        (b"/strict?me=ann", GIVEN, [b"sid=1; HttpOnly", b"_ga=2; HttpOnly", b"_ga_X=3; Max-Age=86400"]),
        (b"/static", GIVEN, [b"sid=1; HttpOnly", b"theme=x"]),
    ],
)
def test_cookies_of_an_answer(target, consents, onward):
    sets = (b"sid=1; HttpOnly", b"_ga=2; HttpOnly", b"_ga_X=3; Max-Age=99999", b"theme=x")

    assert sent(ask(target, b"sid=1", sets, consents).response, b"set-cookie") == onward


def test_consent_for_the_service_counts_in_both_directions():
    consents = (("analytics", "shop", ConsentStatus.GIVEN),)
    trial = ask(b"/page?me=ann", b"_ga=1", [b"_ga=2"], consents)

    assert sent(trial.request) == [b"_ga=1"]
    assert sent(trial.response, b"set-cookie") == [b"_ga=2"]


def test_an_observed_route_records_what_would_become_of_them():
    trial = ask(b"/watched?me=ann", sets=[b"_ga=1"])

    assert [(each["address"], each["action"]) for each in record_of(trial)["fields"]] == [
        ("cookie:sid", "keep"),
        ("cookie:_ga", "drop"),
        ("cookie:_ga_*", "drop"),
    ]
    assert sent(trial.response, b"set-cookie") == [b"_ga=1"]


def test_the_record_names_the_template_class_purpose_and_reason():
    trial = ask(cookie=b"_ga_1=a; _ga_2=b", sets=[b"_ga_3=c"], consents=WITHDRAWN)
    field = {
        "action": "drop",
        "address": "cookie:_ga_*",
        "basis": "consent",
        "class": "user.device.cookie_id",
        "purpose": "analytics",
        "reason": "withdrawn",
    }

    assert record_of(trial)["fields"] == [field | {"count": 2}]
    assert step_record(trial, trial.response)["fields"] == [field | {"count": 1}]


def test_nothing_is_refused_because_nobody_is_known():
    trial = ask(b"/page", b"_ga=1")

    assert sent(trial.request) == []
    assert record_of(trial)["fields"][0]["reason"] == "unresolved_subject"
    assert header_values(trial.response.outgoing.headers, b"set-cookie") == []


def test_a_line_that_can_be_cut_in_two_ways_is_refused():
    assert isinstance(ask(cookie=b"theme=a _ga=1").request, Refuse)
    assert isinstance(ask(cookie=b"theme=a other=1").request, Send)


DELETED = [b"_ga=; Max-Age=0; Path=/", b"_ga=; Max-Age=0; Path=/; Domain=shop.example"]


@pytest.mark.parametrize(
    ("target", "cookie", "sets", "consents", "deleted"),
    [
        (b"/page?me=ann", b"_ga=1", [], (), DELETED),
        (b"/page?me=ann", b"_ga=1; _ga=2", [], WITHDRAWN, DELETED),
        (b"/page?me=ann", b"_ga=1", [b"_ga=2"], WITHDRAWN, DELETED),
        (b"/page?me=ann", b"_ga=1", [], GIVEN, []),
        (b"/page?me=ann", b"sid=1; theme=2", [], (), []),
        (b"/page", b"_ga=1", [], (), []),
        (b"/static", b"_ga=1", [], (), []),
        (b"/watched?me=ann", b"_ga=1", [], (), []),
    ],
)
def test_a_cookie_that_a_known_person_does_not_want_is_deleted(target, cookie, sets, consents, deleted):
    trial = ask(target, cookie, sets, consents)

    assert sent(trial.response, b"set-cookie") == deleted


def test_what_the_answer_sets_anew_and_may_set_is_not_deleted():
    rules = ROUTES.replace(
        "    response: {rest: pass}\n  - name: strict",
        "    response: {fields: {cookie:_ga: {is: device.cookie_id, for: service}}, rest: pass}\n  - name: strict",
    )
    trial = ask(cookie=b"_ga=1", sets=[b"_ga=2"], under=engine(rules))

    assert sent(trial.request) == []
    assert sent(trial.response, b"set-cookie") == [b"_ga=2"]


@pytest.mark.parametrize(
    ("cookie", "sets", "private"),
    [
        (b"sid=1", [], False),
        (b"sid=1", [b"theme=1"], False),
        (b"sid=1", [b"sid=1"], True),
        (b"sid=1", [b"_ga=1"], True),
        (b"_ga=1", [], True),
    ],
)
def test_only_an_answer_with_cookies_of_these_is_the_persons_own(cookie, sets, private):
    headers = ((b"Cache-Control", b"public, max-age=60"), (b"ETag", b'"v1"'))
    trial = ask(cookie=cookie, sets=sets, headers=headers)

    wanted = b"private, max-age=60" if private else b"public, max-age=60"
    assert sent(trial.response, b"cache-control") == [wanted]
    assert sent(trial.response, b"etag") == [b'"v1"']


def test_validators_of_content_do_not_depend_on_cookies():
    own = "response: {fields: {header:X-A: {is: device, for: service}}, rest: {body: drop,"
    under = engine(ROUTES.replace("response: {rest: {body: pass,", own))
    headers = ((b"Content-Type", b"text/plain"), (b"ETag", b'"v1"'))
    tags = {
        sent(ask(b"/strict?me=ann", b"sid=1", consents=consents, headers=headers, under=under).response, b"etag")[0]
        for consents in ((), GIVEN, WITHDRAWN)
    }

    assert len(tags) == 1
    assert tags != {b'"v1"'}


def test_an_observed_route_forgets_nothing():
    trial = ask(b"/watched?me=ann", b"_ga=1")

    assert forgotten(trial.request, ((b"Cookie", b"_ga=1"),)) == ()
    assert forgotten(ask(cookie=b"_ga=1").request, ((b"Cookie", b"_ga=1"),)) == ("_ga",)


def test_an_answer_that_sets_what_is_sold_varies_by_the_signal():
    assert sent(ask(sets=[b"fr=1"]).response, b"vary") == [b"Sec-GPC"]
    assert sent(ask().response, b"vary") == []


def test_a_cookie_of_all_routes_is_one_rule_of_the_coverage():
    assert all_rules(compiled(ROUTES)) == [("*", "both", f"cookie:{name}") for name in ("sid", "_ga", "_ga_*", "fr")]


def test_diff_tells_what_changes_for_a_cookie():
    new = compiled(ROUTES.replace("max_age: 1d", "max_age: 2d"))

    changes = compare(compiled(ROUTES), new, now=0.0)

    assert {(change.address, change.direction) for change in changes} == {
        ("cookie:_ga_*", "request"),
        ("cookie:_ga_*", "response"),
    }
    assert any("max_age 86400" in change.old and "max_age 172800" in change.new for change in changes)


def test_a_policy_without_the_key_deletes_nothing():
    under = Engine(
        compiled("""
routes:
  - name: page
    match: {path: /page}
    to: shop
    subject: {field: query:me}
    request: {fields: {cookie:_ga: {is: device.cookie_id, for: analytics, otherwise: drop}}, rest: pass}
    response: {rest: pass}
"""),
        PAPER_KEYS,
        DEFAULT_LIMITS,
    )
    trial = ask(cookie=b"_ga=1", under=under)

    assert sent(trial.request) == []
    assert sent(trial.response, b"set-cookie") == []


NAMES = st.sampled_from(["_ga", "_ga_1", "_ga_", "%5Fga", "_g%61_2", " _ga", "=_ga", "_ga ", "sid", "x", "", "ga"])
VALUES = st.sampled_from(["1", "", '"q"', "a=b", "_ga", "x _ga=2", "x,_ga_9=1", "=", " "])
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(["=", "", " = "]), VALUES).map("".join), min_size=1, max_size=5)


@given(st.lists(PAIRS, min_size=1, max_size=3), st.lists(PAIRS, max_size=3))
def test_p3_no_cookie_of_a_denied_purpose_survives_in_either_direction(lines, sets):
    cookies = tuple((b"Cookie", "; ".join(pairs).encode()) for pairs in lines)
    answers = tuple((b"Set-Cookie", "; ".join(pairs).encode()) for pairs in sets)
    trial = run(UNDER, "GET", b"/page?me=ann", cookies, consents=WITHDRAWN, response=(200, answers, b""))

    if isinstance(trial.request, Send):
        for line in sent(trial.request):
            for segment in line.replace(b",", b" ").replace(b";", b" ").split():
                if b"=" in segment:
                    assert not is_denied(segment)
            for segment in line.split(b";"):
                assert not is_denied(segment)
    if isinstance(trial.response, Send):
        for line in sent(trial.response, b"set-cookie"):
            segment = line.partition(b";")[0]
            assert not is_denied(segment) or line.startswith(segment + b"; Max-Age=0")


def is_denied(segment):
    name = name_of(segment).replace("%5F", "_").replace("%61", "a")
    return name == "_ga" or name.startswith("_ga_")
