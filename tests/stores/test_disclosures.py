"""The register's file: append-only, without identifiers, and without whom somebody erased was in it."""

import sqlite3

import msgspec
import pytest
from legal import ANN, BOB, filed, people_of

from gateway.model.errors import StoreDown
from gateway.model.words import LegalStatus
from gateway.stores.disclosures import REGISTER, SqliteDisclosureStore
from gateway.stores.keyfile import create_keys
from gateway.stores.legal_request import LegalEvent

REQUEST = filed(2, id="A-2026-AAAAAA")
FILED = LegalEvent(id="01", request=REQUEST.id, status=LegalStatus.REGISTERED, at="2026", by="ina", filed=REQUEST)
APPROVED = LegalEvent(id="02", request=REQUEST.id, status=LegalStatus.APPROVED, at="2026", by="otto")


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path)
    return tmp_path


@pytest.fixture
def people(state):
    return people_of(state, ANN, BOB)


@pytest.fixture
def store(state):
    opened = SqliteDisclosureStore(state / REGISTER)
    yield opened
    opened.close()


def test_an_event_counts_once_it_is_settled(store, people):
    store.prepare(FILED, people)
    assert (store.find(REQUEST.id), store.prepared()) == (None, [FILED])

    store.settle(FILED)
    assert store.prepared() == []
    assert store.find(REQUEST.id).events == (FILED,)
    assert store.find(REQUEST.id).filed == REQUEST


def test_what_is_dropped_never_was(store, people):
    store.prepare(FILED, people)
    store.drop(FILED)

    assert (store.requests(), store.prepared(), store.people(REQUEST.id)) == ({}, [], [])


def test_a_later_step_that_is_dropped_leaves_the_request(store, people):
    store.prepare(FILED, people)
    store.settle(FILED)
    store.prepare(APPROVED)
    store.drop(APPROVED)

    assert store.find(REQUEST.id).status is LegalStatus.REGISTERED
    assert store.people(REQUEST.id) == people


def test_settling_again_changes_nothing(store, people):
    store.prepare(FILED, people)
    store.settle(FILED)
    store.settle(FILED)

    assert store.requests()[REQUEST.id].events == (FILED,)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE legal_event SET content = 'x'",
        "DELETE FROM legal_event",
        "INSERT OR REPLACE INTO legal_event (id, request, content) VALUES ('01', 'A', 'x')",
        "INSERT OR REPLACE INTO legal_event (number, id, request, content) VALUES (1, 'new', 'A', 'x')",
    ],
)
def test_settled_events_stay(store, people, state, statement):
    store.prepare(FILED, people)
    store.settle(FILED)
    with sqlite3.connect(state / REGISTER) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)

    assert store.find(REQUEST.id).events == (FILED,)


def test_whom_it_names_is_found_by_their_keys_until_they_are_erased(store, people, state):
    store.prepare(FILED, people)
    store.settle(FILED)
    ann, bob = people
    assert store.naming(ann.digest) == [REQUEST.id]

    store.forget([ann.digest])
    assert (store.naming(ann.digest), store.people(REQUEST.id)) == ([], [bob])
    content = (state / REGISTER).read_bytes()
    assert (ann.digest in content, ann.handle.encode() in content) == (False, False)
    assert bob.digest in content


def test_p6_no_identifier_stands_in_the_file(store, people, state):
    store.prepare(FILED, people)
    store.settle(FILED)
    content = b"".join(path.read_bytes() for path in state.glob("disclosures*"))

    assert b"shop.example" not in content
    assert people[0].handle.encode() in content


def test_a_file_that_cannot_be_read_is_down(tmp_path):
    (tmp_path / REGISTER).write_bytes(b"no database at all, but long enough to be looked at as one " * 40)
    with pytest.raises(StoreDown, match="cannot be opened"):
        SqliteDisclosureStore(tmp_path / REGISTER)


def test_an_event_of_another_version_is_not_guessed_at(store, people, state):
    store.prepare(FILED, people)
    with sqlite3.connect(state / REGISTER) as other:
        changed = msgspec.json.encode(msgspec.to_builtins(FILED) | {"status": "forgiven"})
        other.execute("UPDATE legal_prepared SET content = ?", (changed,))
    with pytest.raises(StoreDown, match="cannot read"):
        store.prepared()
