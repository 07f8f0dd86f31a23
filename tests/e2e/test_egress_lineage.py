"""From the sign-up that an application never saw the address of, to what it sends to partners: one person all along."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from egress_clients import EgressProcess, basic
from people import handle_of
from processes import Client, GatewayProcess, cli, request
from upstream import RecordingUpstream, answer

RULES = """\
version: 1
controller: {{name: Shop, contact: privacy@shop.example}}
purposes:
  service: {{basis: contract}}
  ads: {{basis: consent}}
recipients:
  shop: {{role: controller, upstream: "{shop}"}}
  mailer:
    role: processor
    hosts: ["{mailer}"]
    contract: {{ref: DPA-1, expires: 2099-12-31}}
    may_receive: {{contact.email: service, name: ads}}
  tally:
    role: processor
    hosts: ["{tally}"]
    contract: {{ref: DPA-2, expires: 2099-12-31}}
    may_receive: {{contact.email: service, name: ads}}
routes:
  - name: sign-up
    match: {{method: POST, path: /customers}}
    to: shop
    subject: {{field: $.email}}
    request:
      fields:
        $.email: {{is: contact.email, for: service, as: pseudonym}}
        $.name: {{is: name, for: service}}
      rest: drop
    response: {{rest: pass}}
  - name: mail
    match: {{host: "{mailer}", method: POST, path: /send}}
    to: mailer
    caller: shop
    subject: {{field: $.to}}
    request:
      fields:
        $.to: {{is: contact.email, for: service, as: pseudonym}}
        $.name: {{is: name, for: ads, otherwise: drop}}
      rest: drop
    response: {{rest: pass}}
  - name: count
    match: {{host: "{tally}", method: POST, path: /send}}
    to: tally
    caller: shop
    subject: {{field: $.to}}
    request:
      fields:
        $.to: {{is: contact.email, for: service, as: pseudonym}}
        $.name: {{is: name, for: ads, otherwise: drop}}
      rest: drop
    response: {{rest: pass}}
"""
JSON = "Content-Type: application/json"
ANN = "ann@shop.example"


@pytest.fixture(scope="module")
def services():
    ok = answer(b"{}", JSON)
    with RecordingUpstream(ok) as shop, RecordingUpstream(ok) as mailer, RecordingUpstream(ok) as tally:
        yield {"shop": shop, "mailer": mailer, "tally": tally}


@pytest.fixture(scope="module")
def processes(services, tmp_path_factory):
    """`serve` and `egress` beside each other, in one state directory."""
    directory = tmp_path_factory.mktemp("lineage")
    places = {name: urlsplit(each.url).netloc for name, each in services.items()}
    rules = RULES.format(**places | {"shop": services["shop"].url})
    relay = {f"/{name}": f"http://{places[name]}" for name in ("mailer", "tally")}
    with (
        GatewayProcess(directory, rules) as gateway,
        EgressProcess(directory, rules, ["crm"], relay, {}) as egress,
    ):
        yield gateway, egress


def send(egress, partner, **content) -> int:
    place = urlsplit(egress.relay)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    fields = {"Content-Type": "application/json", "Proxy-Authorization": basic("crm")}
    try:
        connection.request("POST", f"/{partner}/send", json.dumps(content), fields)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_person_behind_a_pseudonym_decides_what_partners_get_and_lineage_tells(services, processes):
    gateway, egress = processes
    state = gateway.state
    client = Client(gateway.port)
    signed_up = json.dumps({"email": ANN, "name": "Ann"}).encode()
    assert client.send(request("POST", "/customers", signed_up, JSON))[0] == 200
    client.close()
    ann = json.loads(services["shop"].requests[0].body)["email"]

    for verb in ("refuse", "grant", "withdraw"):
        cli("consent", verb, "--state", state, "--subject", ANN, "--purpose", "ads", "--recipient", "mailer")
        assert [send(egress, name, to=ann, name="Ann") for name in ("mailer", "tally")] == [200, 200]
    forged = ann[:-2] + ("BA" if ann[-2] == "A" else "AA")
    assert send(egress, "mailer", to=forged, name="Ann") == 403
    received = {name: [json.loads(each.body) for each in services[name].requests] for name in ("mailer", "tally")}
    assert [sorted(body) for body in received["mailer"]] == [["to"], ["name", "to"], ["to"]]
    assert [sorted(body) for body in received["tally"]] == [["to"]] * 3
    scoped = [{body["to"] for body in bodies} for bodies in received.values()]
    assert [len(each) for each in scoped] == [1, 1]
    assert len({ann, *scoped[0], *scoped[1]}) == 3

    (at_mailer,) = scoped[0]
    handle = handle_of(state, ANN)
    for said in (ANN, ann, at_mailer):
        told = json.loads(cli("audit", "lineage", "--state", state, "--subject", said, "--json").stdout)
        assert told["subject"] == handle
    email, name = told["classes"]
    assert [(flow["recipient"], flow["route"], flow["action"]) for flow in email["collected"]] == [
        ("shop", "sign-up", "pseudonym")
    ]
    assert {(flow["recipient"], flow["caller"], flow["action"], flow["records"]) for flow in email["went"]} == {
        ("mailer", "application:crm", "pseudonym", 3),
        ("tally", "application:crm", "pseudonym", 3),
    }
    assert all(flow["first"]["record"].startswith("e0/") for flow in email["went"])
    mailer = [flow for flow in name["went"] if flow["recipient"] == "mailer"]
    assert [(flow["outcome"], flow["reason"]) for flow in mailer] == [
        ("withheld", "no_consent"), ("passed", "listed"), ("withheld", "withdrawn"),
    ]  # fmt: skip
    assert not any(flow["before_collection"] for flow in (*email["went"], *name["went"]))
    by_caller = json.loads(
        cli(
            "audit", "search", "--state", state, "--by", "caller", "--subject", ANN, "--direction", "request", "--json"
        ).stdout
    )
    assert by_caller["values"] == {"application:crm": 6, "anonymous": 1}
