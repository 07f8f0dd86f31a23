"""Where calls that go out lead, held against what a reader of the rules would say."""

import json
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.model.words import Direction, Safeguard, UnknownDestinations
from gateway.policy.compile import compile_policy
from gateway.policy.destinations import destinations
from gateway.policy.lint_transfers import EEA

TODAY = "2026-11-23"
TEXT = """\
version: 1
controller: {name: Example GmbH}
purposes: {service: {basis: contract}}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:8000", hosts: [shop.example]}
  mailer: {role: processor, contract: {ref: A}, hosts: [api.mailer.example, "*.mailer.example", "odd.example:8443"]}
  maps: {role: partner, contract: {ref: B}, hosts: [eu.mailer.example, "[2001:db8::1]"]}
  plain: {role: partner, upstream: "http://127.0.0.1:8001"}
routes:
  - name: mail
    match: {host: [api.mailer.example, a.mailer.example], path: /send}
    to: mailer
    caller: shop
    request: {fields: {$.to: {is: contact.email, for: service}}}
    response: {rest: pass}
  - {name: map, match: {host: eu.mailer.example, path: /map}, to: maps, caller: plain, response: {rest: pass}}
"""


def compiled(*changes):
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return compile_policy({"a.yaml": text}, today=TODAY)


@pytest.mark.parametrize(
    ("host", "recipient"),
    [
        ("api.mailer.example", "mailer"),
        ("api.mailer.example:8443", "mailer"),
        ("us.mailer.example", "mailer"),
        ("a.us.mailer.example:444", "mailer"),
        ("eu.mailer.example", "maps"),
        ("a.eu.mailer.example", "mailer"),
        ("mailer.example", None),
        ("odd.example:8443", "mailer"),
        ("odd.example", None),
        ("[2001:db8::1]", "maps"),
        ("[2001:db8::1]:8443", "maps"),
        ("shop.example", "shop"),
        ("127.0.0.1:8001", None),
        ("", None),
    ],
)
def test_a_host_is_one_recipients_or_nobodys(host, recipient):
    policy, _ = compiled()

    found = destinations(policy).find(host)

    assert (found and found.name) == recipient
    assert found is None or found is policy.recipients[recipient]


@pytest.mark.parametrize(
    ("written", "unknown"),
    [
        ("", UnknownDestinations.REFUSE),
        ("egress: {}\n", UnknownDestinations.REFUSE),
        ("egress: {unknown: refuse}\n", UnknownDestinations.REFUSE),
        ("egress: {unknown: observe}\n", UnknownDestinations.OBSERVE),
    ],
)
def test_unknown_hosts_are_refused_unless_the_rules_say_otherwise(written, unknown):
    policy, diagnostics = compiled(("version: 1\n", f"version: 1\n{written}"))

    assert policy.egress.unknown is unknown
    assert diagnostics == []


def test_what_holds_for_all_calls_is_said_in_one_file():
    _, diagnostics = compile_policy(
        {"a.yaml": TEXT + "egress: {unknown: observe}\n", "b.yaml": "version: 1\negress: {unknown: refuse}\n"},
        today=TODAY,
    )

    assert [(found.file, found.code) for found in diagnostics] == [("b.yaml", "PG110")]


def test_two_claims_to_a_host_name_both_places():
    _, diagnostics = compiled(("hosts: [eu.mailer.example, ", "hosts: [eu.mailer.example, API.mailer.example, "))

    claims = [found for found in diagnostics if found.code == "PG240"]

    assert [(found.file, found.line, found.column) for found in claims] == [("a.yaml", 7, 72)]
    assert claims[0].message == "'api.mailer.example' is a host of 'mailer' too (a.yaml, line 6)"


@pytest.mark.parametrize("word", list(Safeguard))
def test_every_safeguard_can_be_written(word):
    policy, diagnostics = compiled(("role: partner, contract", f"role: partner, safeguard: {word}, contract"))

    assert policy.recipients["maps"].safeguard is word
    assert diagnostics == []


@pytest.mark.parametrize(
    ("jurisdiction", "country", "safeguard", "warned"),
    [
        ("EU", "DE", "", False),
        ("EU", "NO", "", False),
        ("EU", "CH", "", True),
        ("EU", "CH", "adequacy", False),
        ("EU", "GB", "", True),
        ("EU", "US", "", True),
        ("EU", "US", "standard_clauses", False),
        ("DE", "FR", "", False),
        ("DE", "US", "", True),
        ("UK", "GB", "", False),
        ("GB", "GB", "", False),
        ("UK", "DE", "", True),
        ("CN", "CN", "", False),
        ("CN", "HK", "", True),
        ("CN", "DE", "assessment", False),
        ("US-CA", "DE", "", False),
        ("BR", "DE", "", False),
        ("EU", "", "", False),
    ],
)
def test_data_leaves_a_jurisdiction_under_a_safeguard(jurisdiction, country, safeguard, warned):
    keys = [f"country: {country}"] * bool(country) + [f"safeguard: {safeguard}"] * bool(safeguard)
    policy, diagnostics = compiled(
        ("Example GmbH", f"Example GmbH, jurisdiction: {jurisdiction}"),
        ("role: partner, contract", ", ".join(["role: partner", *keys, "contract"])),
    )

    assert policy is not None
    assert [(found.code, found.line) for found in diagnostics] == ([("PG460", 7)] if warned else [])


@pytest.mark.parametrize(
    ("role", "warned"),
    [
        ("processor", True),
        ("partner", True),
        ("affiliate", True),
        ("authority", True),
        ("controller", False),
        ("subject", False),
        ("public", False),
    ],
)
def test_a_transfer_is_what_somebody_else_gets(role, warned):
    _, diagnostics = compiled(
        ("Example GmbH", "Example GmbH, jurisdiction: EU"),
        ("role: partner, contract", f"role: {role}, country: US, contract"),
    )

    assert [found.code for found in diagnostics] == ["PG460"] * warned


def test_the_economic_area_has_thirty_members():
    assert len(EEA) == 30
    assert not EEA & {"CH", "GB", "EL", "UK"}


@pytest.mark.parametrize(
    ("role", "code"),
    [("partner", "PG461"), ("affiliate", "PG461"), ("processor", "PG410"), ("authority", None), ("controller", None)],
)
def test_calls_go_out_under_a_contract(role, code):
    _, diagnostics = compiled(("{role: partner, contract: {ref: B}, ", f"{{role: {role}, "))

    assert [(found.code, found.line) for found in diagnostics] == ([(code, 7)] if code else [])


def test_a_recipient_that_no_call_goes_to_needs_none():
    policy, diagnostics = compiled(
        ("contract: {ref: B}, hosts", "embedded_for: service, hosts"),
        ("host: eu.mailer.example, path: /map}, to: maps", "path: /map}, to: shop"),
        ("response: {rest: pass}}", "response: {rest: pass, pages: {}}}"),
    )

    assert policy is not None
    assert diagnostics == []


CALLS = """\
version: 1
controller: {name: Example GmbH}
purposes: {service: {basis: contract}, ads: {basis: consent}}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:8000"}
  mailer: {role: processor, contract: {ref: A}, hosts: api.mailer.example, may_receive: {contact.email: service}}
cookies:
  basket: {is: unique_id, for: service}
routes:
  - name: mail
    match: {host: api.mailer.example, path: /send}
    to: mailer
    caller: shop
    subject: {field: $.to}
    request: {fields: {$.to: {is: contact.email, for: service}}}
    response: {rest: pass}
  - {name: site, match: {path: /**}, to: shop, subject: identity, response: {rest: pass}}
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("{is: contact.email, for: service}", "{is: name, for: service}", ["PG308"]),
        ("{is: contact.email, for: service}", "{is: contact.email, for: ads, otherwise: drop}", ["PG308"]),
        ("may_receive: {contact.email: service}", "may_receive: {contact: service}", []),
        ("    caller: shop\n", "", ["PG462"]),
        ("    caller: shop\n", "    caller: caller\n", []),
        ("subject: {field: $.to}", "subject: identity", ["PG242"]),
        ("subject: {field: $.to}", "signs_out: true", ["PG242"]),
        ("service}}}\n", "service}}, rest: pass}\n", ["PG463"]),
        ("service}}}\n", "service}}, rest: {body: pass}}\n", ["PG463"]),
        ("service}}}\n", "service}}, rest: {headers: pass}}\n", []),
        (", may_receive: {contact.email: service}}", "}", []),
        ("hosts: api.mailer.example", "upstream: 'http://127.0.0.1:1'", []),
    ],
)
def test_routes_for_calls_that_go_out_say_what_such_calls_need(old, new, expected):
    assert old in CALLS
    _, diagnostics = compile_policy({"a.yaml": CALLS.replace(old, new, 1)}, today=TODAY)

    assert [found.code for found in diagnostics if found.code != "PG404"] == expected


def test_cookies_of_all_routes_are_those_of_people():
    policy, _ = compile_policy({"a.yaml": CALLS}, today=TODAY)
    listed = {
        (route.name, direction): [rule.address.text for rule in route.section(direction).fields]
        for route in policy.routes
        for direction in Direction
    }

    assert listed == {
        ("mail", Direction.REQUEST): ["$.to"],
        ("mail", Direction.RESPONSE): [],
        ("site", Direction.REQUEST): ["cookie:basket"],
        ("site", Direction.RESPONSE): ["cookie:basket"],
    }


NAMES = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(".".join)
PATTERNS = st.one_of(
    NAMES, NAMES.map("{}:1".format), NAMES.map("*.{}".format), st.sampled_from(["*", "[::1]", "[::1]:1"])
)
HOSTS = [
    f"{host}{port}"
    for labels in range(1, 5)
    for host in (*map(".".join, product("abc", repeat=labels)), "[::1]")
    for port in ("", ":1", ":2")
]
ONE_ROUTE = """\
version: 1
controller: {{name: Example GmbH}}
recipients:
  one: {{role: authority, hosts: [{one}]{upstream}}}
  other: {{role: authority, hosts: [{other}]}}
routes:
  - {{name: r, match: {{host: "{host}", path: /}}, to: one, caller: caller, response: {{rest: pass}}}}
"""


@given(st.sets(PATTERNS, min_size=1, max_size=2), st.sets(PATTERNS, min_size=1, max_size=2), PATTERNS)
def test_a_route_is_called_unreached_if_no_host_leads_to_it(one, other, host):
    def diagnosed(upstream):
        hosts = {"one": ", ".join(map(json.dumps, one)), "other": ", ".join(map(json.dumps, other - one))}
        return compile_policy({"a.yaml": ONE_ROUTE.format(**hosts, host=host, upstream=upstream)}, today=TODAY)

    assume(other - one)
    policy, _ = diagnosed(", upstream: 'http://127.0.0.1:1'")
    table = destinations(policy)
    reached = any(
        policy.router.find("GET", each, b"/") is not None and table.find(each) is policy.recipients["one"]
        for each in HOSTS
    )

    _, diagnostics = diagnosed("")

    assert ("PG241" in [found.code for found in diagnostics]) == (not reached)
