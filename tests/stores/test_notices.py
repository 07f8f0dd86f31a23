"""Notices that were shown, apart from what was answered to them."""

import sqlite3

import pytest

from gateway.crypto.keyring import KeyRing
from gateway.model.words import ConsentStatus
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, EventRefused, ServedNotice, new_event_id

S = ConsentStatus
KEYS = KeyRing(bytes(32), "26q4a")
ANN, BOB = KEYS.subject_handle("ann"), KEYS.subject_handle("bob")
AT = 1_790_000_000_000_000
A, B = "aa" * 32, "bb" * 32


def notice(at=AT, *, subject=ANN, name="offers", version="1", digest=A):
    fields = {"notice": name, "version": version, "digest": digest, "language": "de", "method": "page"}
    return ServedNotice(id=new_event_id(at), subject=subject, at=at, **fields)


def event(status=S.GIVEN, at=AT, *, subject=ANN, **cited):
    fields = {"subject": subject, "purpose": "ads", "status": status, "at": at, "method": "test"}
    return ConsentEvent(id=new_event_id(at), **fields, **cited)


@pytest.fixture
def store(tmp_path):
    opened = SqliteConsentStore(tmp_path / "consent.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("cited", "accepted"),
    [
        ({"notice": "offers"}, True),
        ({"notice": "offers", "notice_version": "1"}, True),
        ({"notice": "offers", "notice_version": "1", "notice_digest": A}, True),
        ({"notice": "offers", "notice_digest": A, "at": AT + 1}, True),
        ({"notice": "offers", "at": AT - 1}, False),
        ({"notice": "offers", "notice_version": "2"}, False),
        ({"notice": "offers", "notice_digest": B}, False),
        ({"notice": "offers", "notice_version": "1", "notice_digest": B}, False),
        ({"notice": "terms"}, False),
        ({"notice": "offers", "subject": BOB}, False),
        ({"notice": "offers", "status": S.RENEWED, "notice_version": "2"}, False),
        ({"notice": "terms", "status": S.REFUSED}, True),
        ({"notice": "terms", "status": S.WITHDRAWN}, True),
    ],
)
@pytest.mark.parametrize("way", ["append", "prepare"])
def test_consent_cites_only_what_was_shown_to_that_person_before(store, way, cited, accepted):
    store.serve(notice())
    store.serve(notice(name="terms", subject=BOB))
    made = event(**cited)
    record = store.append if way == "append" else lambda each: store.prepare([each])
    if not accepted:
        with pytest.raises(EventRefused) as caught:
            record(made)
        assert caught.value.code == "notice_not_served"
        assert store.find(made.id) is None
        return
    record(made)
    assert store.find(made.id) == made


def test_what_is_prepared_with_its_notice_may_cite_it(store):
    store.prepare([event(notice="offers")], [notice()])
    assert [each.version for each in store.served(ANN)] == ["1"]

    with pytest.raises(EventRefused):
        store.prepare([event(notice="terms")], [notice(AT + 1)])
    assert len(store.served(ANN)) == 1


def test_the_latest_showing_that_fits_vouches(store):
    for at, version, digest in ((AT, "1", A), (AT + 1, "2", B), (AT + 2, "1", A)):
        store.serve(notice(at, version=version, digest=digest))

    assert store.voucher(ANN, "offers", AT + 1).version == "2"
    assert store.voucher(ANN, "offers", AT + 9).at == AT + 2
    assert store.voucher(ANN, "offers", AT + 9, digest=B).at == AT + 1
    assert store.voucher(ANN, "offers", AT - 1) is None


def test_what_is_prepared_does_not_count_until_it_is_settled(store):
    store.append(event(S.REFUSED))
    made = [event(at=AT + 1), event(S.WITHDRAWN, AT + 2)]
    version = store.version()
    store.prepare(made)
    assert [each.status for each in store.history(ANN)] == [S.REFUSED]
    assert store.last_moment(ANN) == AT + 2
    assert {each.id for each in store.owed()} == {each.id for each in (*made, *store.history(ANN))}

    store.settle([made[0].id])
    assert store.version() != version
    assert store.state(ANN).consents["ads", "*"].status is S.GIVEN
    store.settle([each.id for each in store.owed()])
    assert store.state(ANN).consents["ads", "*"].status is S.WITHDRAWN
    assert store.owed() == []
    assert (store.last_moment(BOB), store.count()) == (None, 3)
    for again in (store.append, lambda each: store.prepare([each])):
        with pytest.raises(ValueError, match="recorded already"):
            again(made[0])


def test_every_event_is_given_page_by_page(store):
    made = [event(at=AT + number * 1000) for number in range(4100)]
    store._connection.execute("PRAGMA synchronous = OFF")
    store.prepare(made)
    assert list(store.every()) == []
    store.settle([each.id for each in made])

    assert list(store.every()) == sorted(made, key=lambda each: each.id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE notice_served SET version = '2'",
        "DELETE FROM notice_served",
        "INSERT OR REPLACE INTO notice_served SELECT * FROM notice_served",
    ],
)
def test_what_was_shown_can_neither_be_changed_nor_deleted(tmp_path, store, statement):
    store.serve(notice())
    connection = sqlite3.connect(tmp_path / "consent.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    with pytest.raises(ValueError, match="recorded already"):
        store.serve(store.served(ANN)[0])
