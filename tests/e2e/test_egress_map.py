"""The map of where data goes, from calls through a whole `egress` process to the command that shows it."""

import http.client
import json
import time
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from egress_clients import EgressProcess, basic
from processes import cli
from upstream import RecordingUpstream, answer

RULES = """\
version: 1
controller: {{name: Shop, contact: privacy@shop.example}}
purposes: {{service: {{basis: contract}}}}
recipients:
  shop: {{role: controller, upstream: "http://127.0.0.1:1"}}
  mailer:
    role: processor
    country: DE
    hosts: ["{mailer}"]
    contract: {{ref: DPA-1, expires: 2099-12-31}}
    may_receive: {{contact.email: service}}
routes:
  - name: mail
    match: {{host: "{mailer}", method: POST, path: /send}}
    to: mailer
    caller: shop
    request: {{fields: {{$.to: {{is: contact.email, for: service}}}}, rest: {{body: pass}}}}
    response: {{rest: pass}}
egress: {{unknown: observe}}
"""
SENT = b'{"to":"planted@example.com","phone":"+49 151 23456789"}'
ANSWER = answer(b'{"ok":true}', "Content-Type: application/json")


@pytest.fixture(scope="module")
def partners():
    with RecordingUpstream(answer=ANSWER) as mailer, RecordingUpstream(answer=ANSWER) as unknown:
        yield mailer, unknown


@pytest.fixture(scope="module")
def egress(partners, tmp_path_factory):
    places = [each.host for each in partners]
    relay = {"/mailer": f"http://{places[0]}", "/unknown": f"http://{places[1]}"}
    rules = RULES.format(mailer=places[0])
    with EgressProcess(tmp_path_factory.mktemp("egress"), rules, ["shop"], relay, {}) as running:
        yield running


def post(address, target, application, body=SENT):
    """Over a connection of its own; the status."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    fields = {"Content-Type": "application/json", "Proxy-Authorization": basic(application)}
    try:
        connection.request("POST", target, body, fields)
        answered = connection.getresponse()
        answered.read()
        return answered.status
    finally:
        connection.close()


def shown(egress, *more, until=lambda _: True):
    """What the command shows, which workers write every second."""
    for _ in range(100):
        done = cli("egress", "map", "-c", egress.file, "--json", *more, check=False)
        found = json.loads(done.stdout)
        if until(found["places"]):
            return done.returncode, found["places"]
        time.sleep(0.1)
    raise AssertionError(found)


def test_calls_of_both_ways_are_on_the_map_and_on_record(egress, partners):
    mailer, unknown = partners
    assert post(egress.relay, "/mailer/send", "shop") == 200
    assert post(egress.relay, "/mailer/nowhere", "shop") == 404
    assert post(egress.relay, "/unknown/collect", "shop") == 200
    assert post(egress.proxy, f"{unknown.url}/collect?q=1", "shop") == 200
    assert [each.body for each in unknown.requests] == [SENT, SENT]
    assert [each.body for each in mailer.requests] == [SENT]

    status, places = shown(egress, until=lambda found: sum(each["messages"] for each in found) == 4)
    hosts = {each["host"]: each for each in places}
    to_mailer, to_unknown = (hosts[each.host] for each in partners)

    assert status == 2
    assert (to_mailer["recipient"], to_mailer["role"], to_mailer["country"]) == ("mailer", "processor", "DE")
    assert (to_mailer["messages"], to_mailer["refused"], to_mailer["sent"]) == (2, 1, len(SENT))
    assert to_mailer["not_listed"] == ["user.contact.phone_number"]
    assert (to_unknown["recipient"], to_unknown["applications"]) == (None, ["shop"])
    assert (to_unknown["ways"], to_unknown["sent"], to_unknown["received"]) == (["proxy", "relay"], 2 * len(SENT), 22)
    assert to_unknown["classes_sent"] == ["user.contact.email", "user.contact.phone_number"]
    assert f'hosts: ["{to_unknown["host"]}"]' in to_unknown["add"]
    assert [each["host"] for each in shown(egress, "--unknown")[1]] == [to_unknown["host"]]

    found = json.loads(cli("audit", "search", "--recipient", "*", "--json", "--state", egress.state).stdout)
    assert [each["record"]["caller"] for each in found] == ["application:shop"] * 2
    assert {each["record"]["host"] for each in found} == {to_unknown["host"]}


def test_metrics_count_calls_to_unknown_hosts_without_their_names(egress, partners):
    with urlopen(f"{egress.admin}/metrics", timeout=20) as answered:
        text = answered.read().decode()

    assert 'privacy_gateway_unknown_destinations_total{outcome="observed"} 2.0' in text
    assert partners[1].host not in text


def test_the_log_verifies_and_p6_no_value_is_in_it_or_in_the_map(egress):
    egress.__exit__()
    assert cli("audit", "verify", egress.state, "--allow-unanchored").returncode == 0
    kept = b"".join(path.read_bytes() for path in egress.state.rglob("*") if path.is_file())

    assert b"unknown_recipient" in kept
    assert b"planted" not in kept
    assert b"23456789" not in kept
