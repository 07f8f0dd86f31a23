"""Disclosures, receipt and records on real processes: what a person downloads is checked without the gateway."""

import csv
import io
import json
import re
import shutil
from urllib.parse import urlencode

import pytest
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream

ROUTES = """
notice: {version: "7", valid: P6M, text: We ask you.}
routes:
  - name: all
    match: {path: /**}
    to: shop
    subject: identity
    request:
      fields: {"header:X-Ad": {is: device.device_id, for: ads, otherwise: drop}}
      rest: {headers: pass, cookies: pass}
    response: {rest: pass}
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


class PortalGateway(GatewayProcess):
    def __init__(self, directory, rules_text):
        super().__init__(directory, rules_text)
        file = directory / "gateway.yaml"
        file.write_text(SETTINGS)
        self._arguments = ["serve", "--json", "-c", file]


class Browser:
    """One visitor; each request is on a new connection, so that both workers answer."""

    def __init__(self, port):
        self.port = port
        self.cookie = ()
        _, head, self.page = self.get("/privacy")
        self.cookie = ("Cookie: " + re.search(rb"Set-Cookie: ([^;]+)", head)[1].decode(),)

    def get(self, target, *headers, method="GET", body=b""):
        client = Client(self.port)
        try:
            return client.send(request(method, target, body, *self.cookie, *headers))
        finally:
            client.close()

    def choose(self, path, **fields):
        form = dict(re.findall(rb'name="(token|notice)" value="([^"]*)"', self.page))
        body = urlencode({name.decode(): value for name, value in form.items()} | fields).encode()
        kind = "Content-Type: application/x-www-form-urlencoded"
        assert self.get(path, kind, method="POST", body=body)[0] == 303


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gateway")
    with (
        RecordingUpstream() as upstream,
        PortalGateway(directory, rules(ROUTES, f"http://127.0.0.1:{upstream.port}")) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def visitor(gateway):
    """Somebody who agreed, sent the field twice, withdrew, and sent it once more."""
    browser = Browser(gateway.port)
    browser.choose("/privacy/choices", do="accept_all")
    for _ in range(2):
        browser.get("/x", "X-Ad: 7")
    browser.choose("/privacy/withdraw")
    browser.get("/x", "X-Ad: 7")
    return browser


def test_a_downloaded_receipt_is_valid_without_the_gateway(gateway, visitor, tmp_path):
    status, head, receipt = visitor.get("/privacy/receipt.jsonld")
    (tmp_path / "receipt.jsonld").write_bytes(receipt)
    page = visitor.get("/privacy/receipt")[2].decode()
    (tmp_path / "keys").write_text("\n".join(re.findall(r"<li><code>([^<]*)</code></li>", page)).replace("&#43;", "+"))
    shutil.copytree(gateway.state, tmp_path / "unused")
    checked = cli("consent", "check-receipt", tmp_path / "receipt.jsonld", "--trust", tmp_path / "keys", "--json")

    assert status == 200
    assert b"Content-Type: application/ld+json" in head
    assert b'Content-Disposition: attachment; filename="consent-receipt.jsonld"' in head
    report = json.loads(checked.stdout)
    assert (report["verdict"], report["events"], report["proven"]) == ("VALID", 4, 4)
    document = json.loads(receipt)
    controls = {each["dpv:isExercisedAt"][0] for record in document["dpv:hasRecordOfActivity"]
                for each in record["dpv:hasConsentControl"]}  # fmt: skip
    assert controls == {"http://shop.example/privacy"}
    [notice] = document["dpv:hasRecordOfActivity"][0]["dpv:hasNotice"]
    assert notice["schema:version"] == "7"
    shown = visitor.get(f"/privacy/notice/{notice['receipt:sha256']}")
    assert shown[0] == 200


def test_what_passed_and_what_was_held_back_is_shown(visitor):
    status, head, page = visitor.get("/privacy/disclosures?days=30")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.decode()))

    assert status == 200
    assert "device number × 2 unchanged your consent" in text
    assert "device number × 1 you withdrew or refused" in text
    assert b'aria-current="true"' in page
    assert b"style-src 'self'" in head
    assert b" style=" not in page


@pytest.mark.parametrize(("language", "said"), [("de", "Was mit Ihren Daten geschah"), ("zh", "您的数据去了哪里")])
def test_in_the_persons_language(visitor, language, said):
    assert said in visitor.get(f"/privacy/disclosures?lang={language}")[2].decode()


def test_records_in_both_forms_are_the_same(visitor):
    value = json.loads(visitor.get("/privacy/records.json")[2])
    table = list(csv.DictReader(io.StringIO(visitor.get("/privacy/records.csv")[2].decode(), newline="")))

    assert [each["status"] for each in value["decisions"]] == ["given", "given", "withdrawn", "withdrawn"]
    assert sum(row["what"] == "decision" for row in table) == 4
    passed = [row for row in table if row["address"] == "header:X-Ad"]
    assert sorted(row["action"] for row in passed) == ["drop", "keep", "keep"]
    [given] = [each["event"] for each in value["decisions"] if (each["purpose"], each["status"]) == ("ads", "given")]
    assert {row["consent"] for row in passed if row["action"] == "keep"} == {json.dumps([given])}


def test_every_look_is_a_record(gateway, visitor):
    subject = json.loads(visitor.get("/privacy/records.json")[2])["subjects"][0]

    def looks():
        found = cli("audit", "search", "--state", gateway.state, "--subject", subject, "--purpose", "rights", "--json")
        return [entry["record"]["route"] for entry in json.loads(found.stdout)]

    before = looks()
    for path in ("disclosures", "receipt.jsonld", "records.json", "records.csv"):
        assert visitor.get(f"/privacy/{path}")[0] == 200
    after = looks()

    assert sorted(after[: len(after) - len(before)]) == ["own/disclosures", "own/receipt", "own/records", "own/records"]


def test_nobody_else_gets_it(gateway, visitor):
    stranger = Browser(gateway.port)
    value = json.loads(stranger.get("/privacy/records.json")[2])

    assert (value["decisions"], [each for each in value["records"] if each["record"]["recipient"] == "shop"]) == (
        [],
        [],
    )
    assert stranger.get("/privacy/receipt.jsonld")[0] == 404
    for path in ("disclosures", "receipt", "receipt.jsonld", "records.json", "records.csv"):
        client = Client(gateway.port)
        status, head, body = client.send(request("GET", f"/privacy/{path}"))
        client.close()
        assert (status, b"Location: /privacy" in head, body) == (303, True, b"")


@pytest.mark.parametrize("days", ["x", "-1", "٣", "1" * 400, "", "31"])
def test_a_time_that_is_not_offered_is_all_time(visitor, days):
    from urllib.parse import quote

    page = visitor.get(f"/privacy/disclosures?days={quote(days)}")[2].decode()
    [current] = re.findall(r'href="([^"]*)" aria-current="true"', page)

    assert current == "/privacy/disclosures"


def test_the_log_stays_whole(gateway, visitor):
    assert cli("audit", "verify", gateway.state, "--allow-unanchored", "--json").returncode == 0
    assert visitor.cookie
