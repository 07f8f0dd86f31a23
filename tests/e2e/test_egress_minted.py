"""A person known to the application only by a pseudonym: `serve` made it, `egress` finds the person behind it again."""

import json

import pytest
from egress_clients import EgressProcess, PartnerTls, call, post, through_proxy
from people import handle_of
from processes import Client, GatewayProcess, cli, request
from upstream import RecordingUpstream

ANN = "ann@example.com"
RULES = """\
version: 1
controller: {{name: Shop, contact: privacy@shop.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract}}
  statistics: {{basis: legitimate_interest}}
  ads: {{basis: consent, consent_scope: recipient}}
recipients:
  shop: {{role: controller, upstream: "{shop}"}}
  tally: {{role: partner, hosts: ["{tally}"], contract: {{ref: A}}, may_receive: {{contact.email: statistics}}}}
  reach: {{role: partner, hosts: ["{reach}"], contract: {{ref: B}}, may_receive: {{contact.email: ads}}}}
routes:
  - name: sign-up
    match: {{host: shop.example, method: POST, path: /customers}}
    to: shop
    subject: {{field: $.email}}
    request: {{fields: {{$.email: {{is: contact.email, for: service, as: pseudonym}}}}, rest: drop}}
    response: {{rest: pass}}
  - name: count
    match: {{host: "{tally}", method: POST, path: /events}}
    to: tally
    caller: shop
    subject: {{field: $.who}}
    request: {{fields: {{$.who: {{is: contact.email, for: statistics, as: pseudonym}}}}, rest: drop}}
    response: {{rest: pass}}
  - name: offer
    match: {{host: "{reach}", method: POST, path: /audience}}
    to: reach
    caller: shop
    subject: {{field: header:X-Person}}
    request:
      fields: {{$.who: {{is: contact.email, for: ads, as: pseudonym}}}}
      rest: drop
    response: {{rest: pass}}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("minted")
    tls = PartnerTls(directory)
    with (
        RecordingUpstream() as shop,
        RecordingUpstream(context=tls.context) as tally,
        RecordingUpstream(context=tls.context) as reach,
    ):
        rules = RULES.format(shop=shop.url, tally=tally.host, reach=reach.host)
        egress = EgressProcess(
            directory, rules, ["shop"], {"/tally": tally.url}, dict.fromkeys(("tally", "reach"), tls.path)
        )
        with GatewayProcess(directory, rules) as serve, egress:
            yield serve, egress, shop, tally, reach


def test_consent_and_lineage_are_those_of_the_person_behind_a_pseudonym_that_serve_made(world):
    serve, egress, shop, tally, reach = world
    customer = Client(serve.port)
    body = json.dumps({"email": ANN}).encode()
    assert customer.send(request("POST", "/customers", body, "Content-Type: application/json"))[0] == 200
    customer.close()
    known = json.loads(shop.requests[-1].body)["email"]
    assert known.startswith("p1.")

    def sent(partner, path, **headers):
        environment = through_proxy(egress.proxy, "shop", egress.ca)
        (answered,) = call("requests", [post(partner.url + path, json.dumps({"who": known}), **headers)], environment)
        return answered["status"]

    def decide(verb, recipient):
        decided = ("--state", egress.state, "--subject", ANN, "--purpose", "ads", "--recipient", recipient)
        cli("consent", verb, *decided)

    assert sent(tally, "/events") == 200
    person = {"X-Person": known}
    assert sent(reach, "/audience", **person) == 451
    decide("grant", "tally")
    assert sent(reach, "/audience", **person) == 451
    decide("grant", "reach")
    assert sent(reach, "/audience", **person) == 200
    assert sent(reach, "/audience", **{"X-Person": known[: known.rindex(".") + 1] + 22 * "A"}) == 403
    decide("withdraw", "reach")
    assert sent(reach, "/audience", **person) == 451

    (told,), (offered,) = tally.requests, reach.requests
    names = {known, json.loads(told.body)["who"], json.loads(offered.body)["who"]}
    assert len(names) == 3
    assert all(each.startswith("p1.") for each in names)
    assert offered.header("x-person") == []

    lineage = json.loads(cli("audit", "lineage", "--state", egress.state, "--subject", known, "--json").stdout)
    assert lineage["subject"] == handle_of(egress.state, ANN)
    (email,) = [each for each in lineage["classes"] if each["class"] == "user.contact.email"]
    assert [(each["recipient"], each["route"]) for each in email["collected"]] == [("shop", "sign-up")]
    went = {(each["recipient"], each["outcome"], each["caller"]) for each in email["went"]}
    assert {("tally", "passed", "application:shop"), ("reach", "passed", "application:shop")} <= went
    told = json.loads(cli("audit", "verify", egress.state, "--allow-unanchored", "--json").stdout)
    assert told["verdict"] == 0
