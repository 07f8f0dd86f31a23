"""Calls to hosts that no recipient has, over a real ledger and a real map."""

import asyncio
import json

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from rulebook import compiled

from gateway.cli.egress_map_places import places
from gateway.model.errors import StoreDown
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead, ResponseHead
from gateway.model.words import Posture
from gateway.runtime.gateway import Gateway
from gateway.runtime.outgoing_passage import OutgoingPassage
from gateway.runtime.passage import Refused
from gateway.runtime.reading import Reading
from gateway.runtime.services import Services
from gateway.runtime.unknown_hosts import UnknownHosts
from gateway.stores.destinations import DESTINATIONS, SqliteDestinationStore
from gateway.stores.keyfile import create_keys

JSON = ((b"Content-Type", b"application/json"),)
HOST = "cdn.tracker.example"
POLICY = compiled("""
  mailer: {role: processor, hosts: [api.mailer.example], contract: {ref: A}}
routes:
  - name: mail
    match: {host: api.mailer.example, path: /send}
    to: mailer
    caller: shop
    request:
      fields:
        $.to: {is: contact.email, for: service}
        $.name: {is: name, for: service, as: drop}
      rest: {body: pass, headers: pass, query: pass, cookies: drop}
    response: {fields: {$.id: {is: unique_id, for: service}}, rest: drop}
egress: {unknown: observe}
""")


class Outside:
    """One worker with its state on disk."""

    def __init__(self, state):
        self.state = state
        create_keys(state)
        log = structlog.get_logger()
        self.services = Services.open(state, "e0", origin="test/e0", limits=DEFAULT_LIMITS, log=log)
        self.gateway = Gateway(POLICY, self.services, outgoing=True)
        self.unknown = UnknownHosts(self.gateway)

    def records(self, kind=None):
        files = sorted((self.state / "audit" / "e0").rglob("seg-*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_bytes().rstrip(b"\0").splitlines()]
        traffic = [line for line in lines if line["kind"] in ("disclose", "collect", "refuse")]
        return [{key: value for key, value in line.items() if key not in CHANGING} for line in traffic]

    async def mapped(self):
        await self.services.destinations.close()
        if not (self.state / DESTINATIONS).exists():
            return []
        store = SqliteDestinationStore(self.state / DESTINATIONS, busy_timeout=5)
        try:
            return store.all()
        finally:
            store.close()


CHANGING = frozenset(("index", "request", "salt", "time", "version"))


@pytest.fixture
async def outside(tmp_path):
    found = Outside(tmp_path)
    yield found
    await found.services.close()


def head(target=b"/collect?uid=1", headers=JSON, *, host=HOST, method="POST", has_body=True):
    return RequestHead(method, target, host, headers, has_body=has_body)


async def test_p2_a_call_to_an_unknown_host_is_on_record_before_it_leaves_and_goes_on_as_it_came(outside):
    body = b'{"user":{"email":"ann@example.com"},"items":[{"note":"4111 1111 1111 1111"}], "x": 1.0}'
    headers = (*JSON, (b"X-Odd", b"a"), (b"Cookie", b"_ga=GA1.2.3.4"))
    passage = outside.unknown.passage(head(headers=headers), "application:shop", way="proxy")
    assert passage.request_reading is Reading.WHOLE
    outgoing = await passage.admit_request(body)

    assert (outgoing.target, outgoing.headers) == (b"/collect?uid=1", headers)
    assert outgoing.body is body
    assert outside.records() == [
        {
            "caller": "application:shop",
            "consent": [],
            "direction": "request",
            "fields": [
                {"action": "keep", "address": address, "class": data_class, "count": 1, "reason": "detected"}
                for address, data_class in (
                    ("$.items[*].note", "user.financial.credit_card"),
                    ("$.user.email", "user.contact.email"),
                    ("cookie:_ga", "user.device.cookie_id"),
                    ("query:uid", "user.unique_id"),
                )
            ],
            "host": HOST,
            "kind": "disclose",
            "method": "POST",
            "mode": "observe",
            "policy": POLICY.digest,
            "reason": "unknown_recipient",
            "recipient": "*",
            "route": "*",
            "subject": None,
        }
    ]


async def test_an_answer_that_holds_something_is_collected_and_one_that_does_not_is_counted(outside):
    passage = outside.unknown.passage(head(), "application:shop", way="relay")
    await passage.admit_request(b"{}")
    plain = await passage.admit_response(ResponseHead(200, JSON), b'{"ok":1}')
    assert plain.body == b'{"ok":1}'
    assert len(outside.records()) == 1
    other = outside.unknown.passage(head(), "application:shop", way="relay")
    await other.admit_request(b"{}")
    await other.admit_response(ResponseHead(201, JSON), b'{"user_id":"u-1"}')

    found = outside.records()[-1]
    assert {key: found[key] for key in ("direction", "kind", "recipient", "status")} == {
        "direction": "response", "kind": "collect", "recipient": "caller", "status": 201,
    }  # fmt: skip
    assert [field["class"] for field in found["fields"]] == ["user.unique_id"]
    assert outside.services.metrics.unrecorded() == {"* response": 1}


@pytest.mark.parametrize(
    ("headers", "body", "posture"),
    [
        (JSON, b'{"email":', "unparsable_body"),
        (((b"Content-Type", b"application/protobuf"),), b"\x08\x01", "unknown_media_type"),
        ((*JSON, (b"Content-Encoding", b"gzip")), b"no gzip", "unparsable_body"),
        ((*JSON, (b"Content-Encoding", b"rot13")), b"{}", "unknown_content_coding"),
        (JSON, b"[" * 65 + b"]" * 65, "too_deep"),
        (JSON, None, "over_size"),
    ],
)
async def test_what_cannot_be_read_passes_and_the_record_and_the_map_say_so(outside, headers, body, posture):
    passage = outside.unknown.passage(head(b"/", headers), "application:shop", way="proxy")
    outgoing = await passage.admit_request(body)
    passage.sent += 7
    passage.finish(200)

    assert outgoing.body is body
    assert outside.records()[0]["fields"] == [{"action": "keep", "address": "*", "count": 1, "reason": posture}]
    (row,) = await outside.mapped()
    assert (row.unread, row.sent) == (1, 7 + len(body or b""))


@pytest.mark.parametrize("target", [b"*", b"/a/../b%2fc;x=1", b"//x//", b"/?", b"/%zz", b"/\xff"])
async def test_no_head_is_refused(outside, target):
    headers = ((b"X-HTTP-Method-Override", b"DELETE"), (b"Cookie", b'a="'))
    passage = outside.unknown.passage(
        head(target, headers, method="OPTIONS", has_body=False), "application:shop", way="proxy"
    )

    assert (await passage.admit_request(None)).target == target


async def test_without_a_record_nothing_leaves(outside, monkeypatch):
    def down(*_entry):
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(StoreDown(Posture.AUDIT_UNAVAILABLE, "no room"))
        return failed

    monkeypatch.setattr(outside.services.ledger, "commit", down)
    passage = outside.unknown.passage(head(), "application:shop", way="proxy")
    with pytest.raises(Refused) as caught:
        await passage.admit_request(b"{}")
    monkeypatch.undo()
    passage.finish(503)

    assert caught.value.refusal.code == "audit_unavailable"
    (row,) = await outside.mapped()
    assert (row.messages, row.refused, row.sent) == (1, 1, 0)


async def test_a_call_is_on_the_map_once_it_is_over(outside):
    for _ in range(2):
        passage = outside.unknown.passage(head(), "application:shop", way="proxy")
        await passage.admit_request(b'{"email":"x"}')
        await passage.admit_response(ResponseHead(200, JSON), b'{"phone":"y"}')
        passage.finish(200)
        passage.finish(200)

    (row,) = await outside.mapped()
    assert (row.host, row.recipient, row.application, row.messages, row.refused) == (HOST, "", "shop", 2, 0)
    assert (row.sent, row.received, row.ways) == (26, 26, {"proxy"})
    assert row.classes_sent == {"user.contact.email", "user.unique_id"}
    assert row.classes_received == {"user.contact.phone_number"}
    assert outside.services.metrics.unknown_destinations == {"observed": 2}


async def test_bodies_that_stream_are_counted_and_closed(outside):
    closed = []

    async def pieces():
        try:
            for piece in (b"abc", b"de", b"f"):
                yield piece
        finally:
            closed.append(True)

    passage = outside.unknown.passage(head(), "application:shop", way="relay")
    assert passage.counted(None) is None
    assert passage.counted(b"1234") == b"1234"
    assert [piece async for piece in passage.counted(pieces())] == [b"abc", b"de", b"f"]
    early = passage.counted(pieces())
    assert await anext(early) == b"abc"
    await early.aclose()

    assert passage.sent == 4 + 6 + 3
    assert closed == [True, True]


async def test_what_goes_to_a_known_recipient_is_on_the_map_by_its_rules_and_by_its_looks(outside):
    request_id = outside.gateway.moments.request_id()
    sent = head(b"/send", (*JSON, (b"X-Client-IP", b"203.0.113.9")), host="api.mailer.example")
    exchange = outside.gateway.engine.receive(sent, request_id)
    passage = OutgoingPassage(
        outside.gateway, exchange, caller="application:shop", recipient_name="mailer", way="relay"
    )
    outgoing = await passage.admit_request(b'{"to":"A","name":"B","note":"+49 151 23456789"}')
    await passage.admit_response(ResponseHead(200, JSON), b'{"id":"1","email":"x"}')
    passage.finish(200)

    (row,) = await outside.mapped()
    assert b"name" not in outgoing.body
    assert row.classes_sent == {"user.contact.email", "user.contact.phone_number", "user.device.ip_address"}
    assert row.classes_received == {"user.unique_id"}
    assert (row.recipient, row.sent, row.ways) == ("mailer", len(outgoing.body), {"relay"})
    assert [record["caller"] for record in outside.records()] == ["application:shop"] * 2


PLANTED = ("ann.planted@example.com", "4111111111111111", "+4915123456789", "DE89370400440532013000", "203.0.113.77")
texts = st.sampled_from(PLANTED)


@settings(max_examples=20, deadline=None)
@given(
    document=st.recursive(
        texts | st.integers(0, 9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just("email"), inner, max_size=3),
        max_leaves=8,
    ),
    host=st.sampled_from([HOST, *(f"{each}.tracker.example" for each in PLANTED)]),
    readable=st.booleans(),
)
async def test_p6_no_planted_value_reaches_the_ledger_or_the_map(tmp_path_factory, document, host, readable):
    outside = Outside(tmp_path_factory.mktemp("state"))
    try:
        target = "/u/{0}?{1}={0}&q={2}".format(*PLANTED[:3]).encode()
        headers = (*JSON, (b"X-Note", PLANTED[0].encode()), (b"Cookie", f"{PLANTED[1]}={PLANTED[3]}".encode()))
        passage = outside.unknown.passage(head(target, headers, host=host), "application:shop", way="proxy")
        body = json.dumps(document).encode()
        await passage.admit_request(body if readable else body + b"}")
        await passage.admit_response(ResponseHead(200, headers), body)
        passage.finish(200)
        shown = msgspec.json.encode(places(await outside.mapped(), POLICY))
    finally:
        await outside.services.close()

    assert b"user.contact.email" in shown
    kept = shown + b"".join(
        path.read_bytes() for path in outside.state.rglob("*") if path.is_file() and "key" not in path.name
    )
    assert b"unknown_recipient" in kept
    assert b"tracker.example" in kept
    assert not [each for each in ("planted", "411111", "491512", "893704", "0.113.77") if each.encode() in kept]
