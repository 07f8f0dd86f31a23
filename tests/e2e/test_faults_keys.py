"""Row 22 of the faults to survive: the key provider is down, gives another key, or the key is destroyed.

The provider of this version is a file, read once at the start; what must hold is the same: no plaintext,
and an answer that says which key file to look at and never a key. Row 19 belongs to PostgreSQL, which
this version does not use.
"""

import base64

import pytest
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream

ROUTES = """
routes:
  - name: sign-up
    match: {method: POST, path: /customers}
    to: shop
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: service, as: pseudonym}
      rest: drop
    response: {rest: pass}
"""
ASK = request("POST", "/customers", b'{"email":"planted@shop.example"}', "Content-Type: application/json")


@pytest.fixture
def shop():
    with RecordingUpstream() as server:
        yield server


def ask(gateway):
    client = Client(gateway.port)
    status, _, _ = client.send(ASK)
    client.close()
    return status


def test_row_22_without_its_key_file_the_gateway_does_not_start(tmp_path, shop):
    gateway = GatewayProcess(tmp_path, rules(ROUTES, shop.url))
    (gateway.state / "keys" / "root.key").unlink()
    result = cli(*gateway._arguments, check=False)
    assert result.returncode == 1
    assert "keys init" in result.stdout + result.stderr
    assert shop.requests == []


def test_row_22_a_key_file_that_goes_while_it_runs_lets_no_plaintext_out(tmp_path, shop):
    with GatewayProcess(tmp_path, rules(ROUTES, shop.url)) as gateway:
        assert ask(gateway) == 200
        (gateway.state / "keys" / "root.key").unlink()
        assert ask(gateway) == 200
    assert [b"planted" in each.body for each in shop.requests] == [False, False]
    assert shop.requests[0].body == shop.requests[1].body


@pytest.mark.parametrize("damage", ["another key", "half a key"])
def test_row_22_another_key_than_the_one_before_is_refused(tmp_path, shop, damage):
    gateway = GatewayProcess(tmp_path, rules(ROUTES, shop.url))
    with gateway:
        assert ask(gateway) == 200
    path = gateway.state / "keys" / "root.key"
    version, kid, key = path.read_text().split()
    wrong = base64.b64encode(bytes(32)).decode() if damage == "another key" else key[:20]
    path.write_text(f"{version} {kid} {wrong}\n")
    result = cli(*gateway._arguments, check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert "key" in said
    assert wrong not in said
    assert "Traceback" not in said
    assert len(shop.requests) == 1
