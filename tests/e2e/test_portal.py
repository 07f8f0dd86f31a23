"""The pages on real processes: two workers, a ledger, and a person with a browser's cookie."""

import json
import re
from urllib.parse import urlencode

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


class PortalGateway(GatewayProcess):
    def __init__(self, directory, rules_text):
        super().__init__(directory, rules_text)
        file = directory / "gateway.yaml"
        file.write_text(
            "version: 1\nlisteners: [{address: 127.0.0.1:0}]\nadmin: 127.0.0.1:0\nrules: rules\nstate: state\n"
            "workers: 2\nidentity: {visitor: {days: 10}}\nportal: {languages: [en]}\n"
        )
        self._arguments = ["serve", "--json", "-c", file]


def fetch(port, method, target, body=b"", *headers):
    client = Client(port)
    try:
        return client.send(request(method, target, body, *headers))
    finally:
        client.close()


def test_p4_what_a_person_decides_counts_in_every_worker_and_is_on_record(tmp_path):
    with (
        RecordingUpstream() as upstream,
        PortalGateway(tmp_path, rules(ROUTES, f"http://127.0.0.1:{upstream.port}")) as gateway,
    ):
        status, head, page = fetch(gateway.port, "GET", "/privacy")
        assert status == 200
        cookie = "Cookie: " + re.search(rb"Set-Cookie: ([^;]+)", head)[1].decode()

        def send(path, **fields):
            form = dict(re.findall(rb'name="(token|notice)" value="([^"]*)"', page))
            body = urlencode({name.decode(): value for name, value in form.items()} | fields).encode()
            kind = "Content-Type: application/x-www-form-urlencoded"
            return fetch(gateway.port, "POST", path, body, cookie, kind)[0]

        def carried():
            """How many of some requests, each on a new connection, still carry the field."""
            before = len(upstream.requests)
            for _ in range(12):
                fetch(gateway.port, "GET", "/x", b"", cookie, "X-Ad: 7")
            return sum(b"x-ad" in each.head.lower() for each in upstream.requests[before:])

        assert carried() == 0
        assert send("/privacy/choices", do="accept_all") == 303
        assert carried() == 12
        assert send("/privacy/withdraw") == 303
        assert carried() == 0
        assert all(b"privacy-visitor" not in each.head for each in upstream.requests)
    cli("consent", "reconcile", "--state", gateway.state)
    events = json.loads(cli("consent", "export", "--state", gateway.state, "--json").stdout)
    assert sorted((each["purpose"], each["status"], each["method"], each["assurance"]) for each in events) == [
        ("ads", "given", "portal", "none"),
        ("ads", "withdrawn", "portal", "none"),
        ("analytics", "given", "portal", "none"),
        ("analytics", "withdrawn", "portal", "none"),
    ]
