"""Erasing a person, and dying between any two steps of it."""

import multiprocessing
import os
import shutil

import pytest
from people import handle_of

from gateway.audit.commit import GroupWriter
from gateway.audit.operator_log import OperatorLog, operator_records
from gateway.audit.verify import verify_directory
from gateway.model.errors import StoreDown
from gateway.model.words import Kind, Posture
from gateway.runtime import erasure as module
from gateway.runtime.erasure import erase, erase_again, open_subjects
from gateway.stores.erasures import EraseList
from gateway.stores.generation import Generation
from gateway.stores.keyfile import create_keys, load_keyring
from gateway.stores.sessions import SESSIONS, Link, SqliteSessionStore
from gateway.stores.subjects import SqliteSubjectStore

ANN, BOB = "ann@shop.example", "bob@shop.example"
STEPS = {
    "nothing done": (EraseList, "begin", "before"),
    "on the list": (EraseList, "begin", "after"),
    "operators' log open": (GroupWriter, "append", "before"),
    "record durable": (GroupWriter, "append", "after"),
    "log closed": (OperatorLog, "append", "after"),
    "erasure announced": (Generation, "begin", "after"),
    "row gone": (Generation, "end", "before"),
    "workers told": (SqliteSubjectStore, "_still_holds", "before"),
    "file clean": (SqliteSubjectStore, "erase", "after"),
    "sessions forgotten": (SqliteSessionStore, "forget", "after"),
    "all but the last word": (EraseList, "finish", "before"),
    "all done": (EraseList, "finish", "after"),
}


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def keys(state):
    return load_keyring(state)


def wrapped_key(state, identifier):
    keys = load_keyring(state)
    store = open_subjects(state, keys)
    index = keys.subject_index(identifier)
    (wrapped,) = store._connection.execute("SELECT key FROM subject WHERE person = ?", (index,)).fetchone()
    store.close()
    return wrapped


def records(state):
    return [record for _, record in operator_records(state / "audit", Kind.ERASE)]


def die(state, step):
    """In a process of its own: erase, and be gone before or after one call."""
    owner, name, when = STEPS[step]
    original = getattr(owner, name)

    def deadly(*arguments):
        if when == "after":
            original(*arguments)
        os._exit(9)

    SqliteSessionStore(state / SESSIONS).close()
    setattr(owner, name, deadly)
    erase(state, load_keyring(state), ANN, by="who died")


def linked(state, identifier):
    """How many sessions are the person's, before and after one more."""
    subjects, sessions = open_subjects(state, load_keyring(state)), SqliteSessionStore(state / SESSIONS)
    subject = subjects.find(identifier)
    before = sessions.count(subject.digest)
    sessions.sign_in(Link(os.urandom(16), subject.digest, subject.handle, 2**40), 0)
    subjects.close()
    return before, sessions, subject


def test_the_sessions_of_an_erased_person_go_too(state, keys):
    handle_of(state, ANN), handle_of(state, BOB)
    _, sessions, ann = linked(state, ANN)
    _, others, bob = linked(state, BOB)
    erase(state, keys, ANN, by="dpo")
    assert (sessions.count(ann.digest), sessions.count(bob.digest)) == (0, 1)
    assert ann.handle.encode() not in (state / SESSIONS).read_bytes()
    sessions.close()
    others.close()


def test_an_erased_person_is_nobody_and_comes_back_as_someone_else(state, keys):
    ann, bob = handle_of(state, ANN), handle_of(state, BOB)
    wrapped = wrapped_key(state, ANN)
    erased = erase(state, keys, ANN, by="dpo")

    assert erased.handle == ann
    assert not any(wrapped in file.read_bytes() for file in state.glob("subjects.*"))
    (record,) = records(state)
    assert (record["key"], record["by"]) == (erased.digest.hex(), "dpo")
    assert set(record) == {"by", "index", "key", "kind", "time", "version"}
    assert verify_directory(state, allow_unanchored=True).words == "VERIFIED"
    assert handle_of(state, ANN) not in (ann, bob)
    assert handle_of(state, BOB) == bob


def test_of_whom_nothing_is_kept_there_is_nothing_to_erase(state, keys):
    assert erase(state, keys, ANN, by="dpo") is None
    assert records(state) == []
    with pytest.raises(ValueError, match="names nobody"):
        erase(state, keys, " ", by="dpo")


def test_nothing_is_erased_without_its_record(state, keys, monkeypatch):
    ann = handle_of(state, ANN)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(GroupWriter, "append", full)
        with pytest.raises(StoreDown) as caught:
            erase(state, keys, ANN, by="dpo")
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    store = SqliteSubjectStore(state / "subjects.sqlite", keys)
    assert store.find(ANN).handle == ann
    store.close()


@pytest.mark.parametrize("step", STEPS)
def test_whatever_dies_between_two_steps_the_next_one_goes_on(state, tmp_path, step):
    ann, bob = handle_of(state, ANN), handle_of(state, BOB)
    wrapped = wrapped_key(state, ANN)
    watching = open_subjects(state, load_keyring(state))
    assert watching.handle(ANN) == ann
    process = multiprocessing.get_context("spawn").Process(target=die, args=(state, step))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    shutil.copytree(state, tmp_path / "opened", copy_function=shutil.copy2)

    for home, go_on in ((state, erase_ann), (tmp_path / "opened", just_open)):
        go_on(home)
        if step == "nothing done" and go_on is just_open:
            assert handle_of(home, ANN) == ann
            continue
        assert EraseList.read(home / "subjects.erased").begun == set()
        assert not any(wrapped in file.read_bytes() for file in home.glob("subjects.*"))
        assert len(records(home)) == 1
        assert Generation(home / "subjects.generation").read()[1]
        assert handle_of(home, BOB) == bob
        assert handle_of(home, ANN) not in (ann, bob)
        assert verify_directory(home, allow_unanchored=True).words == "VERIFIED"
    assert watching.known(ANN) is None
    assert watching.handle(ANN) == handle_of(state, ANN) != ann


def erase_ann(state):
    erase(state, load_keyring(state), ANN, by="dpo")


def just_open(state):
    open_subjects(state, load_keyring(state)).close()


@pytest.mark.parametrize("put_back", [["subjects.sqlite"], ["subjects.sqlite", "subjects.erased"]])
def test_an_older_copy_is_refused_until_it_is_erased_again(state, keys, tmp_path, put_back):
    ann, bob = handle_of(state, ANN), handle_of(state, BOB)
    EraseList.read(state / "subjects.erased").begin([])
    shutil.copytree(state, tmp_path / "backup")
    erased = erase(state, keys, ANN, by="dpo")
    for name in put_back:
        shutil.copy2(tmp_path / "backup" / name, state / name)

    for call in (just_open, erase_ann):
        with pytest.raises(StoreDown) as caught:
            call(state)
        assert caught.value.posture is Posture.CONSENT_STORE_DOWN
        assert erased.digest.hex()[:16] in caught.value.why
        assert ann not in caught.value.why
    assert erase_again(state, keys, by="dpo") == [erased.digest]
    assert erase_again(state, keys, by="dpo") == []
    assert [record["key"] for record in records(state)] == [erased.digest.hex()] * 2
    assert handle_of(state, ANN) != ann
    assert handle_of(state, BOB) == bob


def test_a_state_directory_from_before_gets_its_store(state, keys):
    assert not (state / "subjects.sqlite").exists()
    store = open_subjects(state, keys)
    assert store.find(ANN) is None
    store.close()
    assert not (state / "audit").exists()


def test_an_erasure_under_way_is_no_older_copy(state, keys, monkeypatch):
    ann = handle_of(state, ANN)
    digest = []
    store = open_subjects(state, keys)
    digest.append(store.find(ANN).digest)
    store.close()

    def meanwhile(*arguments):
        if digest:
            EraseList.read(state / "subjects.erased").begin(digest)
            module._record(state, [digest.pop()], "dpo")
        return operator_records(*arguments)

    monkeypatch.setattr(module, "operator_records", meanwhile)
    opened = open_subjects(state, keys)
    assert opened.find(ANN).handle == ann
    opened.close()
    assert handle_of(state, ANN) != ann
