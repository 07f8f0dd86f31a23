"""Links of sessions: what is kept, what every worker sees, and what ends together."""

import multiprocessing
import os

import pytest

from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.stores.sessions import Link, SqliteSessionStore

NOW = 1_800_000_000
ANN, EVE = b"a" * 32, b"e" * 32
HANDLES = {ANN: "s1.ANNANNANNANNANNANNANNA", EVE: "s1.EVEEVEEVEEVEEVEEVEEVEA"}
ONE, TWO, THREE = (bytes([number]) * 16 for number in (1, 2, 3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.sqlite"


@pytest.fixture
def store(path):
    opened = SqliteSessionStore(path)
    yield opened
    opened.close()


@pytest.fixture
def worker(path, store):
    """Another worker's connection."""
    opened = SqliteSessionStore(path)
    yield opened
    opened.close()


def link(session, person=ANN, until=NOW + 3600):
    return Link(session, person, HANDLES[person], until)


def test_a_link_is_seen_by_every_worker_at_once(store, worker):
    assert worker.find(ONE) is None
    assert store.sign_in(link(ONE), NOW)
    assert store.find(ONE) == worker.find(ONE) == link(ONE)
    worker.end([ONE])
    assert store.find(ONE) is worker.find(ONE) is None


def test_what_was_read_is_remembered_until_somebody_writes(store, worker):
    store.sign_in(link(ONE), NOW)
    worker.find(ONE)
    worker.find(TWO)
    worker._connection.close()
    assert (worker.find(ONE), worker.find(TWO)) == (link(ONE), None)
    store.end([ONE])
    with pytest.raises(StoreDown) as caught:
        worker.find(ONE)
    assert caught.value.posture is Posture.CONSENT_STORE_DOWN


def test_a_session_that_is_somebodys_becomes_nobody_elses(store):
    store.sign_in(link(ONE), NOW)
    assert not store.sign_in(link(ONE, EVE), NOW)
    assert store.find(ONE) is None


def test_a_sign_in_ends_the_one_before_it_on_this_browser(store):
    store.sign_in(link(ONE), NOW)
    store.sign_in(link(TWO, EVE), NOW, ends=[ONE])
    assert (store.find(ONE), store.find(TWO)) == (None, link(TWO, EVE))


def test_a_rotated_session_is_the_same_persons_and_the_old_value_ends_soon(store):
    store.sign_in(link(ONE), NOW)
    assert store.rotate(ONE, TWO, NOW, 60)
    assert store.find(TWO) == link(TWO)
    assert store.find(ONE) == link(ONE, until=NOW + 60)
    assert store.rotate(TWO, THREE, NOW + 3590, 60)
    assert store.find(TWO).until == store.find(THREE).until == NOW + 3600


@pytest.mark.parametrize("last", [ONE, TWO, THREE])
def test_all_values_of_one_sign_in_end_together(store, last):
    store.sign_in(link(ONE), NOW)
    store.rotate(ONE, TWO, NOW, 60)
    store.rotate(TWO, THREE, NOW, 60)
    store.sign_in(link(b"4" * 16, ANN), NOW)
    store.end([last])
    assert [store.find(each) for each in (ONE, TWO, THREE)] == [None] * 3
    assert store.find(b"4" * 16) is not None, "another device of the same person stays signed in"


def test_what_has_ended_cannot_be_rotated(store):
    assert not store.rotate(ONE, TWO, NOW, 60)
    store.sign_in(link(ONE), NOW)
    assert not store.rotate(ONE, TWO, NOW + 3600, 60)
    store.end([ONE])
    assert not store.rotate(ONE, TWO, NOW, 60)
    assert store.find(TWO) is None


def test_a_session_that_rotates_into_anothers_is_nobodys(store):
    store.sign_in(link(ONE), NOW)
    store.sign_in(link(TWO, EVE), NOW)
    assert not store.rotate(ONE, TWO, NOW, 60)
    assert store.find(TWO) is None
    store.sign_in(link(THREE, EVE), NOW)
    assert not store.rotate(b"nobody's session", THREE, NOW, 60)
    assert store.find(THREE) is None


def test_a_session_that_rotates_back_is_the_same_persons(store):
    store.sign_in(link(ONE), NOW)
    store.rotate(ONE, TWO, NOW, 60)
    assert store.rotate(TWO, ONE, NOW, 60)
    assert store.find(ONE) == link(ONE)


def test_a_spent_visitor_stays_spent(store, worker):
    assert not worker.is_spent(ONE)
    store.sign_in(link(ONE), NOW, spends=TWO, spent_until=NOW + 10)
    assert worker.is_spent(TWO)
    assert not worker.is_spent(ONE)
    store.end([ONE])
    assert worker.is_spent(TWO)
    store.sign_in(link(THREE), NOW + 10)
    assert not worker.is_spent(TWO)


def test_a_visitor_is_spent_also_where_nobody_is_linked(store):
    store.sign_in(link(ONE), NOW)
    assert not store.sign_in(link(ONE), NOW, spends=TWO, spent_until=NOW + 10)
    assert store.is_spent(TWO)


def test_links_that_are_over_go_with_the_next_sign_in(store):
    store.sign_in(link(ONE, until=NOW + 5), NOW)
    store.sign_in(link(TWO), NOW + 5)
    assert store.find(ONE) is None


def test_one_person_is_forgotten_and_nobody_else(store, worker, path):
    store.sign_in(link(ONE), NOW)
    store.rotate(ONE, TWO, NOW, 60)
    store.sign_in(link(THREE, EVE), NOW)
    assert (store.count(ANN), store.count(EVE)) == (2, 1)
    worker.forget([ANN])
    assert [store.find(each) for each in (ONE, TWO)] == [None, None]
    assert store.find(THREE) == link(THREE, EVE)
    assert (store.count(ANN), store.count(EVE)) == (0, 1)
    assert HANDLES[ANN].encode() not in path.read_bytes()
    assert ANN not in path.read_bytes()


def test_a_store_that_was_replaced_answers_nothing(store, path, tmp_path):
    store.sign_in(link(ONE), NOW)
    store._watched._look_again_at = 0.0
    path.rename(tmp_path / "elsewhere")
    path.write_bytes((tmp_path / "elsewhere").read_bytes())
    with pytest.raises(StoreDown):
        store.find(ONE)


def test_a_file_of_something_else_is_refused(path):
    path.write_bytes(b"not a database at all, whatever it is")
    with pytest.raises(StoreDown):
        SqliteSessionStore(path)


def die(path, step):
    store = SqliteSessionStore(path)
    if step == "after":
        store._watched.generation.end = lambda _: os._exit(9)
    else:
        store._insert = lambda *_: os._exit(9)
    store.sign_in(link(ONE), NOW)


@pytest.mark.parametrize(("step", "linked"), [("before", False), ("after", True)])
def test_a_worker_that_dies_while_it_writes_misleads_no_other(store, path, step, linked):
    store.sign_in(link(TWO, EVE), NOW)
    assert store.find(ONE) is None
    process = multiprocessing.get_context("fork").Process(target=die, args=(path, step))
    process.start()
    process.join(20)
    assert process.exitcode == 9
    assert (store.find(ONE) is not None) is linked
    assert store.find(TWO) == link(TWO, EVE)
    assert store.sign_in(link(THREE), NOW)
    assert (store.find(ONE) is not None) is linked
