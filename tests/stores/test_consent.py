import multiprocessing
import os
import sqlite3
import stat
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.crypto.keyring import KeyRing
from gateway.model.errors import StoreDown
from gateway.model.facts import SubjectState
from gateway.model.words import Assurance, ConsentStatus, Posture
from gateway.stores import consent as module
from gateway.stores import consent_schema as schema
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, ServedNotice, new_event_id
from gateway.stores.fold import fold

S = ConsentStatus
KEYS = KeyRing(bytes(32), "26q4a")
ANN, BOB = KEYS.subject_handle("ann"), KEYS.subject_handle("bob")
AT = 1_790_000_000_000_000


def event(status, at=AT, *, subject=ANN, **fields):
    return ConsentEvent(
        id=new_event_id(at), subject=subject, purpose="ads", status=status, at=at, method="test", **fields
    )


def notice(at, *, subject=ANN, **changes):
    fields = {"notice": "cookies", "version": "3", "digest": "ab" * 32, "language": "de", "method": "page"}
    return ServedNotice(**{"id": new_event_id(at), "subject": subject, "at": at, **fields, **changes})


def status_of(store, subject=ANN):
    return store.state(subject).consents["ads", "*"].status


@pytest.fixture
def path(tmp_path):
    return tmp_path / "consent.sqlite"


@pytest.fixture
def store(path):
    opened = SqliteConsentStore(path, busy_timeout=0.05)
    yield opened
    opened.close()


def test_nobody_is_known_at_first(store):
    assert store.state(ANN) == SubjectState({})
    assert store.history(ANN) == []


def test_events_come_back_as_they_were_given(store):
    cited = {"notice": "cookies", "notice_version": "3", "notice_digest": "ab" * 32}
    full = event(
        S.GIVEN, recipient="mailer", valid_until=AT + 1, assurance=Assurance.LOW, actor="support desk", **cited
    )
    store.serve(notice(AT))
    later = event(S.WITHDRAWN, AT + 1)
    assert [store.append(later), store.append(full)] == [later.id, full.id]

    assert store.history(ANN) == [full, later]
    assert store.history(BOB) == []


def test_they_outlive_the_store(path):
    first = SqliteConsentStore(path)
    first.append(event(S.GIVEN))
    first.close()

    assert status_of(SqliteConsentStore(path)) is S.GIVEN


def test_own_events_count_at_once(store):
    store.append(event(S.GIVEN))
    assert status_of(store) is S.GIVEN

    store.append(event(S.WITHDRAWN, AT + 1))
    assert status_of(store) is S.WITHDRAWN


def test_events_of_another_connection_count_at_once(path, store):
    other = SqliteConsentStore(path)
    for at in range(50):
        status = S.GIVEN if at % 2 else S.WITHDRAWN
        before = store.version()
        other.append(event(status, AT + at))

        assert store.version() != before
        assert status_of(store) is status


def test_the_version_stays_while_nothing_happens(store):
    store.append(event(S.GIVEN))
    store.state(ANN)

    assert len({store.version() for _ in range(20)}) == 1


def test_a_state_is_folded_once_for_each_version(path, store, monkeypatch):
    folds = []
    monkeypatch.setattr(module, "fold", lambda events: folds.append(1) or SubjectState({}))
    for _ in range(3):
        store.state(ANN)
    SqliteConsentStore(path).append(event(S.GIVEN))
    for _ in range(3):
        store.state(ANN)

    assert len(folds) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ANN, BOB]),
            st.sampled_from(["ads", "service"]),
            st.sampled_from(["*", "mailer"]),
            st.sampled_from([status for status in S if status is not S.EXPIRED]),
            st.integers(0, 3),
        ),
        max_size=20,
    )
)
@settings(max_examples=50, deadline=None)
def test_a_state_is_the_fold_of_the_whole_history(given_events):
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteConsentStore(Path(directory, "consent.sqlite"))
        store._connection.execute("PRAGMA synchronous = OFF")
        for subject, purpose, recipient, status, at in given_events:
            changes = {"purpose": purpose, "recipient": recipient}
            store.append(msgspec.structs.replace(event(status, at, subject=subject), **changes))

        for subject in (ANN, BOB):
            assert store.state(subject) == fold(store.history(subject))
        assert len(store.history(ANN)) + len(store.history(BOB)) == len(given_events)
        store.close()


def test_the_cache_is_bounded(store, monkeypatch):
    monkeypatch.setattr(module, "_CACHED_SUBJECTS", 3)
    for number in range(10):
        store.state(KEYS.subject_handle(str(number)))

    assert len(store._cache) <= 3


def test_a_commit_between_a_look_at_an_unfinished_write_and_its_end_changes_the_version(path, store):
    store.state(ANN)
    writer = SqliteConsentStore(path)
    writer._connection.execute("BEGIN IMMEDIATE")
    number = writer._generation.begin()
    during = store.version()
    insert(writer._connection, event(S.GIVEN))
    writer._connection.execute("COMMIT")
    committed = store.version()
    writer._generation.end(number)

    assert during != committed
    assert store.version() != during
    assert status_of(store) is S.GIVEN


def test_a_writer_that_dies_after_its_commit_is_seen(path, store):
    store.state(ANN)
    writer = SqliteConsentStore(path)
    writer._connection.execute("BEGIN IMMEDIATE")
    writer._generation.begin()
    assert store.state(ANN) == SubjectState({})
    insert(writer._connection, event(S.GIVEN))
    writer._connection.execute("COMMIT")
    writer.close()

    assert status_of(store) is S.GIVEN


def test_what_another_program_writes_is_seen_with_the_next_look(path, store, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.0)
    store.state(ANN)
    foreign = sqlite3.connect(path)
    with foreign:
        insert(foreign, event(S.GIVEN))
    foreign.close()

    assert status_of(store) is S.GIVEN


def insert(connection, new):
    row = [str(value) if isinstance(value, S) else value for value in msgspec.structs.astuple(new)]
    connection.execute(schema.INSERT, row)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_event SET status = 'given'",
        "DELETE FROM consent_event",
        "INSERT OR REPLACE INTO consent_event SELECT * FROM consent_event",
    ],
)
def test_events_can_neither_be_changed_nor_deleted(path, store, statement):
    withdrawn = event(S.WITHDRAWN)
    store.append(withdrawn)
    connection = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert store.history(ANN) == [withdrawn]


def test_an_id_counts_once(store):
    first = event(S.GIVEN)
    store.append(first)

    with pytest.raises(ValueError, match="recorded already"):
        store.append(msgspec.structs.replace(first, status=S.WITHDRAWN))
    assert store.history(ANN) == [first]
    store.append(event(S.WITHDRAWN, AT + 1))
    assert status_of(store) is S.WITHDRAWN


def test_files_are_private_and_hold_no_identifier(path, store):
    store.append(event(S.GIVEN, subject=KEYS.subject_handle("ann@shop.example")))

    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert b"ann@" not in file.read_bytes()


def corrupt(path):
    with path.open("r+b") as file:
        file.seek(0)
        file.write(os.urandom(path.stat().st_size))


def empty(path):
    os.truncate(path, 0)


def remove(path):
    path.unlink()


def replace(path):
    aside = path.with_name("aside")
    aside.write_bytes(path.read_bytes())
    aside.replace(path)


def without_generation(path):
    path.with_suffix(".generation").unlink()


def unknown_status(path):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DROP TRIGGER consent_event_stays")
        connection.execute("UPDATE consent_event SET status = 'maybe'")
    connection.close()


@pytest.mark.parametrize("damage", [corrupt, empty, remove, replace, without_generation, unknown_status])
def test_damage_is_a_store_that_is_down_and_never_an_answer(path, store, monkeypatch, damage):
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.0)
    store.append(event(S.GIVEN))
    assert status_of(store) is S.GIVEN
    damage(path)

    with pytest.raises(StoreDown) as caught:
        store.state(ANN)
    assert caught.value.posture is Posture.CONSENT_STORE_DOWN
    assert ANN not in str(caught.value)


def test_a_database_put_in_the_place_of_ours_is_noticed_with_the_next_write_to_it(path, store):
    store.append(event(S.GIVEN))
    assert status_of(store) is S.GIVEN
    replace(path)
    SqliteConsentStore(path).append(event(S.WITHDRAWN, AT + 1))

    with pytest.raises(StoreDown):
        store.state(ANN)


@pytest.mark.parametrize("call", [lambda store: store.append(event(S.GIVEN)), lambda store: store.history(ANN)])
def test_a_lock_that_is_held_too_long_is_a_store_that_is_down(path, store, call):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreDown) as caught:
        call(store)
    assert caught.value.posture is Posture.CONSENT_STORE_DOWN

    holder.execute("ROLLBACK")
    holder.close()
    call(store)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 200])
def test_a_file_that_is_no_database_does_not_open(path, content):
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(StoreDown) as caught:
        SqliteConsentStore(path)
    assert caught.value.posture is Posture.CONSENT_STORE_DOWN


def test_a_closed_store_is_down(path):
    closed = SqliteConsentStore(path)
    closed.close()

    for call in (closed.version, lambda: closed.state(ANN), lambda: closed.append(event(S.GIVEN))):
        with pytest.raises(StoreDown):
            call()


def read_along(path, told, answers):
    """A worker: after each word from the writer, answer what the next request would see."""
    reader = SqliteConsentStore(path, busy_timeout=5)
    reader.state(ANN)
    answers.send("ready")
    while told.recv() == "look":
        answers.send(status_of(reader).value)
    reader.close()


@pytest.fixture
def memory_path(tmp_path):
    """On a disk, a thousand commits take a while and show nothing more."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path / "consent.sqlite"
        return
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory, "consent.sqlite")


def test_four_processes_see_every_withdrawal_with_their_next_call(memory_path):
    path = memory_path
    writer = SqliteConsentStore(path, busy_timeout=5)
    context = multiprocessing.get_context("spawn")
    workers = []
    for _ in range(4):
        told, tell = context.Pipe(duplex=False)
        answers, answer = context.Pipe(duplex=False)
        process = context.Process(target=read_along, args=(path, told, answer), daemon=True)
        process.start()
        workers.append((process, tell, answers))
    assert [answers.recv() for _, _, answers in workers] == ["ready"] * 4

    wrong = []
    for turn in range(1000):
        status = S.WITHDRAWN if turn % 2 else S.GIVEN
        writer.append(event(status, AT + turn))
        for _, tell, _ in workers:
            tell.send("look")
        wrong += [turn for _, _, answers in workers if answers.recv() != status.value]

    for process, tell, _ in workers:
        tell.send("stop")
        process.join(10)
    assert wrong == []
    assert [process.exitcode for process, _, _ in workers] == [0] * 4
