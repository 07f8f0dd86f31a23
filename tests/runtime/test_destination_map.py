import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.words import Direction
from gateway.runtime import destination_map
from gateway.runtime.destination_map import DestinationMap, HostNames
from gateway.runtime.metrics import Metrics, merge, render
from gateway.stores.destinations import BESIDE_AT_MOST, Destination, SqliteDestinationStore

SENT = (Direction.REQUEST, "user.contact.email")
RECEIVED = (Direction.RESPONSE, "user.unique_id")


class Log:
    def __init__(self):
        self.errors = []

    def error(self, event, **more):
        self.errors.append(event)


class Maps:
    """Maps of several workers over one file."""

    def __init__(self, path):
        self.path = path
        self.log = Log()
        self.metrics = Metrics()
        self.clock = itertools.count(100.0)
        self.opened = []

    def open(self):
        self.opened.append(DestinationMap(self.path, self.metrics, self.log, clock=lambda: float(next(self.clock))))
        return self.opened[-1]

    def rows(self):
        store = SqliteDestinationStore(self.path, busy_timeout=5)
        try:
            return store.all()
        finally:
            store.close()


@pytest.fixture
async def maps(tmp_path, monkeypatch):
    monkeypatch.setattr(destination_map, "SECONDS_BETWEEN_WRITES", 0.0)
    found = Maps(tmp_path / "destinations.sqlite")
    yield found
    for each in found.opened:
        await each.close()


def note(where, host="api.mailer.example", recipient="mailer", application="shop", **more):
    given = {"sent": 10, "received": 5, "classes": (), "refused": False, "way": "proxy"}
    where.note(host, recipient, application, **(given | more))


async def written(where):
    while where._writing is not None:
        await asyncio.gather(where._writing)


async def test_messages_add_up_over_workers_and_restarts(maps):
    first, second = maps.open(), maps.open()
    note(first, classes={SENT})
    note(first, classes={SENT, RECEIVED}, unread=True)
    await written(first)
    note(second, refused=True, way="relay", sent=1, received=0)
    await second.close()
    note(maps.open())
    await written(maps.opened[-1])

    assert maps.rows() == [
        Destination(
            host="api.mailer.example",
            recipient="mailer",
            application="shop",
            first_seen=100.0,
            last_seen=102.0,
            messages=4,
            refused=1,
            unread=1,
            sent=31,
            received=15,
            classes_sent=frozenset({"user.contact.email"}),
            classes_received=frozenset({"user.unique_id"}),
            ways=frozenset({"proxy", "relay"}),
        )
    ]


async def test_what_is_not_yet_written_is_written_at_the_end(maps, monkeypatch):
    monkeypatch.setattr(destination_map, "SECONDS_BETWEEN_WRITES", 3600.0)
    where = maps.open()
    note(where)
    await asyncio.sleep(0)
    assert not maps.path.exists()
    await where.close()

    assert [each.messages for each in maps.rows()] == [1]


async def test_nothing_is_made_where_nothing_goes_out(maps):
    await maps.open().close()

    assert not maps.path.exists()


async def test_unknown_hosts_are_counted_without_their_names(maps):
    where = maps.open()
    note(where, host="cdn.tracker.example", recipient=None)
    note(where, host="cdn.tracker.example", recipient=None, refused=True)
    note(where)
    text = render(merge([maps.metrics.snapshot(), maps.metrics.snapshot()])).decode()

    assert 'privacy_gateway_unknown_destinations_total{outcome="observed"} 2.0' in text
    assert 'privacy_gateway_unknown_destinations_total{outcome="refused"} 2.0' in text
    assert "tracker" not in text


async def test_a_store_that_fails_costs_the_map_and_is_told_once(maps):
    maps.path.write_bytes(b"no database" * 100)
    maps.path.chmod(0o600)
    where = maps.open()
    for _ in range(2):
        note(where)
        await written(where)

    assert maps.log.errors == ["the map of destinations cannot be written; messages go on"]
    assert "privacy_gateway_destination_map_failures_total 2.0" in render(maps.metrics.snapshot()).decode()
    maps.path.unlink()
    note(where)
    await written(where)
    assert [each.messages for each in maps.rows()] == [3], "what could not be written waits for the next time"


async def test_what_comes_while_a_write_fails_is_added_to_what_waits(maps):
    where = maps.open()

    async def fails(_question):
        note(where, sent=1)
        note(where, application="crm")
        raise OSError

    where._store, store = type("Store", (), {"ask": staticmethod(fails)})(), where._store
    note(where)
    await written(where)
    where._store = store
    await where.close()

    assert {each.application: (each.messages, each.sent) for each in maps.rows()} == {"shop": (2, 11), "crm": (1, 10)}


async def test_what_waits_is_bounded_and_what_is_beyond_is_counted(maps, monkeypatch):
    monkeypatch.setattr(destination_map, "WAITING_AT_MOST", 2)
    where = maps.open()
    for application in ("a", "b", "c", "d", "a"):
        note(where, application=application)
    await written(where)

    assert {each.application: each.messages for each in maps.rows()} == {"a": 2, "b": 1}
    store = SqliteDestinationStore(maps.path, busy_timeout=5)
    assert store.left_out() == 2
    store.close()


async def test_hosts_of_the_rules_are_written_in_full_and_no_others(maps):
    where = maps.open()
    where.listed = frozenset({"o4507193.ingest.sentry.io"})
    for host in ("o4507193.ingest.sentry.io", "o4507194.ingest.sentry.io"):
        note(where, host=host, recipient="sentry")
    await written(where)

    assert {each.host for each in maps.rows()} == {"o4507193.ingest.sentry.io", "*.ingest.sentry.io"}


def test_of_a_route_the_first_messages_are_looked_at_and_then_one_of_many():
    where = DestinationMap(None, Metrics(), Log())
    looked = [number for number in range(1, 1000) if where.looks("mail", Direction.REQUEST)]

    assert looked == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768]
    assert where.looks("mail", Direction.RESPONSE)
    assert where.looks("other", Direction.REQUEST)


def test_many_names_beside_each_other_are_taken_for_data():
    names = HostNames()
    letters = ["".join(pair) for pair in itertools.product("abcdefghijkl", repeat=2)]
    found = [names.written(f"{each}.tracker.example") for each in letters]

    assert len(set(found)) == BESIDE_AT_MOST + 1
    assert found[-1] == "*.tracker.example"
    assert names.written("aa.tracker.example") == "aa.tracker.example"
    assert names.written("other.example") == "other.example"


@settings(max_examples=25, deadline=None)
@given(
    hosts=st.lists(
        st.sampled_from(
            ["ann.planted@example.com", "4111111111111111", "4915123456789", "de89370400440532013000"]
        ).flatmap(
            lambda planted: st.sampled_from([f"{planted}.example", f"a.{planted}.b.example", f"{planted}:443", planted])
        ),
        min_size=1,
        max_size=4,
    )
)
async def test_p6_no_value_in_a_host_name_is_kept(hosts, tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "destinations.sqlite"
    where = DestinationMap(path, Metrics(), Log())
    for host in hosts:
        note(where, host=host, recipient=None)
        note(where, host=host, recipient="mailer")
    await where.close()

    kept = path.read_bytes().lower()
    assert b"shop" in kept
    assert not [each for each in (b"planted", b"411111", b"491512", b"893704") if each in kept]


async def test_without_a_file_nothing_is_kept():
    where = DestinationMap(None, Metrics(), Log())
    note(where)
    await where.close()
