import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.keyring import KeyRing
from gateway.model.facts import Consent, SubjectState
from gateway.model.words import ConsentStatus
from gateway.stores.event import ConsentEvent, new_event_id
from gateway.stores.fold import fold, in_order, moment_after

S = ConsentStatus
ANN = KeyRing(bytes(32), "26q4a").subject_handle("ann")


def event(status, at, *, purpose="ads", recipient="*", valid_until=None):
    return ConsentEvent(
        id=new_event_id(at),
        subject=ANN,
        purpose=purpose,
        recipient=recipient,
        status=status,
        at=at,
        valid_until=valid_until,
        method="test",
    )


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([(S.GIVEN, 1)], S.GIVEN),
        ([(S.GIVEN, 1), (S.WITHDRAWN, 2)], S.WITHDRAWN),
        ([(S.WITHDRAWN, 2), (S.GIVEN, 1)], S.WITHDRAWN),
        ([(S.WITHDRAWN, 1), (S.GIVEN, 2)], S.GIVEN),
        ([(S.GIVEN, 2), (S.WITHDRAWN, 1)], S.GIVEN),
        ([(S.WITHDRAWN, 5), (S.GIVEN, 5)], S.WITHDRAWN),
        ([(S.GIVEN, 5), (S.WITHDRAWN, 5)], S.WITHDRAWN),
        ([(S.GIVEN, 5), (S.REFUSED, 5)], S.REFUSED),
        ([(S.OBJECTED, 5), (S.GIVEN, 5)], S.OBJECTED),
        ([(S.GIVEN, 1), (S.RENEWED, 2)], S.RENEWED),
        ([(S.WITHDRAWN, 5), (S.REVOKED, 5)], S.WITHDRAWN),
        ([(S.INVALIDATED, 5), (S.RENEWED, 5)], S.INVALIDATED),
        ([(S.OBJECTED, 5), (S.UNKNOWN, 6)], S.UNKNOWN),
        ([(S.RESTRICTED, 5), (S.WITHDRAWN, 5)], S.RESTRICTED),
        ([(S.RESTRICTED, 5), (S.UNKNOWN, 6)], S.RESTRICTED),
        ([(S.RESTRICTED, 5), (S.GIVEN, 6)], S.RESTRICTED),
        ([(S.WITHDRAWN, 4), (S.RESTRICTED, 5), (S.UNRESTRICTED, 6)], S.WITHDRAWN),
        ([(S.OBJECTED, 4), (S.RESTRICTED, 5), (S.UNRESTRICTED, 6)], S.OBJECTED),
        ([(S.RESTRICTED, 5), (S.GIVEN, 6), (S.UNRESTRICTED, 7)], S.GIVEN),
        ([(S.UNRESTRICTED, 5), (S.RESTRICTED, 5), (S.GIVEN, 6)], S.RESTRICTED),
        ([(S.GIVEN, 1), (S.WITHDRAWN, 2), (S.GIVEN, 3), (S.WITHDRAWN, 4)], S.WITHDRAWN),
    ],
)
def test_the_latest_counts_and_withdrawal_wins_ties(events, status):
    state = fold([event(*given) for given in events])

    assert state.consents["ads", "*"].status is status


def test_purposes_and_recipients_stand_apart():
    events = [
        event(S.GIVEN, 1),
        event(S.WITHDRAWN, 2, recipient="mailer"),
        event(S.REFUSED, 3, purpose="ads.mail"),
        event(S.GIVEN, 4, purpose="service", valid_until=1_500_000),
    ]

    assert fold(events) == SubjectState(
        {
            ("ads", "*"): Consent("ads", "*", S.GIVEN, events[0].id),
            ("ads", "mailer"): Consent("ads", "mailer", S.WITHDRAWN, events[1].id),
            ("ads.mail", "*"): Consent("ads.mail", "*", S.REFUSED, events[2].id),
            ("service", "*"): Consent("service", "*", S.GIVEN, events[3].id, 1.5),
        }
    )


def test_expiry_is_left_to_who_holds_the_clock():
    assert fold([event(S.GIVEN, 10, valid_until=11)]).consents["ads", "*"].status is S.GIVEN


def test_nothing_folds_to_nothing():
    assert fold([]) == SubjectState({})


def test_a_restriction_that_was_lifted_leaves_nothing_where_nothing_was_answered():
    assert fold([event(S.RESTRICTED, 1), event(S.UNRESTRICTED, 2)]) == SubjectState({})


STATUSES = st.sampled_from([status for status in S if status is not S.EXPIRED])
EVENTS = st.lists(
    st.builds(event, STATUSES, st.integers(0, 5), purpose=st.sampled_from(["a", "b"]), recipient=st.sampled_from("*x"))
)


@given(EVENTS, st.randoms())
def test_the_order_of_arrival_is_of_no_matter(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)

    assert fold(shuffled) == fold(events)
    assert in_order(shuffled) == in_order(events)


LYING_OVER = (S.RESTRICTED, S.UNRESTRICTED)


@given(EVENTS)
def test_no_consent_stands_against_a_withdrawal_of_its_moment_or_later_or_under_a_restriction(events):
    for (purpose, recipient), consent in fold(events).consents.items():
        same = [event for event in events if (event.purpose, event.recipient) == (purpose, recipient)]
        counting = next(event for event in same if event.id == consent.event)
        alike = [event for event in same if (event.status in LYING_OVER) == (counting.status in LYING_OVER)]

        assert counting.at == max(event.at for event in alike)
        if any(event.at == counting.at and event.status is S.WITHDRAWN for event in alike):
            assert consent.status is S.WITHDRAWN
        restricted = max((event.at for event in same if event.status is S.RESTRICTED), default=-1)
        lifted = max((event.at for event in same if event.status is S.UNRESTRICTED), default=-1)
        assert (consent.status is S.RESTRICTED) == (restricted >= 0 and restricted >= lifted)


@pytest.mark.parametrize(("times", "now", "moment"), [([], 7, 7), ([3, 5], 7, 7), ([3, 7], 7, 8), ([90, 5], 7, 91)])
def test_a_decision_is_never_older_than_the_ones_before_it(times, now, moment):
    assert moment_after([event(S.GIVEN, at) for at in times], now) == moment
