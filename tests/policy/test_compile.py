import hashlib

import pytest

from gateway.model.action import Block, Drop, Generalisation, Generalise, Hash, Keep, Mask, Pseudonym
from gateway.model.address import parse_address
from gateway.model.errors import ConfigError, Severity
from gateway.model.words import Basis, Mode, Part, Posture, Rest, Role
from gateway.policy.compile import compile_policy, digest_of, load_policy
from gateway.policy.policy import CALLER, Contract, Place

TODAY = "2026-11-23"

SHOP = """\
version: 1
controller: {name: Example Shop GmbH, contact: privacy@shop.example, jurisdiction: EU}

purposes:
  service:      {basis: contract, title: Handle your order}
  analytics:    {basis: consent,  title: See how the shop is used}
  ads:          {basis: consent,  title: Show you offers elsewhere, sale_or_share: true}

recipients:
  shop:   {role: controller, upstream: "http://127.0.0.1:8000/"}
  mailer: {role: processor, hosts: [api.mailer.example], country: NO,
           contract: {ref: DPA-2026-017, expires: 2027-03-31},
           may_receive: {contact.email: [service, ads], name: service}}

postures: {audit_unavailable: strip}

routes:
  - name: sign-up
    match: {host: Shop.example, method: POST, path: /api/customers}
    to: shop
    caller: mailer
    subject: {field: $.email}
    request:
      fields:
        $.email:      {is: contact.email, for: service}
        $.birth_date: {is: demographic.date_of_birth, for: ads, otherwise: drop}
        $.phone:      {is: user.contact.phone_number, for: service, as: {mask: {keep_last: 4}}}
        header:User-Agent: {is: device, for: service, as: {generalise: user_agent}, otherwise: hash}
        cookie:_ga:   {is: device.cookie_id, for: analytics, as: pseudonym, otherwise: drop}
      rest: {query: pass, headers: block}
    response:
      fields:
        $.items[*].customer.email: {is: contact.email, for: service, as: pseudonym}
      rest: pass
    postures: {duplicate_key: collapse, unparsable_body: drop}
    stream: websocket
    record: always
    body_limit: 2MiB
  - name: watch
    mode: observe
    match: {path: "/watch/{id}/**"}
    to: shop
"""


def compiled(text, **others):
    policy, diagnostics = compile_policy({"shop.yaml": text, **others}, today=TODAY)
    assert [found for found in diagnostics if found.severity is Severity.ERROR] == []
    return policy


def test_the_rules_of_the_design_compile_to_what_they_say():
    policy = compiled(SHOP)
    sign_up, watch = policy.routes

    assert policy.controller == {
        "name": "Example Shop GmbH",
        "contact": "privacy@shop.example",
        "jurisdiction": "EU",
    }
    assert policy.purposes["ads"].basis is Basis.CONSENT
    assert policy.purposes["ads"].sale_or_share
    assert not policy.purposes["service"].sale_or_share
    assert policy.purposes["service"].title.first == "Handle your order"
    mailer = policy.recipients["mailer"]
    assert mailer.role is Role.PROCESSOR
    assert mailer.country == "NO"
    assert mailer.contract == Contract("DPA-2026-017", "2027-03-31")
    assert mailer.may_receive == {"user.contact.email": ("service", "ads"), "user.name": ("service",)}
    assert mailer.hosts == ("api.mailer.example",)
    assert policy.recipients["shop"].upstream == "http://127.0.0.1:8000"
    assert policy.recipients["shop"].may_receive is None

    assert (sign_up.name, sign_up.to, sign_up.caller, sign_up.mode) == ("sign-up", "shop", "mailer", Mode.ENFORCE)
    assert (sign_up.hosts, sign_up.methods, sign_up.path) == (("shop.example",), {"POST"}, "/api/customers")
    assert sign_up.subject == parse_address("$.email")
    assert sign_up.stream == {"websocket"}
    assert sign_up.record_always
    assert sign_up.body_limit == 2 << 20
    assert sign_up.place == Place("shop.yaml", 18, 11)
    assert (watch.caller, watch.subject, watch.body_limit, watch.record_always) == (CALLER, None, None, False)


def test_fields_hold_class_purpose_actions_and_place():
    request = compiled(SHOP).routes[0].request
    email, birth, phone, agent, ga = request.fields

    assert (email.address, email.data_class, email.purpose) == (
        parse_address("$.email"),
        "user.contact.email",
        "service",
    )
    assert (email.action, email.otherwise) == (Keep(), Block())
    assert birth.otherwise == Drop()
    assert (phone.data_class, phone.action) == ("user.contact.phone_number", Mask(keep_last=4))
    assert (agent.action, agent.otherwise) == (Generalise(Generalisation.USER_AGENT), Hash())
    assert agent.address.name == "user-agent"
    assert (ga.action, ga.otherwise) == (Pseudonym(), Drop())
    assert ga.place == Place("shop.yaml", 29, 9)


def test_the_rest_is_dropped_unless_something_else_is_written():
    sign_up, watch = compiled(SHOP).routes

    assert sign_up.request.rest == {
        Part.BODY: Rest.DROP,
        Part.QUERY: Rest.PASS,
        Part.HEADERS: Rest.BLOCK,
        Part.COOKIES: Rest.DROP,
    }
    assert sign_up.response.rest == dict.fromkeys(Part, Rest.PASS)
    assert watch.request.rest == dict.fromkeys(Part, Rest.DROP)
    assert watch.response.rest == dict.fromkeys(Part, Rest.PASS)


def test_postures_of_a_route_go_before_those_of_all_routes():
    sign_up, watch = compiled(SHOP.replace("postures: {audit", "postures: {duplicate_key: block, audit")).routes

    assert sign_up.postures[Posture.DUPLICATE_KEY] == "collapse"
    assert sign_up.postures[Posture.UNPARSABLE_BODY] == "drop"
    assert sign_up.postures[Posture.AUDIT_UNAVAILABLE] == "strip"
    assert watch.postures[Posture.DUPLICATE_KEY] == "block"
    assert watch.postures[Posture.AUDIT_UNAVAILABLE] == "strip"
    assert set(watch.postures) == set(Posture)


def test_the_router_is_part_of_the_policy():
    policy = compiled(SHOP)

    assert policy.router.find("POST", "shop.example", b"/api/customers").route is policy.routes[0]
    assert policy.router.find("GET", "", b"/watch/7/x").spans == {"id": (7, 8)}


def test_a_policy_cannot_be_changed():
    policy = compiled(SHOP)

    for table in (
        policy.controller,
        policy.purposes,
        policy.recipients,
        policy.files,
        policy.routes[0].postures,
        policy.routes[0].request.rest,
        policy.recipients["mailer"].may_receive,
    ):
        with pytest.raises(AttributeError):
            table.clear()
    with pytest.raises(AttributeError):
        policy.digest = ""


def test_a_directory_is_read_as_one():
    purposes, rest = SHOP.split("recipients:")
    policy, diagnostics = compile_policy(
        {"a/purposes.yaml": purposes, "b.yaml": "version: 1\nrecipients:" + rest}, today=TODAY
    )

    assert diagnostics == []
    assert [route.name for route in policy.routes] == ["sign-up", "watch"]
    assert policy.routes[0].place.file == "b.yaml"


def test_what_two_files_declare_is_told_with_both_places():
    other = """\
version: 1
controller: {name: Another}
purposes: {ads: {basis: consent}}
recipients: {shop: {role: controller, upstream: "http://127.0.0.1:9"}}
postures: {audit_unavailable: block, over_size: block}
routes:
  - {name: watch, match: {path: /other}, to: shop, response: {rest: pass}}
"""
    policy, diagnostics = compile_policy({"a.yaml": SHOP, "b.yaml": other}, today=TODAY)

    assert policy is None
    assert [(d.file, d.line, d.column, d.code) for d in diagnostics] == [
        ("b.yaml", 2, 13, "PG110"),
        ("b.yaml", 3, 12, "PG110"),
        ("b.yaml", 4, 14, "PG110"),
        ("b.yaml", 5, 12, "PG110"),
        ("b.yaml", 7, 12, "PG110"),
    ]
    assert all("a.yaml, line " in d.message for d in diagnostics)


def test_a_file_that_cannot_be_read_makes_nothing_else_look_undeclared():
    purposes, rest = SHOP.split("recipients:")
    _, diagnostics = compile_policy(
        {"a.yaml": purposes + "x: [", "b.yaml": "version: 1\nrecipients:" + rest}, today=TODAY
    )

    assert [d.code for d in diagnostics] == ["PG101"]


def test_the_digest_is_over_names_and_exact_text():
    files = {"b.yaml": "ü", "a.yaml": "x"}
    content = b"a.yaml\x001\x00x" + b"b.yaml\x002\x00\xc3\xbc"

    assert digest_of(files) == hashlib.sha256(content).hexdigest()[:16]
    assert digest_of({"b.yaml": "ü", "a.yaml": "x "}) != digest_of(files)
    assert digest_of({"a.yaml": "x" + "b.yaml"}) != digest_of({"a.yaml": "x", "b.yaml": ""})
    policy = compiled(SHOP)
    assert policy.digest == digest_of({"shop.yaml": SHOP})
    assert policy.files == {"shop.yaml": SHOP}


def test_load_policy_raises_with_every_diagnostic():
    assert load_policy({"shop.yaml": SHOP}, today=TODAY).routes

    with pytest.raises(ConfigError) as error:
        load_policy({"shop.yaml": SHOP.replace("for: ads", "for: adz").replace("to: shop", "to: shob")}, today=TODAY)

    assert [d.code for d in error.value.diagnostics] == ["PG405", "PG202", "PG201", "PG202"]


def test_no_files_are_no_policy():
    policy, diagnostics = compile_policy({}, today=TODAY)

    assert policy is None
    assert [d.code for d in diagnostics] == ["PG112"]


@pytest.mark.parametrize(("days", "code"), [("2026-11-22", "PG406"), ("2026-11-23", "PG407"), ("2026-12-24", None)])
def test_contracts_are_judged_by_the_day_that_is_given(days, code):
    _, diagnostics = compile_policy({"a.yaml": SHOP.replace("2027-03-31", days)}, today=TODAY)

    assert [d.code for d in diagnostics] == ([code] if code else [])


@pytest.mark.parametrize(
    ("size", "number"), [("1", 1), ("64KiB", 65536), ("10MiB", 10 << 20), ("1GiB", 1 << 30), ("512B", 512)]
)
def test_sizes_have_binary_units(size, number):
    assert compiled(SHOP.replace("2MiB", size)).routes[0].body_limit == number


def test_ten_thousand_routes_compile():
    one = """\
  - name: r{0}
    match: {{method: POST, path: "/api/r{0}/{{id}}"}}
    to: shop
    request: {{fields: {{$.email: {{is: contact.email, for: service}}}}}}
    response: {{rest: pass}}
"""
    policy = compiled(SHOP + "".join(one.format(number) for number in range(10_000)))

    assert len(policy.routes) == 10_002
    assert policy.router.find("POST", "x", b"/api/r9999/7").route.name == "r9999"
