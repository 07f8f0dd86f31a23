"""A legal request beside a running gateway: what the person reads over the wire before and after its secrecy."""

import json
import re

import pytest
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream

RULES = """
  police: {role: authority, title: State Police}
routes:
  - name: all
    match: {path: /**}
    to: shop
    subject: identity
    request:
      fields: {"header:X-Device": {is: device.device_id, for: service}}
      rest: {headers: pass, cookies: pass}
    response: {rest: pass}
notice: {version: "7", valid: P6M, text: We ask you.}
"""
SETTINGS = """
version: 1
listeners: [{address: "127.0.0.1:0"}]
admin: 127.0.0.1:0
rules: rules
state: state
workers: 2
identity: {visitor: {days: 10}}
portal: {}
"""
PLACES = ("/privacy/disclosures", "/privacy/records.json", "/privacy/records.csv")


class PortalGateway(GatewayProcess):
    def __init__(self, directory, rules_text):
        super().__init__(directory, rules_text)
        (directory / "gateway.yaml").write_text(SETTINGS)
        self._arguments = ["serve", "--json", "-c", directory / "gateway.yaml"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gateway")
    with (
        RecordingUpstream() as upstream,
        PortalGateway(directory, rules(RULES, f"http://127.0.0.1:{upstream.port}")) as running,
    ):
        yield running


def get(gateway, target, *headers):
    client = Client(gateway.port)
    try:
        return client.send(request("GET", target, b"", *headers))
    finally:
        client.close()


@pytest.fixture(scope="module")
def cookie(gateway):
    """Of a visitor of whom something was collected."""
    _, head, _ = get(gateway, "/privacy")
    found = "Cookie: " + re.search(rb"Set-Cookie: ([^;]+)", head)[1].decode()
    assert get(gateway, "/x", "X-Device: 7", found)[0] == 200
    return found


def authority(gateway, verb, *arguments):
    done = cli("disclosure", "authority", verb, *arguments, "--state", gateway.state, "--json")
    return json.loads(done.stdout)


def read(gateway, cookie):
    found = {place: get(gateway, place, cookie) for place in PLACES}
    assert {status for status, _, _ in found.values()} == {200}
    return {place: body for place, (_, _, body) in found.items()}


def test_a_person_reads_of_it_when_it_is_no_longer_secret(gateway, cookie, tmp_path):
    visitor = "visitor:" + re.search("privacy-visitor=([^.]+)", cookie)[1]
    registered = authority(
        gateway, "register", "--authority", "police", "--instrument", "court_order", "--reference", "7 O 1/26",
        "--legal-basis", "StPO 100g", "--secret-until", "lifted", "--what", "disclosures", "--class", "user",
        "--subject", visitor, "--by", "ina",
    )["id"]  # fmt: skip
    authority(gateway, "approve", registered, "--by", "otto")
    made = authority(gateway, "produce", registered, "--output", tmp_path / "out")
    secret = read(gateway, cookie)

    assert made["counts"]["disclosures"] >= 1
    [device] = [
        field
        for each in json.loads((tmp_path / "out" / "person-1.json").read_bytes())["records"]
        for field in each["record"].get("fields", [])
        if field.get("address") == "header:X-Device"
    ]
    assert device["class"] == "user.device.device_id"
    assert [place for place, body in secret.items() if b"StPO" in body or b"police" in body.lower()] == []

    authority(gateway, "lift-secrecy", registered, "--reason", "over", "--by", "ina")
    shown = read(gateway, cookie)
    assert [place for place, body in shown.items() if b"StPO 100g" in body] == list(PLACES)
    assert b"State Police" in shown["/privacy/disclosures"]
    [record] = [
        each["record"]
        for each in json.loads(shown["/privacy/records.json"])["records"]
        if "instrument" in each["record"]
    ]
    assert record["instrument"] == {"kind": "court_order", "reference": "7 O 1/26"}
    assert all(name not in record for name in ("by", "because"))
