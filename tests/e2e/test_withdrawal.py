"""P4: a withdrawal counts for the very next request, whichever worker takes it."""

from people import handle_of
from processes import Client, GatewayProcess, request
from rulebook import rules
from upstream import RecordingUpstream

from gateway.model.words import ConsentStatus
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

ROUNDS = 1000
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
"""
ASK = request("POST", "/profile", b'{"email":"ann@example.com","born":"1990-01-02"}', "Content-Type: application/json")


def decide(store, person, status):
    at = now_microseconds()
    event = ConsentEvent(id=new_event_id(at), subject=person, purpose="ads", status=status, at=at, method="test")
    store.append(event)


def test_p4_the_next_request_obeys_with_four_workers_a_thousand_times(tmp_path):
    with RecordingUpstream() as shop, GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=4) as gateway:
        clients = [Client(gateway.port) for _ in range(16)]
        store = SqliteConsentStore(gateway.state / "consent.sqlite")
        person = handle_of(gateway.state, "ann@example.com")
        for turn in range(ROUNDS):
            decide(store, person, ConsentStatus.GIVEN)
            assert clients[turn % 16].send(ASK)[0] == 200
            decide(store, person, ConsentStatus.WITHDRAWN)
            assert clients[(turn * 7 + 3) % 16].send(ASK)[0] == 200
        store.close()
        for client in clients:
            client.close()

    bodies = [received.body for received in shop.requests]
    assert len(bodies) == 2 * ROUNDS
    assert all(b"1990" in body for body in bodies[0::2])
    assert not any(b"1990" in body for body in bodies[1::2])
