"""Rows of pseudonyms: what is kept, what every worker sees, and what is on disk."""

import multiprocessing
import os
import sqlite3
import stat

import pytest

from gateway.crypto.keyring import KeyRing
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.stores.pseudonyms import MintedRow, SqlitePseudonymStore

KEYS = KeyRing(bytes(32), "26q4a")
ANN, EVE = b"a" * 32, b"e" * 32
TEXTS = [f"p1.26q4a.{letter * 21}A" for letter in "xyz"]
ONE, TWO, THREE = map(KEYS.pseudonym_index, TEXTS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pseudonyms.sqlite"


@pytest.fixture
def store(path):
    opened = SqlitePseudonymStore(path, KEYS, busy_timeout=0.05)
    yield opened
    opened.close()


@pytest.fixture
def worker(path, store):
    """Another worker's connection."""
    opened = SqlitePseudonymStore(path, KEYS, busy_timeout=0.05)
    yield opened
    opened.close()


def test_what_is_kept_is_seen_by_every_worker_at_once(store, worker):
    assert worker.persons(ONE) == []
    store.keep([MintedRow(ONE, ANN), MintedRow(TWO, ANN), MintedRow(THREE, EVE)])
    assert [worker.persons(index) for index in (ONE, TWO, THREE)] == [[ANN], [ANN], [EVE]]
    assert (worker.count(ANN), worker.count(EVE), worker.count(b"b" * 32)) == (2, 1, 0)


def test_a_new_row_makes_no_earlier_answer_wrong_unless_the_pseudonym_is_somebodys(store, worker):
    before = worker.version()
    store.keep([MintedRow(ONE, ANN), MintedRow(TWO, EVE)])
    assert worker.version() == before
    store.keep([MintedRow(ONE, EVE)])
    assert worker.version() != before
    assert sorted(worker.persons(ONE)) == [ANN, EVE]


def test_rows_that_are_here_cost_no_write(store, worker):
    store.keep([MintedRow(ONE, ANN)])
    holder = sqlite3.connect(store._connection.execute("PRAGMA database_list").fetchone()[2])
    holder.execute("BEGIN IMMEDIATE")
    worker.keep([MintedRow(ONE, ANN)])
    with pytest.raises(StoreDown, match="cannot be written"):
        worker.keep([MintedRow(ONE, ANN), MintedRow(TWO, ANN)])
    holder.close()


def test_who_is_forgotten_has_no_row_and_every_worker_hears_of_it(store, worker):
    store.keep([MintedRow(ONE, ANN), MintedRow(TWO, ANN), MintedRow(TWO, EVE)])
    before = worker.version()
    store.forget([ANN])
    assert worker.version() != before
    assert (worker.persons(ONE), worker.persons(TWO), worker.count(ANN)) == ([], [EVE], 0)


def test_files_are_private_and_hold_no_pseudonym(path, store):
    store.keep([MintedRow(ONE, ANN)])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(text.encode() in file.read_bytes() for text in TEXTS)
    store.forget([ANN])
    assert ANN not in path.read_bytes()


def test_under_another_root_key_the_store_does_not_open(path, store):
    SqlitePseudonymStore(path, KeyRing(bytes(32), "27q1a")).close()
    with pytest.raises(StoreDown, match=r"pseudonyms\.sqlite was made under another root key"):
        SqlitePseudonymStore(path, KeyRing(b"k" * 32, "26q4a"))


def corrupt(path):
    path.write_bytes(b"x" * 8192)


def replace(path):
    path.rename(path.with_suffix(".old"))
    SqlitePseudonymStore(path, KEYS).close()


def without_generation(path):
    path.with_suffix(".generation").unlink()


@pytest.mark.parametrize("damage", [corrupt, replace, without_generation])
def test_damage_is_a_store_that_is_down(path, store, damage):
    store.keep([MintedRow(ONE, ANN)])
    damage(path)
    store._watched._look_again_at = 0.0
    for ask in (lambda: store.persons(ONE), lambda: store.keep([MintedRow(ONE, ANN)])):
        with pytest.raises(StoreDown) as caught:
            ask()
        assert caught.value.posture is Posture.CONSENT_STORE_DOWN


def die_after_the_commit(path):
    store = SqlitePseudonymStore(path, KEYS)
    store._watched.generation.end = lambda _: os._exit(9)
    store.forget([ANN])


def test_a_writer_that_dies_after_its_commit_leaves_nothing_to_remember(path, store, worker):
    store.keep([MintedRow(ONE, ANN)])
    child = multiprocessing.get_context("spawn").Process(target=die_after_the_commit, args=(path,))
    child.start()
    child.join(30)
    assert child.exitcode == 9
    assert (worker.version(), worker.persons(ONE)) == (None, [])
    store.forget([EVE])
    assert worker.version() is not None
