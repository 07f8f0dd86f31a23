"""What one worker sees of cookies every worker deletes, and still after a restart."""

from people import handle_of
from processes import Client, GatewayProcess, request
from rulebook import rules
from upstream import RecordingUpstream

from gateway.model.words import ConsentStatus
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

ROUTES = """
cookies:
  sid: {is: unique_id, for: service}
  _ga_*: {is: device.cookie_id, for: analytics}
routes:
  - name: all
    match: {path: /**}
    to: shop
    subject: {field: cookie:sid}
    request: {rest: pass}
    response: {rest: pass}
"""
SET = (
    b"HTTP/1.1 200 OK\r\nSet-Cookie: _ga_X=1; HttpOnly; Domain=shop.example; Path=/deep\r\nContent-Length: 2\r\n\r\n{}"
)
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LINE = b"Set-Cookie: _ga_X=; Max-Age=0; Path=/deep; Domain=shop.example\r\n"


def answer(received):
    return SET if received.target == b"/login" else PLAIN


def decide(state, status):
    store = SqliteConsentStore(state / "consent.sqlite")
    at = now_microseconds()
    person = handle_of(state, "ann")
    store.append(
        ConsentEvent(id=new_event_id(at), subject=person, purpose="analytics", status=status, at=at, method="test")
    )
    store.close()


def test_a_withdrawal_deletes_in_every_worker_what_one_of_them_saw(tmp_path):
    carrying = request("GET", "/deep/page", b"", "Cookie: sid=ann; _ga_X=1")
    with RecordingUpstream(answer) as shop:
        with GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=3) as gateway:
            decide(gateway.state, ConsentStatus.GIVEN)
            first = Client(gateway.port)
            _, head, _ = first.send(request("GET", "/login", b"", "Cookie: sid=ann"))
            assert b"_ga_X=1; HttpOnly" in head
            assert b"_ga_X" not in first.send(carrying)[1]
            assert shop.requests[-1].header("Cookie") == [b"sid=ann; _ga_X=1"]
            first.close()
        with GatewayProcess(tmp_path, rules(ROUTES, shop.url), workers=3) as gateway:
            decide(gateway.state, ConsentStatus.WITHDRAWN)
            clients = [Client(gateway.port) for _ in range(12)]
            for client in clients:
                _, head, _ = client.send(carrying)
                assert LINE in head
                assert shop.requests[-1].header("Cookie") == [b"sid=ann"]
                client.close()

    assert b"ann" not in (gateway.state / "cookies.sqlite").read_bytes()
