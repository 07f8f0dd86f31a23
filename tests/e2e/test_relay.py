"""A relay as a process, in front of partners behind TLS: judged by the bytes that they received, and by records."""

import json
import os
import resource
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest
from certificates import Authority, write_certificate
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from egress_clients import PartnerTls
from outgoing_gateway import SECRET, basic
from people import handle_of
from processes import Client, GatewayProcess, cli, request
from upstream import RecordingUpstream, answer

ANN = "ann@example.com"
RULES = """\
version: 1
controller: {{name: Shop, contact: privacy@shop.example, jurisdiction: EU}}
purposes:
  service: {{basis: contract}}
  statistics: {{basis: legitimate_interest}}
  ads: {{basis: consent, consent_scope: recipient}}
recipients:
  mailer: {{role: processor, hosts: ["{mailer}"], contract: {{ref: A}}, may_receive: {{contact.email: service}}}}
  tally: {{role: partner, hosts: ["{tally}"], contract: {{ref: B}}, may_receive: {{contact.email: statistics}}}}
  reach: {{role: partner, hosts: ["{reach}"], contract: {{ref: C}}, may_receive: {{contact.email: ads}}}}
  lapsed: {{role: partner, hosts: ["{lapsed}"], contract: {{ref: D, expires: 2020-12-31}}}}
  own: {{role: partner, hosts: ["{own}"], contract: {{ref: E}}}}
  other: {{role: partner, hosts: ["{other}"], contract: {{ref: F}}}}
  old: {{role: partner, hosts: ["{old}"], contract: {{ref: G}}}}
  plain: {{role: controller, upstream: "http://127.0.0.1:1"}}
routes:
  - name: mail
    match: {{host: "{mailer}", method: POST, path: /v1/send}}
    to: mailer
    caller: plain
    subject: {{field: $.to}}
    body_limit: 2000
    request: {{fields: {{$.to: {{is: contact.email, for: service}}}}, rest: drop}}
    response: {{fields: {{$.id: {{is: unique_id, for: service}}}}, rest: drop}}
  - name: count
    match: {{host: "{tally}", method: POST, path: /v1/send}}
    to: tally
    caller: plain
    subject: {{field: $.to}}
    request: {{fields: {{$.to: {{is: contact.email, for: statistics, as: pseudonym}}}}, rest: drop}}
    response: {{rest: pass}}
  - name: offer
    match: {{host: "{reach}", method: POST, path: /v1/send}}
    to: reach
    caller: plain
    subject: {{field: $.to}}
    request: {{fields: {{$.to: {{is: contact.email, for: ads, as: pseudonym, otherwise: block}}}}, rest: drop}}
    response: {{rest: pass}}
  - name: late
    match: {{host: "{lapsed}", path: /**}}
    to: lapsed
    request: {{rest: pass}}
    response: {{rest: pass}}
  - {{name: one, match: {{host: "{own}", path: /x}}, to: own, request: {{rest: pass}}, response: {{rest: pass}}}}
  - {{name: two, match: {{host: "{other}", path: /x}}, to: other, request: {{rest: pass}}, response: {{rest: pass}}}}
  - {{name: three, match: {{host: "{old}", path: /x}}, to: old, request: {{rest: pass}}, response: {{rest: pass}}}}
"""
PARTNERS = ("mailer", "tally", "reach", "lapsed", "own", "other", "old")
ANSWER = answer(b'{"id":"m-1","to":"ann@example.com","trace":"planted"}', "Content-Type: application/json")
SENT = {"to": ANN, "name": "Ann Example", "born": "1990-01-02"}


def served_by(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


class RelayProcess(GatewayProcess):
    """`egress` with a relay and no proxy, on a machine without mitmproxy."""

    def __init__(self, directory: Path, rules: str, to: dict[str, str], ca: Path) -> None:
        super().__init__(directory, rules)
        secret = directory / "shop.secret"
        secret.touch(0o600)
        secret.write_text(SECRET)
        file = directory / "gateway.yaml"
        settings = {
            "version": 1,
            "rules": "rules",
            "state": "state",
            "upstream_tls": {name: {"ca": str(ca)} for name in PARTNERS},
            "egress": {
                "admin": "127.0.0.1:0",
                "relay": [{"listen": "127.0.0.1:0", "to": to}],
                "applications": {"shop": {"secret": str(secret)}},
            },
        }
        file.write_text(json.dumps(settings))
        self._arguments = ["egress", "-c", file, "--json"]

    def _announced(self, ready):
        (url,) = ready["relays"]
        self.port = int(url.rpartition(":")[2])


class World:
    def __init__(self, gateway, partners):
        self.gateway, self.partners = gateway, partners
        self.client = Client(gateway.port)

    def send(self, target, body, *lines, secret=SECRET):
        """Status and answer of one call."""
        proof = f"Proxy-Authorization: {basic('shop', secret).decode()}"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = request("POST", target, raw, "Content-Type: application/json", proof, *lines, host="relay.internal:8082")
        status, _, content = self.client.send(head)
        if status >= 400:
            self.client.close()
            self.client = Client(self.gateway.port)
        return status, json.loads(content)

    def received(self):
        """What each partner has received so far."""
        return {name: len(each.requests) for name, each in self.partners.items()}

    def records(self, **query):
        options = [text for name, value in query.items() for text in (f"--{name}", value)]
        found = json.loads(cli("audit", "search", "--state", self.gateway.state, "--json", *options).stdout)
        return [each["record"] for each in found]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("relay")
    absent = directory / "absent" / "mitmproxy"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ImportError('relays do without mitmproxy')\n")
    tls = PartnerTls(directory)
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    others = Authority(directory, "others")
    late = Authority(directory, "late")
    tls_of = dict.fromkeys(PARTNERS, tls.context) | {
        "own": served_by(write_certificate(directory, "localhost")),
        "other": served_by(others.issue("elsewhere", x509.DNSName("elsewhere.example"), usage=usage)),
        "old": served_by(late.issue("old", x509.DNSName("localhost"), usage=usage, days=-1)),
    }
    bundle = directory / "bundle.pem"
    bundle.write_bytes(tls.path.read_bytes() + others.path.read_bytes() + late.path.read_bytes())
    with ExitStack() as stack:
        partners = {name: stack.enter_context(RecordingUpstream(ANSWER, tls_of[name])) for name in PARTNERS}
        rules = RULES.format(**{name: each.host for name, each in partners.items()})
        gateway = RelayProcess(directory, rules, {f"/{name}": each.url for name, each in partners.items()}, bundle)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PYTHONPATH", str(absent.parent), prepend=os.pathsep)
            stack.enter_context(gateway)
        yield World(gateway, partners)


def test_partners_receive_what_the_rules_allow_and_each_call_is_on_record(world):
    for name in ("mailer", "tally"):
        status, _ = world.send(f"/{name}/v1/send?trace=planted", SENT, "X-Internal: planted", "Via: 1.1 internal")
        assert status == 200
    (mailed,), (counted,) = world.partners["mailer"].requests, world.partners["tally"].requests

    assert mailed.head == (
        b"POST /v1/send HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nAccept-Encoding: identity\r\n"
        b"Content-Length: 24" % world.partners["mailer"].host.encode()
    )
    assert mailed.body == b'{"to":"ann@example.com"}'
    pseudonym = json.loads(counted.body)["to"]
    assert pseudonym.startswith("p1.")
    assert ANN.encode() not in counted.body + counted.head
    records = world.records()
    for partner, route in (("mailer", "mail"), ("tally", "count")):
        (record,) = [each for each in records if each.get("recipient") == partner]
        assert record["kind"] == "disclose"
        assert (record["caller"], record["route"]) == ("application:shop", route)
        assert record["subject"] == handle_of(world.gateway.state, ANN)
    assert "planted" not in json.dumps(records)


def test_what_the_partner_answers_is_cut_by_rules(world):
    assert world.send("/mailer/v1/send", SENT) == (200, {"id": "m-1"})
    assert world.send("/tally/v1/send", SENT)[1]["trace"] == "planted"


def test_p4_consent_withdrawn_between_two_calls_holds_the_second_back(world):
    reach = world.partners["reach"]
    who = ("--state", world.gateway.state, "--subject", ANN, "--purpose", "ads", "--recipient")
    assert world.send("/reach/v1/send", SENT)[0] == 451
    cli("consent", "grant", *who, "tally")
    assert world.send("/reach/v1/send", SENT)[0] == 451
    assert reach.requests == []
    cli("consent", "grant", *who, "reach")
    assert world.send("/reach/v1/send", SENT)[0] == 200
    assert world.send("/tally/v1/send", SENT)[0] == 200
    cli("consent", "withdraw", *who, "reach")
    status, problem = world.send("/reach/v1/send", SENT)

    assert (status, problem["code"]) == (451, "withdrawn")
    (offered,) = reach.requests
    (withdrawn,) = world.records(reason="withdrawn", kind="refuse")
    assert (withdrawn["recipient"], withdrawn["caller"]) == ("reach", "application:shop")
    counted = world.partners["tally"].requests[-1]
    assert json.loads(offered.body)["to"][:3] == json.loads(counted.body)["to"][:3] == "p1."
    assert json.loads(offered.body) != json.loads(counted.body)


REFUSED = [
    ("/lapsed/v1/send", SENT, SECRET, 403, "contract_expired"),
    ("/mailer/v1/send", SENT, "wrong", 407, "proxy_authentication_required"),
    ("/mailer/v1/send", {**SENT, "more": "x" * 3000}, SECRET, 413, "over_size"),
    ("/mailer/v1/send", b'{"to":', SECRET, 400, "unparsable_body"),
    ("/mailer/v1/other", SENT, SECRET, 404, "unknown_route"),
    ("/nobody/v1/send", SENT, SECRET, 404, "unknown_route"),
    ("/tally/../mailer/v1/send", SENT, SECRET, 400, "ambiguous_framing"),
    ("/own/x", SENT, SECRET, 502, "upstream_tls"),
    ("/other/x", SENT, SECRET, 502, "upstream_tls"),
    ("/old/x", SENT, SECRET, 502, "upstream_tls"),
]
"""The last three partners show a certificate that they signed themselves, one for another name, and one that ended."""


def test_what_is_refused_never_reaches_a_partner_and_rules_that_refuse_are_on_record(world):
    before = world.received()
    given = [world.send(target, body, secret=secret) for target, body, secret, _, _ in REFUSED]

    assert [(status, problem["code"]) for status, problem in given] == [(each[3], each[4]) for each in REFUSED]
    assert world.received() == before
    recorded = {record["request"]: record for record in world.records(kind="refuse")}
    for (_, _, secret, _, code), (_, problem) in zip(REFUSED, given, strict=True):
        record = recorded.get(problem["record"])
        if code == "upstream_tls":
            assert record is None
        else:
            assert record["reason"] == code
            assert record.get("caller") == ("application:shop" if secret == SECRET else None)


def test_p2_a_full_disk_for_the_log_stops_calls_and_they_go_on_once_there_is_room(world):
    mailer = world.partners["mailer"]
    assert world.send("/mailer/v1/send", SENT)[0] == 200
    before = len(mailer.requests)
    room = resource.RLIM_INFINITY
    try:
        for worker in world.gateway.workers():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (1, room))
        status, problem = world.send("/mailer/v1/send", SENT)
    finally:
        for worker in world.gateway.workers():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (room, room))

    assert (status, problem["code"]) == (503, "audit_unavailable")
    assert len(mailer.requests) == before
    assert world.send("/mailer/v1/send", SENT)[0] == 200
    assert len(mailer.requests) == before + 1


def test_p1_without_the_store_of_people_nothing_leaves_that_names_somebody(world):
    known, aside = world.gateway.state / "subjects.generation", world.gateway.state / "aside"
    before = world.received()
    known.rename(aside)
    try:
        answers = [world.send(f"/{name}/v1/send", SENT) for name in ("mailer", "tally", "reach")]
    finally:
        aside.rename(known)

    assert [(status, problem["code"]) for status, problem in answers] == [(503, "consent_store_down")] * 3
    assert world.received() == before
    assert world.send("/mailer/v1/send", SENT)[0] == 200
