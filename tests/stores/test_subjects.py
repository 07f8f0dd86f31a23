import os
import sqlite3
import stat
from hashlib import sha256

import pytest

from gateway.crypto.keyring import KeyRing, is_subject_handle
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.stores import subjects as module
from gateway.stores.subjects import SqliteSubjectStore

KEYS = KeyRing(bytes(32), "26q4a")
ANN, BOB = "ann@shop.example", "bob@shop.example"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "subjects.sqlite"


@pytest.fixture
def store(path):
    opened = SqliteSubjectStore(path, KEYS, busy_timeout=0.05)
    yield opened
    opened.close()


def another(path, **more):
    return SqliteSubjectStore(path, KEYS, **more)


def row_of(path, identifier):
    connection = sqlite3.connect(path)
    row = connection.execute("SELECT * FROM subject WHERE person = ?", (KEYS.subject_index(identifier),)).fetchone()
    connection.close()
    return row


def test_nobody_is_kept_at_first_and_looking_keeps_nobody(path, store):
    assert store.find(ANN) is None
    assert store.known(ANN) is None
    assert row_of(path, ANN) is None


def test_a_person_keeps_their_handle_and_no_two_have_one(path, store):
    ann = store.handle(ANN)

    assert is_subject_handle(ann)
    assert store.handle(" Ann@Shop.Example") == store.known(ANN) == store.find(ANN).handle == ann
    assert store.handle(BOB) != ann
    assert another(path).handle(ANN) == ann


def test_a_handle_does_not_follow_from_root_key_and_identifier(tmp_path, store):
    elsewhere = SqliteSubjectStore(tmp_path / "elsewhere.sqlite", KEYS)

    assert len({store.handle(ANN), elsewhere.handle(ANN), KEYS.subject_handle(ANN)}) == 3


def test_many_are_met_at_once_in_the_order_asked(store):
    indexes = [KEYS.subject_index(name) for name in ("a", "b", "a", "c")]
    a, b, again, c = store.handles(indexes)

    assert a == again
    assert len({a, b, c}) == 3
    assert store.handles(indexes[::-1]) == [c, again, b, a]


def test_two_processes_that_meet_one_person_at_once_give_one_handle(path, store, monkeypatch):
    other = another(path)
    looks = []
    look = SqliteSubjectStore._all_at

    def overtaken(self, indexes):
        found = list(look(self, indexes))
        if self is store and not looks:
            looks.append(other.handle(ANN))
        return found

    monkeypatch.setattr(SqliteSubjectStore, "_all_at", overtaken)
    assert [store.handle(ANN)] == looks


@pytest.mark.parametrize("identifier", ["", " \t"])
def test_an_empty_identifier_is_nobody(store, identifier):
    for ask in (store.known, store.handle, store.find):
        with pytest.raises(ValueError, match="names nobody"):
            ask(identifier)


def test_files_are_private_and_hold_neither_identifier_nor_key_nor_handle(path, store):
    handle = store.handle(ANN)
    index, wrapped, digest, _ = row_of(path, ANN)
    key = KEYS.unwrap_subject_key(index, wrapped)

    assert sha256(key).digest() == digest
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(text in file.read_bytes() for text in (b"ann@", key, handle.encode()))


def test_after_an_erasure_every_process_forgets_with_its_next_call(path, store):
    other = another(path)
    old = [store.handle(ANN), other.handle(ANN), store.handle(BOB)]
    other.erase([other.find(ANN).digest])

    assert store.known(ANN) is None
    assert store.find(ANN) is None
    new = store.handle(ANN)
    assert new not in old
    assert other.handle(ANN) == new
    assert store.handle(BOB) == old[2]


def test_while_an_erasure_is_unfinished_nothing_is_answered_from_memory(path, store):
    other = another(path)
    handle = store.handle(ANN)
    other._generation.begin()

    assert store.known(ANN) is None
    assert store.handle(ANN) == handle
    assert store.known(ANN) is None
    assert store.version() is None


def test_an_answer_from_before_an_erasure_is_not_remembered_after_it(path, store):
    handle = store.handle(ANN)
    version = store.version()
    another(path).erase([store.find(ANN).digest])
    assert store.version() != version
    store.remember(ANN, handle, version)
    assert store.known(ANN) is None

    store._generation.begin()
    store.remember(ANN, handle, store.version())
    store._generation.end(store._generation.read()[0])
    assert store.known(ANN) is None


def test_those_met_last_are_remembered(store, monkeypatch):
    monkeypatch.setattr(module, "_CACHED", 2)
    store.handle(ANN)
    store.handle(BOB)
    store.known(ANN)
    store.handle("carl")

    assert (store.known(BOB), store.known(ANN) is None, store.known("carl") is None) == (None, False, False)


def traces(path, wrapped):
    return [file.name for file in path.parent.iterdir() if wrapped in file.read_bytes()]


@pytest.mark.parametrize("people", [1, 40, 3000])
def test_an_erased_key_is_in_no_file_any_more(path, store, people):
    store._connection.execute("PRAGMA synchronous = OFF")
    store.handles([KEYS.subject_index(str(number)) for number in range(people)])
    for number in range(0, people, max(people // 5, 1)):
        wrapped = row_of(path, str(number))[1]
        assert traces(path, wrapped)
        store.erase([store.find(str(number)).digest])

        assert traces(path, wrapped) == []


def test_a_copy_that_a_page_kept_goes_too(path, store, monkeypatch):
    store.handles([KEYS.subject_index(str(number)) for number in range(200)])
    # As a version of SQLite would that overwrites nothing.
    store._connection.execute("PRAGMA secure_delete = OFF")
    wrapped = row_of(path, "7")[1]
    store.erase([store.find("7").digest])

    assert traces(path, wrapped) == []
    assert store.find("8") is not None


def test_a_copy_goes_too_where_the_row_went_before_somebody_died(path, store):
    store.handles([KEYS.subject_index(str(number)) for number in range(200)])
    wrapped, digest = row_of(path, "7")[1], store.find("7").digest
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM subject WHERE digest = ?", (digest,))
    connection.close()
    assert traces(path, wrapped)
    store.erase([digest])

    assert traces(path, wrapped) == []


def test_an_erasure_can_be_repeated_when_its_row_is_gone_already(path, store):
    store.handle(BOB)
    handle = store.handle(ANN)
    digest = store.find(ANN).digest
    store.erase([digest])
    store.erase([digest])

    assert store.find(BOB) is not None
    assert store.handle(ANN) != handle


def test_a_key_that_was_erased_and_is_here_again_stops_everything(path, store):
    store.handle(ANN)
    digest = store.find(ANN).digest
    assert store.holds([digest, bytes(32)]) == [digest]

    with pytest.raises(StoreDown) as caught:
        another(path, erased=[bytes(32), digest])
    assert caught.value.posture is Posture.CONSENT_STORE_DOWN
    assert "1 key(s) that were erased" in caught.value.why
    assert "subject erase --again" in caught.value.why
    another(path, erased=[bytes(32)]).close()


def corrupt(path):
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def remove(path):
    path.unlink()


def replace(path):
    aside = path.with_name("aside")
    aside.write_bytes(path.read_bytes())
    aside.replace(path)


def without_generation(path):
    path.with_suffix(".generation").unlink()


def change(column):
    def statement(path):
        connection = sqlite3.connect(path)
        with connection:
            connection.execute(f"UPDATE subject SET {column} = zeroblob(40)")
        connection.close()

    return statement


@pytest.mark.parametrize("damage", [corrupt, remove, replace, without_generation, change("key"), change("digest")])
def test_damage_is_a_store_that_is_down_and_never_another_handle(path, store, monkeypatch, damage):
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.0)
    handle = store.handle(ANN)
    store._look_again_at = 0.0
    damage(path)
    store._cache.clear()

    with pytest.raises(StoreDown) as caught:
        store.handle(ANN)
    assert caught.value.posture is Posture.CONSENT_STORE_DOWN
    assert ANN not in caught.value.why
    assert handle not in caught.value.why


def test_under_another_root_key_nobody_is_met_anew(path, store):
    store.handle(ANN)

    with pytest.raises(StoreDown, match="another root key"):
        SqliteSubjectStore(path, KeyRing(b"x" * 32, "26q4a"))
    SqliteSubjectStore(path, KeyRing(bytes(32), "27q1a")).close()


def test_a_lock_that_is_held_too_long_is_a_store_that_is_down(path, store):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreDown):
        store.handle(ANN)
    holder.execute("ROLLBACK")
    holder.close()
    assert store.handle(ANN)


def test_a_closed_store_is_down(path):
    closed = SqliteSubjectStore(path, KEYS)
    closed.close()
    for call in (closed.version, lambda: closed.handle(ANN), lambda: closed.find(ANN)):
        with pytest.raises(StoreDown):
            call()
