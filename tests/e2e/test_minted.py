"""An application that holds only a pseudonym sends it on: the person behind it is found, and what they decided."""

import json
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from people import handle_of
from processes import Client, GatewayProcess, cli, request
from upstream import RecordingUpstream, answer

RULES = """
version: 1
controller: {{name: Example Shop GmbH, contact: privacy@shop.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract, title: Handle your order}}
  ads: {{basis: consent, title: Show you offers elsewhere}}
recipients:
  shop: {{role: controller, upstream: "{url}"}}
  mailer:
    role: processor
    upstream: "{url}"
    contract: {{ref: DPA-1}}
    may_receive: {{contact.email: [service, ads], name: [ads]}}
routes:
  - name: sign-up
    match: {{method: POST, path: /customers}}
    to: shop
    subject: {{field: $.email}}
    request: {{fields: {{$.email: {{is: contact.email, for: service, as: pseudonym}}}}, rest: drop}}
    response: {{rest: pass}}
  - name: import
    match: {{method: POST, path: /import}}
    to: shop
    subject: {{each: "$.people[*]", field: $.email, in: request}}
    request: {{fields: {{"$.people[*].email": {{is: contact.email, for: service, as: pseudonym}}}}, rest: drop}}
    response: {{rest: pass}}
  - name: mail
    match: {{method: POST, path: /v1/send}}
    to: mailer
    subject: {{field: $.to}}
    request:
      fields:
        $.to: {{is: contact.email, for: service, as: pseudonym}}
        $.name: {{is: name, for: ads, otherwise: drop}}
      rest: drop
    response: {{rest: pass}}
  - name: mails
    match: {{method: POST, path: /v1/batch}}
    to: mailer
    subject: {{each: "$.mails[*]", field: $.to, in: request}}
    request:
      fields:
        $.mails[*].to: {{is: contact.email, for: service}}
        $.mails[*].name: {{is: name, for: ads, otherwise: drop}}
      rest: drop
    response: {{rest: pass}}
"""
JSON = "Content-Type: application/json"
ANN, BOB = "ann@shop.example", "bob@shop.example"


class Service(RecordingUpstream):
    """What the applications are sent; `seen` is called with each body before it is answered."""

    def __init__(self):
        super().__init__(answer=self._answer)
        self.seen = None

    def _answer(self, received):
        if self.seen is not None:
            self.seen(received.body)
        return answer(b"{}", JSON)


@pytest.fixture(scope="module")
def service():
    with Service() as running:
        yield running


@pytest.fixture
def gateway(service, tmp_path):
    service.seen = None
    service.requests.clear()
    return GatewayProcess(tmp_path, RULES.format(url=service.url), workers=2)


def post(path, **content):
    return request("POST", path, json.dumps(content).encode(), JSON)


def send(gateway, raw) -> int:
    client = Client(gateway.port)
    status, _, _ = client.send(raw)
    client.close()
    return status


def last(service) -> dict:
    return json.loads(service.requests[-1].body)


def rows(state: Path) -> int:
    connection = sqlite3.connect(state / "pseudonyms.sqlite")
    (found,) = connection.execute("SELECT count(*) FROM minted").fetchone()
    connection.close()
    return found


def subjects(state, route) -> list[str]:
    found = json.loads(cli("audit", "search", "--state", state, "--json", "--route", route).stdout)
    return [entry["record"]["subject"] for entry in reversed(found)]


def test_a_pseudonym_finds_its_person_and_their_consent_in_every_worker(service, gateway):
    durable = []
    service.seen = lambda _: durable.append(rows(gateway.state))
    with gateway:
        assert send(gateway, post("/customers", email=ANN)) == 200
        ann = last(service)["email"]
        assert durable == [1], "the row is on disk before the application has the pseudonym"
        assert ann.startswith("p1.")
        mail = post("/v1/send", to=ann, name="Ann")

        clients = [Client(gateway.port) for _ in range(12)]
        for verb, allowed in (("refuse", False), ("grant", True), ("withdraw", False)):
            cli("consent", verb, "--state", gateway.state, "--subject", ANN, "--purpose", "ads")
            service.requests.clear()
            assert {client.send(mail)[0] for client in clients} == {200}
            assert [("name" in json.loads(each.body)) for each in service.requests] == [allowed] * 12
        scoped = {json.loads(each.body)["to"] for each in service.requests}
        assert len(scoped) == 1
        assert ann not in scoped

        for forged in (ann[:-2] + ("BA" if ann[-2] == "A" else "AA"), ann.upper(), ann + "x", "p1.26q4a." + "A" * 22):
            service.requests.clear()
            assert clients[0].send(post("/v1/send", to=forged, name="Eve"))[0] == 403
            assert service.requests == []
        assert rows(gateway.state) == 2
        for client in clients:
            client.close()
        handle = handle_of(gateway.state, ANN)
        assert set(subjects(gateway.state, "mail")) == {handle, None}
        told = json.loads(cli("audit", "lineage", "--state", gateway.state, "--subject", ann, "--json").stdout)
        email, name = told["classes"]
        assert [(flow["action"], flow["records"]) for flow in email["collected"] + email["went"]] == [
            ("pseudonym", 1), ("pseudonym", 36),
        ]  # fmt: skip
        assert [(flow["outcome"], flow["reason"], len(flow["consent"])) for flow in name["went"]] == [
            ("withheld", "no_consent", 1), ("passed", "listed", 1), ("withheld", "withdrawn", 1),
        ]  # fmt: skip
    kept = b"".join(file.read_bytes() for file in gateway.state.rglob("*") if file.is_file())
    assert ann.encode() not in kept
    assert b"ann@" not in kept


def test_lists_give_out_and_take_back_pseudonyms_of_many(service, gateway):
    with gateway:
        cli("consent", "grant", "--state", gateway.state, "--subject", BOB, "--purpose", "ads")
        assert send(gateway, post("/import", people=[{"email": ANN}, {"email": BOB}])) == 200
        ann, bob = (each["email"] for each in last(service)["people"])
        unknown = "p1.26q4a." + "A" * 22
        mails = [{"to": who, "name": "x"} for who in (ann, bob, unknown)]
        assert send(gateway, post("/v1/batch", mails=mails)) == 403, "one of them is nobody"
        assert send(gateway, post("/v1/batch", mails=mails[:2])) == 200
        assert last(service) == {"mails": [{"to": ann}, {"to": bob, "name": "x"}]}
        shown = json.loads(cli("subject", "show", "--state", gateway.state, "--subject", ANN, "--json").stdout)
        assert (shown["pseudonyms"], shown["handle"]) == (1, handle_of(gateway.state, ANN))


def test_a_worker_killed_as_the_application_gets_a_pseudonym_leaves_one_that_is_known(service, gateway):
    def kill(_body):
        service.seen = None
        for worker in gateway.workers():
            os.kill(worker, signal.SIGKILL)

    service.seen = kill
    with gateway:
        send(gateway, post("/customers", email=ANN))
        ann = last(service)["email"]
        gateway.kill()
    with gateway:
        assert send(gateway, post("/v1/send", to=ann)) == 200
        assert subjects(gateway.state, "mail") == [handle_of(gateway.state, ANN)]


def test_p1_without_its_store_no_new_pseudonym_leaves_and_none_is_believed(service, gateway, tmp_path):
    with gateway:
        assert send(gateway, post("/customers", email=ANN)) == 200
        ann = last(service)["email"]
        service.requests.clear()
        (gateway.state / "pseudonyms.generation").rename(tmp_path / "aside")
        for raw in (post("/customers", email=ANN), post("/customers", email=BOB), post("/v1/send", to=ann)):
            assert send(gateway, raw) == 503
        assert service.requests == []
        (tmp_path / "aside").rename(gateway.state / "pseudonyms.generation")
        assert send(gateway, post("/v1/send", to=ann)) == 200


def test_p5_after_an_erasure_a_pseudonym_names_nobody_in_any_worker(service, gateway):
    with gateway:
        assert send(gateway, post("/customers", email=ANN)) == 200
        mail = post("/v1/send", to=last(service)["email"], name="x")
        clients = [Client(gateway.port) for _ in range(12)]
        assert {client.send(mail)[0] for client in clients} == {200}
        cli("subject", "erase", "--state", gateway.state, "--subject", ANN)
        assert rows(gateway.state) == 0
        service.requests.clear()
        cli("consent", "grant", "--state", gateway.state, "--subject", ANN, "--purpose", "ads")
        assert {client.send(mail)[0] for client in clients} == {403}
        assert service.requests == []
        for client in clients:
            client.close()
