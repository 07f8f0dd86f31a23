"""Recording decisions in store and log, and dying between any two steps of it."""

import fcntl
import multiprocessing
import os

import pytest
from people import handle_of

from gateway.audit.commit import GroupWriter
from gateway.audit.index import Index
from gateway.audit.operator_log import OperatorLog, operator_records
from gateway.audit.reading import slots_of
from gateway.audit.search import Query, Scan
from gateway.audit.verify import verify_directory
from gateway.model.errors import StoreDown
from gateway.model.words import Assurance, ConsentStatus, Kind, Posture
from gateway.runtime.consent_turns import LOCK
from gateway.runtime.consents import complete, decide, decide_all, reconcile, record_of
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.event import ConsentEvent, EventRefused, ServedNotice, new_event_id, now_microseconds
from gateway.stores.generation import Generation
from gateway.stores.keyfile import create_keys

S = ConsentStatus
ANN = "ann@shop.example"
WIDENING = [S.GIVEN, S.RENEWED, S.UNKNOWN, S.UNRESTRICTED]
NARROWING = [S.WITHDRAWN, S.REFUSED, S.REVOKED, S.INVALIDATED, S.OBJECTED, S.RESTRICTED]
STEPS = {
    "nothing done": (SqliteConsentStore, "_insert", "before"),
    "inserted, not committed": (SqliteConsentStore, "_insert", "after"),
    "in the store": (SqliteConsentStore, "owed", "before"),
    "log open": (GroupWriter, "append", "before"),
    "record durable": (GroupWriter, "append", "after"),
    "log closed": (OperatorLog, "append", "after"),
    "about to settle": (SqliteConsentStore, "settle", "before"),
    "settled": (SqliteConsentStore, "settle", "after"),
}
KEPT = [step for step in STEPS if step not in ("nothing done", "inserted, not committed")]


@pytest.fixture
def state(tmp_path):
    create_keys(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def ann(state):
    return handle_of(state, ANN)


@pytest.fixture
def store(state):
    opened = SqliteConsentStore(state / CONSENTS, busy_timeout=5)
    yield opened
    opened.close()


def event(subject, status, **changes):
    at = now_microseconds()
    fields = {"id": new_event_id(at), "subject": subject, "purpose": "ads", "status": status, "at": at}
    return ConsentEvent(**{**fields, "method": "test", **changes})


def records(state):
    return [record for _, record in operator_records(state / "audit", Kind.CONSENT)]


def standings(store, subject):
    return {key: consent.status for key, consent in store.state(subject).consents.items()}


def stop_log(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GroupWriter, "append", full)


@pytest.mark.parametrize("status", [*WIDENING, *NARROWING])
def test_each_event_is_one_record_that_names_nobody(state, store, ann, status):
    made = event(ann, status, recipient="mailer", actor="desk", assurance=Assurance.HIGH)
    assert decide(state, store, made) is None

    (record,) = records(state)
    assert {key: record[key] for key in record if key not in ("index", "time", "version")} == record_of(made)
    assert (record["subject"], record["status"], record["recipient"]) == (ann, status, "mailer")
    assert (record["event"], record["by"], record["assurance"]) == (made.id, "desk", "high")
    assert [each.id for each in store.history(ann)] == [made.id]
    assert store.owed() == []
    assert reconcile(state, store).agree
    assert verify_directory(state, allow_unanchored=True).words == "VERIFIED"
    assert not any(b"ann@" in file.read_bytes() for file in state.rglob("*") if file.is_file())


def test_a_record_says_what_was_shown_and_until_when(state, store, ann):
    at = 1_790_000_000_000_007
    cited = {"notice": "cookies", "notice_version": "3", "notice_digest": "ab" * 32}
    shown = {"notice": "cookies", "version": "3", "digest": "ab" * 32, "language": "de", "method": "page"}
    store.serve(ServedNotice(id=new_event_id(at), subject=ann, at=at, **shown))
    decide(state, store, event(ann, S.GIVEN, at=at, valid_until=at + 60_000_000, **cited))

    (record,) = records(state)
    assert {name: record[name] for name in cited} == cited
    assert (record["at"], record["valid_until"]) == ("2026-09-21T14:13:20.000007Z", "2026-09-21T14:14:20.000007Z")


def test_records_are_found_by_subject_and_purpose(state, store, ann):
    bob = handle_of(state, "bob@shop.example")
    for subject, purpose in ((ann, "ads"), (ann, "analytics"), (bob, "ads")):
        decide(state, store, event(subject, S.GIVEN, purpose=purpose))

    with Index.open(state / "audit") as index:
        for finder in (Scan(slots_of(state)), index):

            def found(finder=finder, **query):
                entries = finder.search(Query(**query))
                return [(entry.record["subject"], entry.record["purpose"]) for entry in entries]

            assert found(subject=ann) == [(ann, "analytics"), (ann, "ads")]
            assert found(kind="consent", purpose="ads") == [(bob, "ads"), (ann, "ads")]
            assert found(purpose="ads", subject=ann, recipient="*") == [(ann, "ads")]
            assert found(purpose="ad") == found(purpose="ads", data_class="contact.email") == []
            assert finder.count(Query(kind="consent"), "purpose").values == {"ads": 2, "analytics": 1}


@pytest.mark.parametrize("status", WIDENING)
def test_what_widens_counts_for_nothing_without_its_record(state, store, ann, monkeypatch, status):
    decide(state, store, event(ann, S.RESTRICTED))
    decide(state, store, event(ann, S.WITHDRAWN))
    before = standings(store, ann)
    with monkeypatch.context() as patched:
        stop_log(patched)
        with pytest.raises(StoreDown, match="counts as soon as") as caught:
            decide(state, store, event(ann, status))
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    assert standings(store, ann) == before

    assert complete(state, store) == 1
    assert [record["status"] for record in records(state)][2:] == [status]
    assert len(store.history(ann)) == 3
    assert complete(state, store) == 0


@pytest.mark.parametrize("status", NARROWING)
def test_p4_what_narrows_counts_without_a_log_and_its_record_follows(state, store, ann, monkeypatch, status):
    decide(state, store, event(ann, S.GIVEN))
    with monkeypatch.context() as patched:
        stop_log(patched)
        assert "cannot be written" in decide(state, store, event(ann, status))
    assert standings(store, ann) == {("ads", "*"): status}
    assert len(reconcile(state, store).unrecorded) == 1

    decide(state, store, event(ann, S.GIVEN, purpose="analytics"))
    assert [record["status"] for record in records(state)] == ["given", status, "given"]
    assert reconcile(state, store).agree


def test_p4_a_withdrawal_does_not_wait_for_whoever_is_recording(state, store, ann):
    decide(state, store, event(ann, S.GIVEN))
    with (state / LOCK).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another command" in decide(state, store, event(ann, S.WITHDRAWN), patience=0)
        assert standings(store, ann) == {("ads", "*"): S.WITHDRAWN}
        with pytest.raises(StoreDown, match="another command"):
            decide(state, store, event(ann, S.GIVEN), patience=0)
    assert complete(state, store) == 1
    assert standings(store, ann) == {("ads", "*"): S.WITHDRAWN}


def die(state, subject, status, step):
    """In a process of its own: record, and be gone before or after one call."""
    owner, name, when = STEPS[step]
    original = getattr(owner, name)

    def deadly(*arguments):
        if when == "after":
            original(*arguments)
        os._exit(9)

    store = SqliteConsentStore(state / CONSENTS)
    setattr(owner, name, deadly)
    decide(state, store, event(subject, status))


@pytest.mark.parametrize("status", [S.GIVEN, S.WITHDRAWN])
@pytest.mark.parametrize("step", STEPS)
def test_p2_p4_whatever_dies_between_store_and_log_the_next_one_goes_on(state, store, ann, step, status):
    watching = SqliteConsentStore(state / CONSENTS, busy_timeout=5)
    assert standings(watching, ann) == {}
    process = multiprocessing.get_context("fork").Process(target=die, args=(state, ann, status, step))
    process.start()
    process.join(20)
    assert process.exitcode == 9

    counts = standings(watching, ann)
    if status is S.GIVEN and counts:
        assert records(state), "consent counted before its record was durable"
    if status is S.WITHDRAWN and step in KEPT:
        assert counts == {("ads", "*"): S.WITHDRAWN}
    complete(state, store)
    wanted = [status] if step in KEPT else []
    assert [record["status"] for record in records(state)] == wanted
    assert standings(watching, ann) == ({("ads", "*"): status} if wanted else {})
    assert (reconcile(state, store).agree, reconcile(state, store).alike) == (True, len(wanted))
    assert verify_directory(state, allow_unanchored=True).words in ("VERIFIED", "CANNOT")
    watching.close()


def test_many_count_together_or_not_at_all(state, store, ann, monkeypatch):
    many = [event(ann, S.GIVEN, purpose=f"ads.n{number}") for number in range(1200)]
    written = []
    original = GroupWriter.append

    def full_soon(writer, group):
        written.append(len(group))
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return original(writer, group)

    with monkeypatch.context() as patched:
        patched.setattr(GroupWriter, "append", full_soon)
        with pytest.raises(StoreDown):
            decide_all(state, store, many)
    assert written == [500, 500, 200]
    assert standings(store, ann) == {}

    complete(state, store)
    assert len(standings(store, ann)) == len(records(state)) == 1200
    assert reconcile(state, store).alike == 1200


def test_one_that_is_refused_leaves_none_of_many(state, store, ann):
    fine, uncovered = event(ann, S.GIVEN), event(ann, S.GIVEN, purpose="analytics", notice="cookies")
    with pytest.raises(EventRefused) as caught:
        decide_all(state, store, [fine, uncovered])
    assert caught.value.code == "notice_not_served"
    with pytest.raises(ValueError, match="recorded already"):
        decide_all(state, store, [fine, fine])
    assert store.owed() == []
    assert records(state) == []


def test_what_store_and_log_do_not_both_hold_is_found(state, store, ann):
    kept, changed, gone = (event(ann, S.GIVEN, purpose=purpose) for purpose in ("a", "b", "c"))
    for each in (kept, changed, gone):
        decide(state, store, each)
    connection = store._connection
    connection.execute("DROP TRIGGER consent_event_stays")
    connection.execute("DROP TRIGGER consent_event_remains")
    connection.execute("UPDATE consent_event SET recipient = 'mailer' WHERE id = ?", (changed.id,))
    connection.execute("DELETE FROM consent_event WHERE id = ?", (gone.id,))
    extra = event(ann, S.GIVEN, purpose="d")
    store.append(extra)

    found = reconcile(state, store)
    assert (found.alike, found.unrecorded, found.unknown, found.different) == (
        1, [extra.id], [gone.id], [changed.id],
    )  # fmt: skip
    assert not found.agree


def test_events_of_an_earlier_version_get_their_records(state, ann):
    """The store as the first schema left it."""
    from gateway.stores import consent_schema as schema
    from gateway.stores.sqlite import open_database

    path = state / CONSENTS
    old = open_database(path, application_id=schema.APPLICATION_ID, migrations=schema.MIGRATIONS[:1], busy_timeout=1)
    made = event(ann, S.WITHDRAWN)
    names = [name for name in schema.COLUMNS if name not in ("notice_version", "assurance")]
    old.execute(
        f"INSERT INTO consent_event ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [getattr(made, name) for name in names],
    )
    old.close()

    store = SqliteConsentStore(path)
    assert store.history(ann) == [made]
    assert complete(state, store) == 1
    assert reconcile(state, store).alike == 1
    store.close()


def test_a_reader_never_sees_half_of_what_is_settled_together(state, store, ann, monkeypatch):
    many = [event(ann, S.GIVEN, purpose=f"ads.n{number}") for number in range(50)]
    seen = []
    reader = SqliteConsentStore(state / CONSENTS)
    original = Generation.end

    def watched(generation, number):
        seen.append(len(standings(reader, ann)))
        original(generation, number)

    monkeypatch.setattr(Generation, "end", watched)
    decide_all(state, store, many)
    assert seen == [50]
    reader.close()
