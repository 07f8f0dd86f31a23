"""Sessions in whole processes: every worker knows who signed in, erasure and restarts included."""

import json

import pytest
from people import handle_of
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream, answer

ROUTES = """
routes:
  - name: sign-in
    match: {method: POST, path: /sign-in}
    to: shop
    subject: {field: form:email}
    request: {rest: pass}
    response: {rest: pass}
    signs_in: {status: 303, location: /account}
  - name: sign-out
    match: {method: POST, path: /sign-out}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
    signs_out: true
  - name: me
    match: {path: /me}
    to: shop
    subject: identity
    request: {rest: pass}
    response:
      fields: {$.phone: {is: contact.phone_number, for: ads, otherwise: drop}}
      rest: pass
"""
FILE = """\
version: 1
listeners: [{{address: 127.0.0.1:0}}]
admin: 127.0.0.1:0
rules: rules
state: state
workers: {workers}
identity: {{{identity}}}
"""
SESSION = "session: {cookie: sid, hours: 24}, visitor: {days: 30}"
ANN = "ann@shop.example"
VALUE = "0123456789abcdef-this-is-anns"
FORM = "Content-Type: application/x-www-form-urlencoded"
SIGN_IN = request("POST", "/sign-in", b"email=ann%40shop.example&password=x", FORM)
ME = request("GET", "/me", b"", f"Cookie: sid={VALUE}")


PHONE = answer(b'{"phone":"0171"}', "Content-Type: application/json")
WELCOME = answer(b"", "Location: /account", f"Set-Cookie: sid={VALUE}; Path=/; HttpOnly", status="303 See Other")


def shop_answer(received):
    return WELCOME if received.target == b"/sign-in" else PHONE


class Configured(GatewayProcess):
    """`serve -c` with sessions."""

    def __init__(self, directory, upstream, workers=1, identity=SESSION):
        super().__init__(directory, rules(ROUTES, upstream))
        self.file = directory / "gateway.yaml"
        self.file.write_text(FILE.format(workers=workers, identity=identity))
        self._arguments = ["serve", "--json", "-c", self.file]


@pytest.fixture(scope="module")
def shop():
    with RecordingUpstream(answer=shop_answer) as running:
        yield running


def everywhere(gateway):
    """Statuses and bodies of what is asked on sixteen connections, so that every worker is asked."""
    clients = [Client(gateway.port) for _ in range(16)]
    found = {(status, body[:9]) for status, _, body in (client.send(ME) for client in clients)}
    for client in clients:
        client.close()
    return found


WHOLE, NOBODY = {(200, b'{"phone":')}, 403


def test_every_worker_knows_who_signed_in_until_they_are_erased(shop, tmp_path):
    with Configured(tmp_path, shop.url, workers=4) as gateway:
        cli("consent", "grant", "--state", gateway.state, "--subject", ANN, "--purpose", "ads")
        assert {status for status, _ in everywhere(gateway)} == {NOBODY}
        client = Client(gateway.port)
        assert client.send(SIGN_IN)[0] == 303
        assert everywhere(gateway) == WHOLE
        ann = handle_of(gateway.state, ANN)

        cli("subject", "erase", "--state", gateway.state, "--subject", ANN)
        assert {status for status, _ in everywhere(gateway)} == {NOBODY}
        client.close()
    kept = b"".join(file.read_bytes() for file in gateway.state.rglob("sessions*") if file.is_file())
    assert VALUE.encode() not in kept
    assert ann.encode() not in kept
    assert b"ann@" not in kept
    found = json.loads(cli("audit", "search", "--state", gateway.state, "--json", "--kind", "disclose").stdout)
    assert {entry["record"]["caller"] for entry in found} == {f"session:{ann}"}


def test_a_link_outlives_the_workers_and_ends_with_the_sign_out(shop, tmp_path):
    with Configured(tmp_path, shop.url) as gateway:
        cli("consent", "grant", "--state", gateway.state, "--subject", ANN, "--purpose", "ads")
        assert Client(gateway.port).send(SIGN_IN)[0] == 303
        gateway.kill()
    with Configured(tmp_path, shop.url, workers=2) as gateway:
        assert everywhere(gateway) == WHOLE
        client = Client(gateway.port)
        assert client.send(request("POST", "/sign-out", b"", f"Cookie: sid={VALUE}", "Content-Length: 0"))[0] == 200
        assert {status for status, _ in everywhere(gateway)} == {NOBODY}
        client.close()


def test_without_a_session_no_route_can_sign_anybody_in(shop, tmp_path):
    with pytest.raises(AssertionError, match="PG945") as caught, Configured(tmp_path, shop.url, identity="visitor: {}"):
        pass
    assert str(caught.value).count("PG945") == 2
