"""One person erased while the gateway serves: nobody knows them at the next request, no older copy comes back."""

import json
import shutil

import pytest
from people import handle_of
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream

ROUTES = """
routes:
  - name: profile
    match: {method: POST, path: /profile}
    to: shop
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: service}
        $.born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
    response: {rest: pass}
  - name: open
    match: {path: /open}
    to: shop
    request: {rest: pass}
    response: {rest: pass}
"""
JSON = "Content-Type: application/json"
ANN = "ann@example.com"
ASK = request("POST", "/profile", b'{"email":"ann@example.com","born":"1990-01-02"}', JSON)


@pytest.fixture(scope="module")
def shop():
    with RecordingUpstream() as running:
        yield running


def handles(state) -> list[str]:
    found = json.loads(cli("audit", "search", "--state", state, "--json", "--kind", "collect").stdout)
    return [entry["record"]["subject"] for entry in reversed(found)]


def test_p5_the_next_request_in_every_worker_is_somebody_new(shop, tmp_path):
    with GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=4) as gateway:
        cli("consent", "grant", "--state", gateway.state, "--subject", ANN, "--purpose", "ads")
        clients = [Client(gateway.port) for _ in range(16)]
        assert {client.send(ASK)[0] for client in clients} == {200}
        old = handle_of(gateway.state, ANN)
        shutil.copy2(gateway.state / "subjects.sqlite", tmp_path / "backup")
        shop.requests.clear()
        cli("subject", "erase", "--state", gateway.state, "--subject", ANN)
        assert {client.send(ASK)[0] for client in clients} == {200}
        new = handle_of(gateway.state, ANN)
        for client in clients:
            client.close()

    assert new != old
    assert handles(gateway.state) == [old] * 16 + [new] * 16
    assert not any(b"1990" in received.body for received in shop.requests)
    assert cli("audit", "verify", gateway.state, "--allow-unanchored").returncode == 0

    shutil.copy2(tmp_path / "backup", gateway.state / "subjects.sqlite")
    started = cli(*gateway._arguments, check=False)
    assert started.returncode == 1
    assert "an older copy was restored" in started.stdout + started.stderr
    assert "subject erase --again" in started.stdout + started.stderr
    cli("subject", "erase", "--again", "--state", gateway.state)
    with gateway:
        client = Client(gateway.port)
        assert client.send(ASK)[0] == 200
        client.close()
    assert handles(gateway.state)[-1] not in (old, new)


def test_p1_without_the_store_of_people_nobody_passes_who_is_named(shop, tmp_path):
    with GatewayProcess(tmp_path, rules(ROUTES, shop.url)) as gateway:
        client = Client(gateway.port)
        assert client.send(ASK)[0] == 200
        shop.requests.clear()
        (gateway.state / "subjects.generation").rename(tmp_path / "aside")
        status, head, body = client.send(ASK)
        assert (status, json.loads(body)["code"]) == (503, "consent_store_down")
        assert b"retry-after" in head.lower()
        assert client.send(request("POST", "/profile", b'{"email":"new@example.com"}', JSON))[0] == 503
        assert shop.requests == []
        assert client.send(request("GET", "/open"))[0] == 200
        (tmp_path / "aside").rename(gateway.state / "subjects.generation")
        assert client.send(ASK)[0] == 200
        client.close()


def test_somebody_new_needs_a_key_that_is_written(shop, tmp_path):
    with GatewayProcess(tmp_path, rules(ROUTES, shop.url)) as gateway:
        client = Client(gateway.port)
        assert client.send(ASK)[0] == 200
        shop.requests.clear()
        (gateway.state / "subjects.sqlite").rename(tmp_path / "aside")
        status, _, body = client.send(request("POST", "/profile", b'{"email":"new@example.com"}', JSON))
        assert (status, json.loads(body)["code"]) == (503, "consent_store_down")
        assert shop.requests == []
        client.close()
