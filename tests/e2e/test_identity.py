"""Identity in whole processes: what is refused at the start and on reload, and what the records say."""

import json

import pytest
from people import handle_of
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from tokens import AUDIENCE, ISSUER, Issuer
from upstream import RecordingUpstream, answer

ROUTES = """
routes:
  - name: me
    match: {path: /me}
    to: shop
    subject: identity
    request: {rest: {headers: pass}}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads}}
      rest: drop
  - name: other
    match: {path: /other, method: POST}
    to: shop
    subject: {field: $.email}
    request: {fields: {$.email: {is: contact.email, for: service}}}
    response: {rest: pass}
  - name: form
    match: {path: /form, method: POST}
    to: shop
    request: {fields: {"part:note": {is: contact.email, for: service}}}
    response: {rest: pass}
"""
FORM = '--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--b--\r\n'
PHONE = answer(b'{"phone":"0171"}', "Content-Type: application/json")
ANN, EVE = "ann@shop.example", "eve@shop.example"
FILE = """\
version: 1
listeners: [{{address: 127.0.0.1:0}}]
admin: 127.0.0.1:0
rules: rules
state: state
{more}
"""


class Configured(GatewayProcess):
    """`serve -c` with further settings."""

    def __init__(self, directory, upstream, more):
        super().__init__(directory, rules(ROUTES, upstream))
        self.file = directory / "gateway.yaml"
        self.write(more)
        self._arguments = ["serve", "--json", "-c", self.file]

    def write(self, more):
        self.file.write_text(FILE.format(more=more))


def test_records_name_the_caller_by_source_and_handle_and_search_finds_them(tmp_path):
    issuer = Issuer()
    (tmp_path / "keys.json").write_bytes(issuer.jwks())
    more = f"""
identity:
  token: {{keys: keys.json, algorithms: [ES256], issuer: {ISSUER}, audience: {AUDIENCE}}}
  trusted_header: {{name: X-User, from: [127.0.0.0/8]}}
"""
    with RecordingUpstream(answer=PHONE) as shop, Configured(tmp_path, shop.url, more) as gateway:
        cli("consent", "grant", "--state", gateway.state, "--subject", ANN, "--purpose", "ads")
        client = Client(gateway.port)
        bearer = "Authorization: Bearer " + issuer.token(ANN).decode()
        assert client.send(request("GET", "/me", b"", bearer))[2] == b'{"phone":"0171"}'
        assert client.send(request("GET", "/me", b"", f"X-User: {EVE}"))[0] == 451
        assert client.send(request("GET", "/me"))[0] == 403
        body = json.dumps({"email": EVE}).encode()
        assert client.send(request("POST", "/other", body, bearer, "Content-Type: application/json"))[0] == 200
        multipart = "Content-Type: multipart/form-data; boundary=b"
        assert client.send(request("POST", "/form", FORM.encode(), f"X-User: {EVE}", multipart))[0] == 200
        client.close()
        ann, eve = handle_of(gateway.state, ANN), handle_of(gateway.state, EVE)
    found = json.loads(cli("audit", "search", "--state", gateway.state, "--json").stdout)
    told = [
        (each["record"].get("route"), each["record"].get("caller"), each["record"].get("subject")) for each in found
    ]
    assert [each for each in told if each[0]][::-1] == [
        ("me", f"token:{ann}", ann),
        ("me", f"header:{eve}", eve),
        ("me", "anonymous", None),
        ("other", f"token:{ann}", eve),
        ("form", f"header:{eve}", None),
    ]
    by_caller = json.loads(cli("audit", "search", "--state", gateway.state, "--json", "--caller", ANN).stdout)
    assert [each["record"]["route"] for each in by_caller] == ["other", "me"]
    counted = json.loads(cli("audit", "search", "--state", gateway.state, "--json", "--caller", ANN, "--count").stdout)
    assert counted["records"] == 2
    exported = cli("audit", "export", "--state", gateway.state, "--caller", ANN, "--subject", EVE).stdout
    assert [json.loads(line)["record"]["route"] for line in exported.splitlines()] == ["other"]
    kept = b"".join(path.read_bytes() for path in gateway.state.rglob("*") if path.is_file())
    assert b"ann@" not in kept
    assert b"eve@" not in kept
    assert b"ann@" not in gateway.log.read_bytes()


def refused(*arguments):
    """The diagnostics with which `serve` does not start."""
    ran = cli("serve", "--json", *arguments, check=False)
    assert ran.returncode == 1
    return [(each["code"], each["file"], each["line"]) for each in json.loads(ran.stdout)["diagnostics"]]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ("PG944", "rules.yaml", 15)),
        ("identity: {}", ("PG944", "rules.yaml", 15)),
        ("identity: {trusted_header: {name: X-User}}", ("PG940", "gateway.yaml", 6)),
        ("identity: {trusted_header: {name: X-User, from: []}}", ("PG940", "gateway.yaml", 6)),
        ("identity: {trusted_header: {name: X-User, from: [0.0.0.0/0]}}", ("PG940", "gateway.yaml", 6)),
        ("identity: {client_certificate: san_email}", ("PG941", "gateway.yaml", 6)),
    ],
)
def test_it_does_not_start_where_nobody_or_everybody_could_say_who_they_are(tmp_path, more, expected):
    gateway = Configured(tmp_path, "http://127.0.0.1:1", more)
    [(code, file, line)] = refused("-c", gateway.file)
    assert (code, file.rpartition("/")[2], line) == expected


def test_without_a_file_of_settings_there_is_no_source_either(tmp_path):
    gateway = Configured(tmp_path, "http://127.0.0.1:1", "")
    assert refused("--rules", gateway.rules, "--state", gateway.state) == [("PG944", "rules.yaml", 15)]


def test_a_reload_that_takes_the_last_source_away_is_refused(tmp_path):
    header = "identity: {trusted_header: {name: X-User, from: [127.0.0.0/8]}}"
    with RecordingUpstream(answer=PHONE) as shop, Configured(tmp_path, shop.url, header) as gateway:
        cli("consent", "grant", "--state", gateway.state, "--subject", ANN, "--purpose", "ads")
        gateway.write("")
        said = ""
        with gateway.log.open() as log:
            while "PG944" not in said:
                said += log.read()
                assert gateway.process.poll() is None
        client = Client(gateway.port)
        assert client.send(request("GET", "/me", b"", f"X-User: {ANN}"))[2] == b'{"phone":"0171"}'
        client.close()
