"""A list of five hundred people, of whom a hundred withdrew: over sockets, with the ledger, counted at the stores."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from data_port import data_port
from ledgers import ORIGIN, open_ledger, raw_lines, refused
from messages import JSON, answer_of, ask, order
from scripted_upstream import answering

from gateway.crypto.sign import SigningKey
from gateway.model.errors import StoreDown
from gateway.model.words import ConsentStatus, Posture
from gateway.stores.event import ConsentEvent, new_event_id, now_microseconds

ROUTES = """
routes:
  - name: customers
    match: {path: /customers}
    to: shop
    subject: {each: "$.items[*]", field: $.customer_id}
    request: {rest: pass}
    response:
      fields:
        $.items[*].email: {is: contact.email, for: ads, otherwise: drop}
        $.items[*].customer_id: {is: unique_id, for: service}
      rest: pass
  - name: import
    match: {method: POST, path: /import}
    to: shop
    subject: {each: "$[*]", field: $.customer.id, in: request}
    request:
      fields: {"$[*].email": {is: contact.email, for: ads, otherwise: drop}}
      rest: {body: pass, headers: pass, cookies: pass, query: pass}
    response: {rest: pass}
  - name: strict
    match: {path: /strict}
    to: shop
    subject: {each: "$.items[*]", field: $.customer_id}
    postures: {audit_unavailable: strip}
    request: {rest: pass}
    response:
      fields: {"$.items[*].email": {is: contact.email, for: ads}}
      rest: pass
  - name: watched
    match: {path: /watched}
    to: shop
    mode: observe
    subject: {each: "$.items[*]", field: $.customer_id}
    response:
      fields: {"$.items[*].email": {is: contact.email, for: ads}}
      rest: pass
"""
TYPE = JSON[:-2]
PEOPLE = [f"c-{number}" for number in range(500)]
WITHDRAWN = PEOPLE[::5]


@pytest.fixture
def logs(tmp_path):
    return SimpleNamespace(slot=tmp_path / "w0", key=SigningKey(ORIGIN, bytes(range(32))))


def item(identifier, *, email=True):
    address = b'"email":"%b@shop.example",' % identifier.encode() if email else b""
    return b'{"customer_id":"%b",%b"note":"h\\u00e9 1.50","paid":1.50}' % (identifier.encode(), address)


def listed(*, without=()):
    items = b",\n  ".join(item(each, email=each not in without) for each in PEOPLE)
    return b'{"page": 1, "items": [\n  %b\n ], "total":  500.0}\n' % items


async def met(port, identifiers):
    return await port.gateway.services.people.meet_all(identifiers)


def decide(port, handles, status):
    at = now_microseconds()
    store = port.gateway.services.consent
    store.append_all(
        [
            ConsentEvent(id=new_event_id(at), subject=each, purpose="ads", status=status, at=at, method="test")
            for each in handles
        ]
    )


class Questions:
    """Statements that reach the databases of people and consents; asked of every connection of this process."""

    def __init__(self, port):
        services = port.gateway.services
        self.asked = []
        people = services.people
        opened = people._meeting._open

        def opening():
            store = opened()
            store._connection.set_trace_callback(self.note)
            return store

        people._meeting._open = opening
        people._store._connection.set_trace_callback(self.note)
        services.consent._connection.set_trace_callback(self.note)

    def note(self, statement):
        if "PRAGMA" not in statement:
            self.asked.append(statement.split()[0] + (" person" if "person" in statement else " consent"))

    def take(self):
        asked, self.asked = self.asked, []
        return Counter(asked)


async def test_withdrawn_people_lose_their_fields_and_nothing_else_changes_with_one_look_up(logs):
    ledger = open_ledger(logs)
    async with data_port(answering(answer_of(listed(), TYPE)), routes=ROUTES, ledger=ledger) as port:
        questions = Questions(port)
        answer = await port.ask(ask(target=b"/customers"))
        assert answer.body == listed(without=PEOPLE)
        asked = questions.take()
        # Whoever is new gets a key in one transaction, in which they are looked up again.
        assert (asked["SELECT person"], asked["SELECT consent"], asked["BEGIN consent"]) == (2, 1, 1)

        handles = await met(port, PEOPLE)
        decide(port, handles.values(), ConsentStatus.GIVEN)
        decide(port, [handles[each] for each in WITHDRAWN], ConsentStatus.WITHDRAWN)
        questions.take()
        answer = await port.ask(ask(target=b"/customers"))
        assert answer.body == listed(without=WITHDRAWN)
        assert questions.take() == {"SELECT consent": 1}
        assert (await port.ask(ask(target=b"/customers"))).body == listed(without=WITHDRAWN)
        assert questions.take() == {}

        port.gateway.services.people._store._cache.clear()
        assert (await port.ask(ask(target=b"/customers"))).body == listed(without=WITHDRAWN)
        assert questions.take() == {"SELECT person": 1}
    await ledger.close()

    records = [json.loads(line) for line in raw_lines(logs.slot)]
    of = {}
    for record in records:
        of.setdefault(record.get("request"), []).append(record)
    (request_id,) = answer.all(b"privacy-record")
    second = of[request_id.decode()]
    assert len(second) == 500
    by_subject = {record["subject"]: record for record in second}
    assert set(by_subject) == set(handles.values())
    for identifier, handle in handles.items():
        fields = {each["address"]: each for each in by_subject[handle]["fields"]}
        email = fields["$.items[*].email"]
        expected = ("drop", "withdrawn") if identifier in WITHDRAWN else ("keep", "listed")
        assert (email["action"], email["reason"], email["count"]) == (*expected, 1)
        assert fields["$.items[*].customer_id"]["count"] == 1
        assert len(by_subject[handle]["consent"]) == 1


async def test_who_cannot_be_told_apart_is_nobody(logs):
    visitor = b"visitor:AAAAAAAAAAAAAAAAAAAAAA"
    body = b'{"items":[{"customer_id":"c-1","email":"1"},{"customer_id":"%b","email":"2"},{"email":"3"}]}' % visitor
    dropped = b'{"items":[{"customer_id":"c-1","email":"1"},{"customer_id":"%b"},{}]}' % visitor
    routes = ROUTES.replace(
        "  - name: customers\n", "  - name: customers\n    postures: {unresolved_subject: drop}\n", 1
    )
    ledger = open_ledger(logs)
    async with data_port(answering(answer_of(body, TYPE)), routes=routes, ledger=ledger) as port:
        decide(port, (await met(port, ["c-1"])).values(), ConsentStatus.GIVEN)
        assert (await port.ask(ask(target=b"/customers"))).body == dropped
    await ledger.close()
    records = [json.loads(line) for line in raw_lines(logs.slot)]
    counted = [
        (record["subject"] is None, {each["address"]: each["count"] for each in record["fields"]})
        for record in records
        if record["kind"] == "disclose"
    ]
    assert counted == [
        (True, {"$.items[*].email": 2, "$.items[*].customer_id": 1}),
        (False, {"$.items[*].email": 1, "$.items[*].customer_id": 1}),
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"items":[{"customer_id":"c-1","email":"1"},{"email":"2"}]}', "unresolved_subject"),
        (b'{"items":[{"customer_id":"c-1","email":"1"},{"customer_id":"c-2","email":"2"}]}', "withdrawn"),
        (b'{"items":[{"customer_id":"c-1","customer_id":"c-2","email":"1"}]}', "duplicate_key"),
        (b'{"items":[{"customer_id":"c-1","email":"1"}],"items":[]}', "duplicate_key"),
    ],
)
async def test_what_one_item_leads_to_refuses_the_whole_message(body, code):
    async with data_port(answering(answer_of(body, TYPE)), routes=ROUTES) as port:
        handles = await met(port, ["c-1", "c-2"])
        decide(port, handles.values(), ConsentStatus.GIVEN)
        decide(port, [handles["c-2"]], ConsentStatus.WITHDRAWN)
        answer = await port.ask(ask(target=b"/strict"))
        assert (answer.code, b"c-1" in answer.body) == (code, False)


async def test_lines_of_json_are_refused():
    body = b'{"items":[{"customer_id":"c-1","email":"1"}]}\n'
    async with data_port(answering(answer_of(body, b"Content-Type: application/x-ndjson")), routes=ROUTES) as port:
        assert (await port.ask(ask(target=b"/customers"))).code == "unknown_media_type"


async def test_requests_that_list_people():
    body = b'[{"customer":{"id":1},"email":"a"}, {"customer":{"id":2},"email":"b"}]'
    async with data_port(routes=ROUTES) as port:
        handles = await met(port, ["1", "2"])
        decide(port, [handles["2"]], ConsentStatus.GIVEN)
        questions = Questions(port)
        assert (await port.ask(order(body, target=b"/import"), "POST")).status == 200
        assert questions.take()["SELECT consent"] == 1
        assert port.upstream.requests[-1].endswith(b'[{"customer":{"id":1}}, {"customer":{"id":2},"email":"b"}]')


async def test_an_observed_list_goes_on_untouched_and_leaves_a_record_for_each(logs):
    ledger = open_ledger(logs)
    async with data_port(answering(answer_of(listed(), TYPE)), routes=ROUTES, ledger=ledger) as port:
        assert (await port.ask(ask(target=b"/watched"))).body == listed()
    await ledger.close()
    records = [json.loads(line) for line in raw_lines(logs.slot)]
    watched = [each for each in records if each.get("route") == "watched"]
    assert len({each["subject"] for each in watched}) == 500
    assert {each["fields"][0]["action"] for each in watched} == {"block"}


async def test_without_a_record_nothing_personal_goes(logs):
    body = b'{"items":[{"customer_id":"c-1","email":"1"}],"page":1}'
    ledger = open_ledger(logs)
    async with data_port(answering(answer_of(body, TYPE)), routes=ROUTES, ledger=ledger) as port:
        handles = await met(port, ["c-1"])
        decide(port, handles.values(), ConsentStatus.GIVEN)
        assert (await port.ask(ask(target=b"/strict"))).body == body
        await ledger.close()
        await refused(ledger.commit(b"{", b"}"))
        assert b"c-1" not in (await port.ask(ask(target=b"/strict"))).body
        assert (await port.ask(ask(target=b"/customers"))).code == Posture.AUDIT_UNAVAILABLE


async def test_a_withdrawal_while_the_records_are_written_counts(logs):
    ledger = open_ledger(logs)
    async with data_port(answering(answer_of(listed(), TYPE)), routes=ROUTES, ledger=ledger) as port:
        handles = await met(port, PEOPLE)
        decide(port, handles.values(), ConsentStatus.GIVEN)
        commit = ledger.commit
        withdrawn = []

        def committing(before, after):
            if not withdrawn:
                withdrawn.append("c-7")
                decide(port, [handles["c-7"]], ConsentStatus.WITHDRAWN)
            return commit(before, after)

        ledger.commit = committing
        assert (await port.ask(ask(target=b"/customers"))).body == listed(without=["c-7"])
    await ledger.close()


async def test_no_copy_of_a_list_is_confirmed():
    body = b'{"items":[{"customer_id":"c-1","email":"1"}]}'
    async with data_port(answering(answer_of(body, TYPE, b'ETag: "1"')), routes=ROUTES) as port:
        decide(port, (await met(port, ["c-1"])).values(), ConsentStatus.GIVEN)
        answer = await port.ask(ask(target=b"/customers"))
        (tag,) = answer.all(b"etag")
        await port.ask(ask(b"If-None-Match: " + tag, target=b"/customers"))
        assert b"If-None-Match: " + tag in port.upstream.requests[-1]
        assert b"private" in answer.all(b"cache-control")[0]


async def test_a_store_that_does_not_answer_refuses():
    async with data_port(answering(answer_of(listed(), TYPE)), routes=ROUTES) as port:

        def down(subjects):
            raise StoreDown(Posture.CONSENT_STORE_DOWN, "down")

        port.gateway.services.consent.states = down
        assert (await port.ask(ask(target=b"/customers"))).code == "consent_store_down"
