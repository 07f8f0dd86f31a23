import pytest

from gateway.crypto.keyring import KeyRing
from gateway.model.words import ConsentStatus
from gateway.stores.event import ConsentEvent, ServedNotice, new_event_id, now_microseconds

ANN = KeyRing(bytes(32), "26q4a").subject_handle("ann")
AT = 1_790_000_000_123_456


def event(**changes):
    fields = {"id": new_event_id(AT), "subject": ANN, "purpose": "ads", "status": ConsentStatus.GIVEN, "at": AT}
    return ConsentEvent(**{**fields, "method": "test", **changes})


def test_an_event_is_for_any_recipient_unless_it_names_one():
    assert event().recipient == "*"
    assert event(recipient="mailer").recipient == "mailer"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id": "1"}, "ULID"),
        ({"id": "8" + "0" * 25}, "ULID"),
        ({"id": "0" * 25 + "U"}, "ULID"),
        ({"subject": "ann@shop.example"}, "handle"),
        ({"subject": ""}, "handle"),
        ({"purpose": ""}, "names its purpose"),
        ({"recipient": ""}, "names its purpose"),
        ({"method": ""}, "names its purpose"),
        ({"status": ConsentStatus.EXPIRED}, "expiry"),
        ({"valid_until": AT}, "after its beginning"),
        ({"valid_until": AT + 1, "status": ConsentStatus.WITHDRAWN}, "only consent has an end"),
        ({"notice_version": "2"}, "needs the notice's name"),
        ({"notice_digest": "ab" * 32}, "needs the notice's name"),
    ],
)
def test_what_is_no_event(changes, why):
    with pytest.raises(ValueError, match=why) as caught:
        event(**changes)

    assert "ann@" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id": "1"}, "ULID"),
        ({"subject": "ann@shop.example"}, "handle"),
        ({"digest": "ab" * 31}, "SHA-256"),
        ({"digest": "AB" * 32}, "SHA-256"),
        *(({name: ""}, "has a name") for name in ("notice", "version", "language", "method")),
    ],
)
def test_what_is_no_served_notice(changes, why):
    fields = {"notice": "cookies", "version": "2", "digest": "ab" * 32, "language": "de", "method": "page"}
    assert ServedNotice(id=new_event_id(AT), subject=ANN, at=AT, **fields).version == "2"
    with pytest.raises(ValueError, match=why):
        ServedNotice(**{"id": new_event_id(AT), "subject": ANN, "at": AT, **fields, **changes})


def test_ids_are_ulids_that_sort_by_time():
    ids = [new_event_id(at * 1000) for at in (0, 1, 2**16, AT // 1000, 2**48 - 1)]

    assert ids == sorted(ids)
    assert all(event(id=made).id == made for made in ids)
    assert new_event_id(0)[:10] == "0" * 10
    assert new_event_id((2**48 - 1) * 1000)[:10] == "7ZZZZZZZZZ"


def test_ids_of_one_moment_differ():
    assert len({new_event_id(AT) for _ in range(100)}) == 100


def test_the_clock_counts_microseconds():
    assert 1_700_000_000_000_000 < now_microseconds() < 10_000_000_000_000_000
