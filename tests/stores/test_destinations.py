import sqlite3

import msgspec
import pytest

from gateway.stores.destinations import BESIDE_AT_MOST, Destination, SqliteDestinationStore, domain_of
from gateway.stores.destinations import __name__ as module

ROW = Destination(
    host="api.mailer.example",
    recipient="mailer",
    application="shop",
    first_seen=10.0,
    last_seen=10.0,
    messages=1,
    sent=100,
    received=5,
    classes_sent=frozenset({"user.contact.email"}),
    ways=frozenset({"proxy"}),
)


def row(**changes):
    return msgspec.structs.replace(ROW, **changes)


@pytest.fixture
def store(tmp_path):
    opened = SqliteDestinationStore(tmp_path / "destinations.sqlite", busy_timeout=5)
    yield opened
    opened.close()


def test_what_goes_to_one_place_adds_up(store):
    store.add([ROW])
    later = row(
        first_seen=20.0,
        last_seen=30.0,
        messages=2,
        refused=1,
        unread=1,
        classes_sent=frozenset({"user.name"}),
        classes_received=frozenset({"user.unique_id"}),
        ways=frozenset({"relay"}),
    )
    store.add([later, row(application="crm"), row(recipient="", first_seen=5.0, last_seen=5.0)])

    assert store.all() == [
        row(
            last_seen=30.0,
            messages=3,
            refused=1,
            unread=1,
            sent=200,
            received=10,
            classes_sent=frozenset({"user.contact.email", "user.name"}),
            classes_received=frozenset({"user.unique_id"}),
            ways=frozenset({"proxy", "relay"}),
        ),
        row(application="crm"),
        row(recipient="", first_seen=5.0, last_seen=5.0),
    ]
    assert store.left_out() == 0


def test_those_that_were_seen_last_stay_and_the_others_are_counted(store, monkeypatch):
    monkeypatch.setattr(f"{module}.ROWS_AT_MOST", 3)
    for number in range(5):
        store.add([row(host=f"{'abcde'[number]}.example", last_seen=float(number))], left_out=1)

    assert [each.host for each in store.all()] == ["e.example", "d.example", "c.example"]
    assert store.left_out() == 7


def test_many_unknown_hosts_beside_each_other_are_data(store):
    known = row(recipient="", host="www.tracker.example")
    store.add([known])
    names = [f"{'abcdefgh'[number // 8]}{'abcdefgh'[number % 8]}.tracker.example" for number in range(BESIDE_AT_MOST)]
    store.add([row(recipient="", host=name) for name in names])
    store.add([known, row(recipient="mailer", host="zz.tracker.example")])

    hosts = {each.host: each for each in store.all()}
    assert len(hosts) == BESIDE_AT_MOST + 2
    assert hosts["*.tracker.example"].messages == 1
    assert hosts["www.tracker.example"].messages == 2
    assert "zz.tracker.example" in hosts, "a host that the rules list is told whatever stands beside it"


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("a.b.example", "b.example"),
        ("b.example", ""),
        ("localhost", ""),
        ("*.b.example", ""),
        ("[2001:db8:1::*]", ""),
        ("a.b.c.example:8443", "b.c.example:8443"),
    ],
)
def test_hosts_stand_beside_each_other_below_a_domain(host, domain):
    assert domain_of(host) == domain


def test_workers_add_to_one_file(tmp_path, store):
    other = SqliteDestinationStore(tmp_path / "destinations.sqlite", busy_timeout=5)
    store.add([ROW])
    other.add([ROW])

    assert [each.messages for each in store.all()] == [2]
    other.close()


def test_the_file_is_private_and_says_nothing_of_anybody(tmp_path, store):
    store.add([ROW])
    path = tmp_path / "destinations.sqlite"

    assert path.stat().st_mode & 0o077 == 0
    columns = sqlite3.connect(path).execute("PRAGMA table_info(destination)").fetchall()
    assert {column[1] for column in columns} == {
        "host", "recipient", "application", "domain", "first_seen", "last_seen", "messages", "refused", "unread",
        "sent", "received", "classes_sent", "classes_received", "ways",
    }  # fmt: skip


def test_another_file_of_that_name_is_refused(tmp_path):
    (tmp_path / "x.sqlite").write_bytes(b"no database" * 100)
    (tmp_path / "x.sqlite").chmod(0o600)

    with pytest.raises(sqlite3.Error):
        SqliteDestinationStore(tmp_path / "x.sqlite", busy_timeout=1)
