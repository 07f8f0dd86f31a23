"""What calls through a relay leave on the map of destinations, and hosts of no recipient behind one."""

import pytest
from flowing import Noted
from messages import JSON, answer_of
from relay_port import PREAMBLE, ROUTES, ask, relayed
from scripted_upstream import answering

OBSERVED = """
routes:
  - name: count
    match: {host: "TALLY", path: /**}
    to: tally
    request: {rest: pass}
    response: {rest: pass}
egress: {unknown: observe}
"""
BODY = b'{"to":"ann@example.com",\n "x": 1.0}'


@pytest.fixture
def unknown(monkeypatch):
    """Rules in which nobody has the mailer's host."""
    monkeypatch.setattr("relay_port.PREAMBLE", PREAMBLE.replace('hosts: ["MAILER"]', "hosts: [api.mailer.example]"))


def noted(port):
    (tally,) = port.gateway.services.destinations._waiting.values()
    ((_, recipient, application),) = port.gateway.services.destinations._waiting
    return recipient, application, tally


async def test_p7_content_for_a_host_of_no_recipient_arrives_as_it_was_sent(unknown):
    ledger = Noted()
    answer = b'{"phone": "1"}'
    async with relayed(answering(answer_of(answer, JSON.strip())), routes=OBSERVED, ledger=ledger) as port:
        got = await port.ask(ask(method=b"POST", body=BODY))
        assert (got.status, got.body) == (200, answer)
        (request,) = port.received
        recipient, application, tally = noted(port)

    assert request.partition(b"\r\n\r\n")[2] == BODY
    assert [(each["kind"], each["host"].partition(":")[0]) for each in ledger.records] == [
        ("disclose", "127.0.0.1"),
        ("collect", "127.0.0.1"),
    ]
    assert (recipient, application, tally.ways) == ("", "shop", {"relay"})
    assert (tally.sent, tally.received, tally.unread) == (len(BODY), len(answer), 0)
    assert {each for _, each in tally.classes} == {"user.contact.email", "user.contact.phone_number"}


async def test_a_body_over_the_limit_flows_to_a_host_of_no_recipient_and_counts_as_not_read(unknown):
    ledger = Noted()
    body = b'{"x":"%b"}' % (b"y" * 300_000)
    async with relayed(routes=OBSERVED, ledger=ledger, body=1000) as port:
        assert (await port.ask(ask(method=b"POST", body=body))).status == 200
        assert port.received[0].partition(b"\r\n\r\n")[2] == body
        _, _, tally = noted(port)

    assert ledger.records[0]["fields"][-1] == {"action": "keep", "address": "*", "count": 1, "reason": "over_size"}
    assert (tally.sent, tally.unread) == (len(body), 1)


@pytest.mark.parametrize(
    ("target", "method", "body", "answer", "sent", "refused"),
    [
        (b"/mailer/send", b"POST", b'{"to":"a@b.example","x":1}', b'{"id":"1","y":2}', len(b'{"to":"a@b.example"}'), 0),
        (b"/mailer/open", b"POST", b'{"x":1}', b"whole", 7, 0),
        (b"/mailer/open", b"GET", None, b"whole", 0, 0),
        (b"/mailer/send", b"POST", b'{"to":', b"", 0, 1),
    ],
)
async def test_known_partners_are_on_the_map_with_what_went_each_way(target, method, body, answer, sent, refused):
    async with relayed(answering(answer_of(answer, JSON.strip())), routes=ROUTES, ledger=Noted()) as port:
        got = await port.ask(ask(method=method, target=target, body=body))
        recipient, application, tally = noted(port)

    assert (recipient, application, tally.messages, tally.refused) == ("mailer", "shop", 1, refused)
    assert tally.sent == sent
    assert tally.received == (0 if refused else len(got.body))


MANY = """
routes:
  - name: import
    match: {host: "MAILER", path: /import}
    to: mailer
    subject: {each: "$[*]", field: $.id, in: request}
    postures: {unparsable_body: drop}
    request:
      fields:
        $[*].id: {is: unique_id, for: service}
        $[*].email: {is: contact.email, for: service}
        $[*].name: {is: name, for: analytics, otherwise: drop}
      rest: drop
    response: {rest: drop}
"""


async def test_classes_of_the_people_of_a_list_are_on_the_map_where_they_leave():
    body = b'[{"id":"c-1","email":"a@b.example"},{"id":"c-2","email":"c@d.example","name":"x"}]'
    async with relayed(answering(answer_of(b"{}", JSON.strip())), routes=MANY, ledger=Noted()) as port:
        assert (await port.ask(ask(method=b"POST", target=b"/mailer/import", body=body))).status == 200
        _, _, tally = noted(port)

    assert {each for _, each in tally.classes} == {"user.unique_id", "user.contact.email"}
    assert tally.unread == 0


async def test_what_rules_let_a_message_lose_unread_is_not_read_on_the_map():
    async with relayed(answering(answer_of(b"{}", JSON.strip())), routes=MANY, ledger=Noted()) as port:
        assert (await port.ask(ask(method=b"POST", target=b"/mailer/import", body=b"[{"))).status == 200
        assert port.received[0].partition(b"\r\n\r\n")[2] == b""
        _, _, tally = noted(port)

    assert (tally.unread, tally.classes) == (1, set())
