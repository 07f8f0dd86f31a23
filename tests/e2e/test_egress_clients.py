"""What leaves for partners when applications call them with the client that each has, through a whole `egress` process.

Judged by what partners received, byte by byte, and by the records.
"""

import json
import re
import socket
import ssl
from urllib.parse import urlsplit

import pytest
from certificates import Authority
from egress_clients import PROGRAMS, VERSIONS, EgressProcess, PartnerTls, basic, call, missing, post, through_proxy
from people import handle_of
from processes import cli, request
from upstream import RecordingUpstream, answer

ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@example.com"
PSEUDONYM = re.compile(r"p1\.[0-9a-z]{5}\.[A-Za-z0-9_-]{22}")
CARRIED = {"host", "content-length", "content-type", "via"} | {"accept", "accept-encoding", "accept-language"}
"""Header fields that HTTP needs, and what a client can read; everything else of a client stays behind."""

PARTNERS = ("mailer", "tally", "reach")
RULES = """\
version: 1
controller: {{name: Shop, contact: privacy@shop.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract}}
  statistics: {{basis: legitimate_interest}}
  ads: {{basis: consent}}
recipients:
  shop: {{role: controller, upstream: "http://127.0.0.1:1"}}
  mailer:
    role: processor
    hosts: ["{mailer}"]
    contract: {{ref: DPA-1, expires: 2099-12-31}}
    may_receive: {{contact.email: service, name: service}}
  tally:
    role: partner
    hosts: ["{tally}"]
    contract: {{ref: DPA-2, expires: 2099-12-31}}
    may_receive: {{contact.email: statistics}}
  reach:
    role: partner
    hosts: ["{reach}"]
    contract: {{ref: DPA-3, expires: 2099-12-31}}
    may_receive: {{contact.email: ads, demographic: ads}}
routes:
  - name: mail
    match: {{host: "{mailer}", method: POST, path: /v1/send}}
    to: mailer
    caller: shop
    subject: {{field: $.to}}
    request:
      fields:
        $.to: {{is: contact.email, for: service}}
        $.name: {{is: name, for: service, as: {{mask: {{keep_first: 1}}}}}}
        $.phone: {{is: contact.phone_number, for: service, otherwise: drop}}
      rest: {{body: drop, headers: drop, query: drop, cookies: drop}}
    response:
      fields: {{$.id: {{is: unique_id, for: service}}}}
      rest: drop
  - name: count
    match: {{host: "{tally}", method: POST, path: /events}}
    to: tally
    caller: shop
    subject: {{field: $.to}}
    request:
      fields: {{$.to: {{is: contact.email, for: statistics, as: pseudonym}}}}
      rest: {{body: pass, headers: drop, query: drop, cookies: drop}}
    response: {{rest: pass}}
  - name: offer
    match: {{host: "{reach}", method: POST, path: /audience}}
    to: reach
    caller: shop
    subject: {{field: $.to}}
    request:
      fields:
        $.to: {{is: contact.email, for: ads, as: pseudonym}}
        $.born: {{is: demographic.date_of_birth, for: ads, otherwise: drop}}
      rest: drop
    response: {{rest: pass}}
"""
SENT = '{"to":"ann@example.com","name":"Ann Example","phone":"+49 171 1","born":"1990-01-02","n":1.50,"e":"\\u00e9"}'
PLANTED = {"Cookie": "session=planted", "X-Internal": "planted"}
ANSWER = answer(b'{"id":"m-1","to":"ann@example.com","trace":"planted"}', "Content-Type: application/json")

clients = pytest.mark.parametrize(
    "client",
    [pytest.param(name, marks=pytest.mark.skipif(bool(missing(name)), reason=missing(name))) for name in PROGRAMS],
)


class World:
    """The partners and the gateway, and what each received since the last look."""

    def __init__(self, gateway, partners):
        self.gateway, self.partners = gateway, partners
        self.seen = dict.fromkeys(partners, 0)

    def url(self, name, path):
        return self.partners[name].url + path

    def received(self, name):
        found = self.partners[name].requests[self.seen[name] :]
        self.seen[name] = len(self.partners[name].requests)
        return found

    def proxied(self, client, *calls):
        return call(client, list(calls), through_proxy(self.gateway.proxy, client, self.gateway.ca))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("egress")
    tls = PartnerTls(directory)
    with (
        RecordingUpstream(ANSWER, tls.context) as mailer,
        RecordingUpstream(context=tls.context) as tally,
        RecordingUpstream(context=tls.context) as reach,
    ):
        partners = {"mailer": mailer, "tally": tally, "reach": reach}
        rules = RULES.format(**{name: each.host for name, each in partners.items()})
        relay = {f"/{name}": each.url for name, each in partners.items()}
        authorities = dict.fromkeys(PARTNERS, tls.path)
        with EgressProcess(directory, rules, PROGRAMS, relay, authorities) as gateway:
            yield World(gateway, partners)


@pytest.fixture(autouse=True)
def only_what_this_test_sends(world):
    for name in PARTNERS:
        world.received(name)


def names_of(received):
    """The names of the header fields, lower case."""
    return {line.partition(b":")[0].lower().decode() for line in received.head.split(b"\r\n")[1:]}


def available():
    return [name for name in PROGRAMS if not missing(name)]


def records(world):
    """Those of calls, the oldest first."""
    found = json.loads(cli("audit", "search", "--state", world.gateway.state, "--json", "--limit", "1000").stdout)
    return [each["record"] for each in reversed(found) if "caller" in each["record"]]


@clients
def test_what_partners_receive_is_what_the_rules_allow_and_each_call_has_its_record(world, client):
    before = len(records(world))
    answers = world.proxied(
        client,
        post(world.url("mailer", "/v1/send?trace=planted"), SENT, **PLANTED),
        post(world.url("tally", "/events"), SENT, **PLANTED),
    )

    assert [each["status"] for each in answers] == [200, 200], answers
    assert {each["version"] for each in answers} == {VERSIONS[client]}
    mail, count = world.received("mailer"), world.received("tally")
    check_mail(world, *mail)
    check_event(world, *count)
    assert json.loads(answers[0]["body"]) == {"id": "m-1"}
    check_records(world, client, records(world)[before:])


def check_mail(world, mail):
    """What the mailer may know: the address as it is, and of the name one letter."""
    assert mail.line == b"POST /v1/send HTTP/1.1"
    assert mail.header("host") == [world.partners["mailer"].host.encode()]
    assert b"planted" not in mail.head
    assert names_of(mail) <= CARRIED, mail.head
    assert mail.body == b'{"to":"ann@example.com","name":"A** *******"}'
    assert mail.header("content-length") == [str(len(mail.body)).encode()]


def check_event(world, event):
    """What is not listed passes here, byte for byte; the person has a name that only this partner knows."""
    assert event.line == b"POST /events HTTP/1.1"
    assert event.header("host") == [world.partners["tally"].host.encode()]
    assert names_of(event) <= CARRIED, event.head
    pseudonym = json.loads(event.body)["to"]
    assert PSEUDONYM.fullmatch(pseudonym)
    assert event.body == SENT.replace(ANN, pseudonym).encode()


def check_records(world, client, made):
    ann = handle_of(world.gateway.state, ANN)
    assert {each["caller"] for each in made} == {f"application:{client}"}
    told = [(each["route"], each["direction"], each["kind"], each["recipient"], each.get("subject")) for each in made]
    assert told == [
        ("mail", "request", "disclose", "mailer", ann),
        ("mail", "response", "collect", "shop", ann),
        ("count", "request", "disclose", "tally", ann),
    ]
    sent = {each["address"]: each["action"] for each in made[0]["fields"]}
    assert {"$.to": "keep", "$.name": "mask", "$.phone": "drop", "query:*": "drop"}.items() <= sent.items()
    assert {each["address"]: each["action"] for each in made[2]["fields"]}["$.to"] == "pseudonym"


@clients
def test_the_same_through_the_relay(world, client):
    before = len(records(world))
    proof = {"Proxy-Authorization": basic(client)}
    answers = call(
        client,
        [
            post(f"{world.gateway.relay}/mailer/v1/send?trace=planted", SENT, **PLANTED, **proof),
            post(f"{world.gateway.relay}/tally/events", SENT, **PLANTED, **proof),
        ],
        {},
    )

    assert [each["status"] for each in answers] == [200, 200], answers
    check_mail(world, *world.received("mailer"))
    check_event(world, *world.received("tally"))
    assert json.loads(answers[0]["body"]) == {"id": "m-1"}
    check_records(world, client, records(world)[before:])


def test_partners_know_one_person_by_different_names_that_stay_whatever_client_sends(world):
    grant = ("consent", "grant", "--state", world.gateway.state, "--purpose", "ads", "--recipient", "reach")
    for person in (ANN, BOB):
        cli(*grant, "--subject", person)
    for client in available():
        world.proxied(
            client,
            *(
                post(world.url(partner, path), json.dumps({"to": person}))
                for person in (ANN, BOB)
                for partner, path in (("mailer", "/v1/send"), ("tally", "/events"), ("reach", "/audience"))
            ),
        )

    known = {
        name: [json.loads(each.body)["to"] for each in world.received(name)] for name in ("mailer", "tally", "reach")
    }
    assert known["mailer"] == [ANN, BOB] * len(available())
    for name in ("tally", "reach"):
        assert known[name] == known[name][:2] * len(available())
    assert len({*known["tally"], *known["reach"]}) == 4
    assert all(PSEUDONYM.fullmatch(each) for each in known["tally"] + known["reach"])


def test_consent_is_asked_for_the_partner_that_is_called(world):
    state = world.gateway.state
    call_reach = post(world.url("reach", "/audience"), json.dumps({"to": EVE, "born": "1990-01-02"}))

    assert world.proxied("requests", call_reach)[0]["status"] == 451
    cli("consent", "grant", "--state", state, "--subject", EVE, "--purpose", "ads", "--recipient", "tally")
    assert world.proxied("requests", call_reach)[0]["status"] == 451
    assert world.received("reach") == []
    cli("consent", "grant", "--state", state, "--subject", EVE, "--purpose", "ads", "--recipient", "reach")
    assert world.proxied("requests", call_reach)[0]["status"] == 200
    (received,) = world.received("reach")
    assert json.loads(received.body)["born"] == "1990-01-02"
    cli("consent", "withdraw", "--state", state, "--subject", EVE, "--purpose", "ads", "--recipient", "reach")
    assert world.proxied("requests", call_reach)[0]["status"] == 451
    assert world.received("reach") == []


@clients
def test_a_client_that_does_not_trust_the_gateway_sends_it_nothing(world, tmp_path, client):
    environment = through_proxy(world.gateway.proxy, client, Authority(tmp_path).path)

    assert call(client, [post(world.url("mailer", "/v1/send"), SENT)], environment, check=False) == []
    assert world.received("mailer") == []


def test_a_client_that_asks_tls_for_no_name_without_a_dot_as_java_does_is_served(world):
    """The host is that of the tunnel, and so is the certificate."""
    context = ssl.create_default_context(cafile=world.gateway.ca)
    context.check_hostname = False
    host = world.partners["tally"].host
    body = b'{"to":"ann@example.com"}'
    with socket.create_connection(("127.0.0.1", urlsplit(world.gateway.proxy).port), timeout=20) as plain:
        lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}", f"Proxy-Authorization: {basic('curl')}", "", ""]
        plain.sendall("\r\n".join(lines).encode())
        assert plain.recv(4096).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(plain) as secure:
            named = secure.getpeercert()["subjectAltName"]
            secure.sendall(request("POST", "/events", body, "Content-Type: application/json", host=host))
            assert secure.recv(4096).startswith(b"HTTP/1.1 200 ")

    assert named == (("DNS", "localhost"),)
    assert len(world.received("tally")) == 1


@pytest.mark.parametrize("client", ["requests", "httpx-http2"])
@pytest.mark.parametrize("secret", [None, "guessed, and long enough"])
def test_an_application_that_is_not_proven_gets_nothing_through(world, client, secret):
    environment = through_proxy(world.gateway.proxy, client, world.gateway.ca, secret or "")
    if secret is None:
        environment["HTTPS_PROXY"] = world.gateway.proxy

    assert call(client, [post(world.url("mailer", "/v1/send"), SENT)], environment, check=False) == []
    assert world.received("mailer") == []


def test_the_log_of_all_that_verifies(world):
    told = json.loads(cli("audit", "verify", world.gateway.state, "--allow-unanchored", "--json").stdout)

    assert told["verdict"] == 0
    kept = b"".join(path.read_bytes() for path in (world.gateway.state / "audit").rglob("*") if path.is_file())
    for planted in (b"ann@", b"planted", b"Ann Example", b"localhost"):
        assert planted not in kept
