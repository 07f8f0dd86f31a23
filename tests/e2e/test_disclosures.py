"""What a person is shown is what running workers did: counted at the upstream, read from their logs meanwhile."""

import asyncio

from people import handle_of
from processes import Client, GatewayProcess, cli, request
from rulebook import rules
from upstream import RecordingUpstream

from gateway.model.words import Role
from gateway.portal.disclosures import disclosures_of
from gateway.runtime.record_reader import RecordReader

ROUTES = """
routes:
  - name: profile
    match: {method: POST, path: /profile}
    to: shop
    subject: {field: $.email}
    request:
      fields:
        $.email: {is: contact.email, for: service}
        $.phone: {is: contact.phone_number, for: service, as: {mask: {keep_last: 4}}}
        $.born: {is: demographic.date_of_birth, for: ads, otherwise: drop}
    response: {rest: pass}
"""
ROLES = {"shop": Role.CONTROLLER}


def ask(email):
    body = b'{"email":"%b","phone":"+49 30 1234567","born":"1990-01-02"}' % email.encode()
    return request("POST", "/profile", body, "Content-Type: application/json")


async def shown(state, *people):
    reader = RecordReader(state)
    try:
        return await disclosures_of(reader, [handle_of(state, person) for person in people], ROLES)
    finally:
        reader.close()


def test_counts_are_those_of_the_upstream_whichever_worker_it_was(tmp_path):
    with RecordingUpstream() as shop, GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=2) as gateway:
        clients = [Client(gateway.port) for _ in range(8)]
        for turn in range(40):
            assert clients[turn % 8].send(ask("ann@example.com"))[0] == 200
            assert clients[turn % 8].send(ask("bob@example.com"))[0] == 200
        before = asyncio.run(shown(gateway.state, "ann@example.com"))
        cli("consent", "grant", "--state", gateway.state, "--subject", "ann@example.com", "--purpose", "ads")
        for client in clients[:4]:
            assert client.send(ask("ann@example.com"))[0] == 200
        after = asyncio.run(shown(gateway.state, "ann@example.com"))
        both = asyncio.run(shown(gateway.state, "ann@example.com", "bob@example.com"))
        for client in clients:
            client.close()

    by_purpose = {use.purpose: use for use in before.uses}
    assert before.records == 40
    assert by_purpose["service"].passed == {"user.contact.email": 40, "user.contact.phone_number": 40}
    assert by_purpose["service"].actions == ("keep", "mask")
    assert by_purpose["ads"].passed == {}
    assert by_purpose["ads"].withheld == {"user.demographic.date_of_birth": 40}
    [ads] = [use for use in after.uses if use.purpose == "ads"]
    assert (ads.passed, ads.withheld, ads.messages) == (
        {"user.demographic.date_of_birth": 4}, {"user.demographic.date_of_birth": 40}, 4,
    )  # fmt: skip
    assert both.records == 84
    assert sum(b"1990" in received.body for received in shop.requests) == 4
    assert before.complete
    assert before.as_of < after.as_of
