"""Signals on paper: what a request carries, what that takes away, and that it never gives anything."""

import json

import consent_strings as write
import pytest
from rulebook import NOW, TODAY

from gateway.engine.compare import compare
from gateway.engine.engine import Engine
from gateway.engine.entity import response_fields
from gateway.engine.trial import PAPER_KEYS, GivenFacts, step_record, try_exchange
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead, ResponseHead, header_values
from gateway.model.words import ConsentStatus
from gateway.policy.compile import load_policy

RULES = """
version: 1
controller: {name: Example GmbH}
SIGNALS
purposes:
  service: {basis: contract}
  plain:   {basis: consent}
  ads:     {basis: consent, tcf: [3, 4]}
  ads.email: {basis: consent}
  sale:    {basis: contract, sale_or_share: true}
  fraud:   {basis: legitimate_interest}
  sewers:  {basis: public_interest}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:1"}
  dsp:  {role: partner, upstream: "http://127.0.0.1:2", tcf_vendor: 42}
routes:
  - name: all
    match: {path: /all/**}
    to: shop
    subject: {field: header:X-Person}
    request:
      fields:
        header:X-Service: {is: name, for: service, otherwise: drop}
        header:X-Plain:   {is: name, for: plain, otherwise: drop}
        header:X-Ads:     {is: name, for: ads, otherwise: drop}
        header:X-Mail:    {is: name, for: ads.email, otherwise: drop}
        header:X-Sale:    {is: name, for: sale, otherwise: drop}
        header:X-Fraud:   {is: name, for: fraud, otherwise: drop}
        header:X-Sewers:  {is: name, for: sewers, otherwise: drop}
      rest: {headers: drop, query: pass, cookies: pass}
    response: {rest: pass}
  - name: dsp
    match: {path: /dsp}
    to: dsp
    subject: {field: header:X-Person}
    request: {fields: {header:X-Ads: {is: name, for: ads, otherwise: drop}}, rest: {query: pass, cookies: pass}}
    response: {rest: pass}
  - name: plain
    match: {path: /plain}
    to: shop
    request: {fields: {header:X-Service: {is: name, for: service}}, rest: pass}
    response: {rest: pass}
  - name: fraud
    match: {path: /fraud}
    to: shop
    request: {rest: pass}
    response: {fields: {header:X-Fraud: {is: name, for: fraud, otherwise: drop}}, rest: pass}
"""
PURPOSES = ("service", "plain", "ads", "mail", "sale", "fraud", "sewers")
FIELDS = tuple((f"X-{name.capitalize()}".encode(), b"v") for name in PURPOSES)
PERSON = (b"X-Person", b"ann")
EVERY = "signals: {dnt: objection, tcf: {cookie: euconsent-v2, query: gdpr_consent}, gpp: {cookie: gpp, query: gpp}}"
CONSENTS = tuple((name, "*", ConsentStatus.GIVEN) for name in ("plain", "ads", "ads.email"))


def under(signals=EVERY):
    policy = load_policy({"a.yaml": RULES.replace("SIGNALS", signals)}, today=TODAY)
    return Engine(policy, PAPER_KEYS, DEFAULT_LIMITS)


ENGINE = under()


def trial(*carried, target=b"/all/x", engine=ENGINE, consents=CONSENTS, answer=()):
    head = RequestHead("GET", target, "shop.example", (PERSON, *FIELDS, *carried))
    reply = (ResponseHead(200, answer), b"")
    return try_exchange(engine, head, b"", GivenFacts(NOW, consents=consents), reply)


def passed(*carried, **options):
    """Which of the purposes' fields go on."""
    names = {name.lower() for name, _ in trial(*carried, **options).request.outgoing.headers}
    return {name for name in PURPOSES if f"x-{name}".encode() in names}


def lost(*carried, **options):
    everything = passed(**{**options, "target": options.get("target", b"/all/x").partition(b"?")[0]})
    found = passed(*carried, **options)
    assert found <= everything
    return everything - found


def cookie(name, *values):
    return (b"Cookie", "; ".join(f"{name}={value}" for value in values).encode())


def test_without_any_signal_everything_that_is_allowed_passes():
    assert passed() == set(PURPOSES)


@pytest.mark.parametrize(
    ("values", "signalled"),
    [
        ([b"1"], True), ([b"0", b"1"], True), ([b"1", b"0"], True), ([b"1", b"1"], True), ([b"x", b"", b"1"], True),
        ([], False), ([b"0"], False), ([b""], False), ([b"true"], False), ([b"1, 1"], False), ([b"1,0"], False),
        ([b"01"], False), ([b"1;x"], False), ([b'"1"'], False), ([b"\xc2\xb9"], False),
        ([b"1.0"], False), ([b"+1"], False),
    ],
)  # fmt: skip
def test_global_privacy_control_is_the_value_1_and_nothing_else(values, signalled):
    carried = [(b"Sec-GPC", value) for value in values]

    assert lost(*carried) == ({"sale"} if signalled else set())


@pytest.mark.parametrize("name", [b"Sec-GPC", b"sec-gpc", b"SEC-GPC"])
def test_the_signals_go_on_whatever_the_rules_drop(name):
    for value in (b"1", b"0", b"x"):
        sent = trial((name, value), (b"DNT", b"1"), (b"X-Other", b"1")).request.outgoing.headers
        assert (name, value) in sent
        assert (b"DNT", b"1") in sent
        assert not header_values(sent, b"x-other")


def test_the_record_says_why():
    found = trial((b"Sec-GPC", b"1"), (b"DNT", b"1"))
    reasons = {each["address"]: each.get("reason") for each in step_record(found, found.request)["fields"]}

    assert (reasons["header:X-Sale"], reasons["header:X-Fraud"]) == ("gpc", "objected")


@pytest.mark.parametrize(
    ("values", "objects"),
    [
        ([b"1"], True), ([b"1xy"], True), ([b"0", b"1"], True), ([b"0"], False), ([b"null"], False), ([b""], False),
        ([b"1,0"], False), ([b"1 x"], False), ([b'1"'], False), ([b"1\\"], False),
        ([b"01"], False), ([b"1\xe9"], False),
    ],
)  # fmt: skip
def test_do_not_track_is_an_objection_to_what_rests_on_legitimate_interest(values, objects):
    carried = [(b"DNT", value) for value in values]

    assert lost(*carried) == ({"fraud"} if objects else set())
    assert lost(*carried, engine=under("signals: {dnt: ignore}")) == set()
    assert lost(*carried, engine=under("")) == set()


FULL = write.tc_string(consent={3, 4}, consented={42})


@pytest.mark.parametrize(
    ("string", "gone"),
    [
        (FULL, set()),
        (write.tc_string(consent={3, 4}), set()),
        (write.tc_string(consent=set(range(1, 12)) - {4}), {"ads", "mail"}),
        (write.tc_string(consent={4}), {"ads", "mail"}),
        (write.tc_string(), {"ads", "mail"}),
        (FULL[:-1] + "B", {"ads", "mail"}),
        (write.tc_string(consent={3, 4}, policy=2), {"ads", "mail"}),
        ("", {"ads", "mail"}),
        ("C" * 5000, {"ads", "mail"}),
        ("${GDPR_CONSENT_42}", {"ads", "mail"}),
    ],
)
def test_a_tc_string_narrows_the_purposes_that_are_mapped(string, gone):
    escaped = string.replace("$", "%24").replace("{", "%7B").replace("}", "%7D")
    assert lost(cookie("euconsent-v2", string)) == gone
    assert lost(target=f"/all/x?a=1&gdpr_consent={escaped}".encode()) == gone
    assert lost(cookie("euconsent-v2", string), engine=under("signals: {tcf: {query: other}}")) == set()


def test_a_tc_string_never_widens():
    for consents in ((), (("ads", "*", ConsentStatus.REFUSED),), (("*", "*", ConsentStatus.WITHDRAWN),)):
        assert "ads" not in passed(cookie("euconsent-v2", FULL), consents=consents)


def test_without_consent_here_the_reason_stays_the_person_s_own():
    found = trial(cookie("euconsent-v2", write.tc_string()), consents=(("ads", "*", ConsentStatus.WITHDRAWN),))
    reasons = {each["address"]: each.get("reason") for each in step_record(found, found.request)["fields"]}

    assert (reasons["header:X-Ads"], reasons["header:X-Mail"]) == ("withdrawn", "withdrawn")


def test_several_strings_all_have_to_hold_consent():
    refusing = write.tc_string(consent={3})
    assert lost(cookie("euconsent-v2", FULL, FULL)) == set()
    assert lost(cookie("euconsent-v2", FULL, refusing)) == {"ads", "mail"}
    assert lost(cookie("euconsent-v2", FULL), cookie("euconsent-v2", refusing)) == {"ads", "mail"}
    assert lost(cookie("euconsent-v2", FULL), target=f"/all/x?gdpr_consent={refusing}".encode()) == {"ads", "mail"}
    assert lost(cookie("euconsent-v2", *[FULL] * 8)) == set()
    assert lost(cookie("euconsent-v2", *[FULL] * 9)) == {"ads", "mail"}


@pytest.mark.parametrize(
    ("string", "reaches"),
    [
        (FULL, True),
        (write.tc_string(consent={3, 4}), False),
        (write.tc_string(consent={3, 4}, consented={42}, disclosed={41}), False),
        (write.tc_string(consent={3, 4}, consented={42}, restrictions=[(4, 0, {42})]), False),
        (write.tc_string(consent={3, 4}, consented={42}, restrictions=[(5, 0, {42})]), True),
    ],
)
def test_a_recipient_with_a_vendor_id_needs_consent_for_it(string, reaches):
    assert ("ads" in passed(cookie("euconsent-v2", string), target=b"/dsp")) is reaches


def test_the_vendor_of_the_signals_counts_for_who_names_none():
    engine = under("signals: {tcf: {cookie: euconsent-v2, vendor: 7}}")

    assert lost(cookie("euconsent-v2", FULL), engine=engine) == {"ads", "mail"}
    assert lost(cookie("euconsent-v2", write.tc_string(consent={3, 4}, consented={7})), engine=engine) == set()
    assert "ads" in passed(cookie("euconsent-v2", FULL), target=b"/dsp", engine=engine)


SILENT = write.us_section([0] * 20)


@pytest.mark.parametrize(
    ("string", "gone", "reason"),
    [
        (write.gpp_string({8: SILENT}), set(), "listed"),
        (write.gpp_string({8: write.us_section([0, 0, 0, 1, 2, *[0] * 15])}), {"sale"}, "objected"),
        (write.gpp_string({8: write.us_section([0] * 20, gpc=True)}), {"sale"}, "gpc"),
        (write.gpp_string({6: "1YYN"}), {"sale"}, "objected"),
        (write.gpp_string({2: FULL, 6: "1YNN"}), set(), "listed"),
        (write.gpp_string({2: write.tc_string(consent={3})}), {"ads", "mail"}, "listed"),
        ("DBAA", set(), "listed"),
        ("DBAB", {"sale", "ads", "mail"}, "objected"),
        ("", {"sale", "ads", "mail"}, "objected"),
    ],
)
def test_a_gpp_string_opts_out_of_sales_and_carries_a_tc_string(string, gone, reason):
    for found in ({"carried": [cookie("gpp", string)]}, {"target": f"/all/x?gpp={string}".encode(), "carried": []}):
        carried = found.pop("carried")
        assert lost(*carried, **found) == gone
        step = trial(*carried, **found)
        reasons = {each["address"]: each.get("reason") for each in step_record(step, step.request)["fields"]}
        assert reasons["header:X-Sale"] == reason


def test_strings_go_on_as_they_came():
    strings = cookie("euconsent-v2", FULL)
    target = f"/all/x?gdpr_consent={FULL}&gpp=DBAA".encode()
    sent = trial(strings, target=target).request.outgoing

    assert strings in sent.headers
    assert sent.target in (b"", target)


@pytest.mark.parametrize("line", [b"$Version=1; a=b", b'a="b', b"euconsent-v2=\xff"])
def test_a_cookie_line_that_nobody_can_cut_counts_as_an_unreadable_string(line):
    assert lost((b"Cookie", line)) >= {"ads", "mail"}


@pytest.mark.parametrize(
    ("carried", "target", "kinds"),
    [
        ((), b"/all/x", ()),
        ((cookie("euconsent-v2", FULL),), b"/all/x?gpp=DBAA", ()),
        ((cookie("euconsent-v2", "x"),), b"/all/x", ("tcf",)),
        ((), b"/all/x?gpp=x", ("gpp",)),
        ((cookie("euconsent-v2", "x"),), b"/all/x?gpp=x", ("tcf", "gpp")),
        ((cookie("euconsent-v2", "x"),), b"/plain?gpp=x", ()),
    ],
)
def test_unreadable_strings_are_named_by_kind(carried, target, kinds):
    assert trial(*carried, target=target).exchange.unreadable_signals == kinds


def test_one_connection_with_many_queries_is_read_rightly():
    head = RequestHead("GET", b"/all/x", "shop.example", (PERSON, *FIELDS))
    for target, gone in [(b"/all/x?gpp=DBAA", set()), (b"/all/x?gpp=x", {"sale", "ads", "mail"}), (b"/all/x", set())]:
        alike = RequestHead("GET", target, "shop.example", head.headers, derived=head.derived)
        found = try_exchange(ENGINE, alike, b"", GivenFacts(NOW, consents=CONSENTS))
        names = {name for name, _ in found.request.outgoing.headers}
        assert {name for name in PURPOSES if f"X-{name.capitalize()}".encode() not in names} == gone


def test_a_route_that_no_signal_concerns_reads_none():
    exchange = trial((b"Sec-GPC", b"1"), target=b"/plain").exchange

    assert exchange.request_plans.signals is None
    assert exchange.request_plans.constant is not None
    assert ENGINE.signals not in exchange.head.derived


def vary_of(target, answer=(), engine=ENGINE):
    return header_values(trial(target=target, answer=answer, engine=engine).response.outgoing.headers, b"vary")


def test_an_answer_varies_by_the_signals_that_its_route_reads():
    assert vary_of(b"/all/x") == [b"Sec-GPC, DNT, Cookie"]
    assert vary_of(b"/all/x", engine=under("")) == [b"Sec-GPC"]
    assert vary_of(b"/dsp") == [b"Cookie"]
    assert vary_of(b"/dsp", engine=under("signals: {tcf: {query: gdpr_consent}}")) == []
    assert vary_of(b"/plain") == []
    assert vary_of(b"/fraud") == [b"DNT"]
    assert vary_of(b"/fraud", engine=under("signals: {dnt: ignore}")) == []


@pytest.mark.parametrize(
    ("lines", "merged"),
    [
        ([], [b"Sec-GPC, DNT"]),
        ([b"Origin"], [b"Origin, Sec-GPC, DNT"]),
        ([b"Origin", b"Accept"], [b"Origin", b"Accept, Sec-GPC, DNT"]),
        ([b"sec-gpc"], [b"sec-gpc, DNT"]),
        ([b"DNT , SEC-GPC"], [b"DNT , SEC-GPC"]),
        ([b"Sec-GPC", b"dnt"], [b"Sec-GPC", b"dnt"]),
        ([b"*"], [b"*"]),
        ([b"Origin", b" * "], [b"Origin", b" * "]),
        ([b""], [b"Sec-GPC, DNT"]),
        ([b"Sec-GPC-X"], [b"Sec-GPC-X, Sec-GPC, DNT"]),
    ],
)
def test_vary_is_merged_with_that_of_the_service(lines, merged):
    fields = ((b"X-A", b"1"), *((b"vary", line) for line in lines), (b"X-B", b"2"))
    found = response_fields(fields, b"", personal=False, vary=(b"Sec-GPC", b"DNT"))

    assert header_values(found, b"vary") == merged
    assert (b"X-A", b"1") in found
    assert (b"X-B", b"2") in found


def test_nothing_of_a_string_stands_in_the_record():
    found = trial(cookie("euconsent-v2", FULL), target=f"/all/x?gpp=DBAB{FULL}".encode())

    assert FULL not in json.dumps(step_record(found, found.request))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("", "signals: {dnt: objection}", "DNT"),
        ("signals: {gpp: {cookie: gpp}}", "", "opted out by GPP"),
        ("", "signals: {tcf: {cookie: tc}}", "TC string without consent"),
    ],
)
def test_what_a_signal_comes_to_mean_is_a_difference_of_two_policies(old, new, named):
    changes = compare(under(old).policy, under(new).policy, now=NOW)

    assert any(named in fact for change in changes for fact in change.facts)
    assert not any("Sec-GPC" in fact for change in changes for fact in change.facts)
    assert compare(under(new).policy, under(new).policy, now=NOW) == []
