"""From events to standings: pure, and the same whatever order the events arrive in.

For each purpose and recipient the latest event counts; where two carry the same time a withdrawal
wins. How standings for one recipient, for any recipient and for wider purposes weigh against each
other is the policy's to say, and expiry that of whoever holds the clock.
"""

from collections.abc import Iterable

from gateway.model.facts import UNKNOWN_SUBJECT, Consent, SubjectState
from gateway.model.words import ConsentStatus
from gateway.stores.event import MICROSECONDS, ConsentEvent

_TIE = {
    ConsentStatus.UNKNOWN: 0,
    ConsentStatus.GIVEN: 1,
    ConsentStatus.REFUSED: 2,
    ConsentStatus.OBJECTED: 3,
    ConsentStatus.RESTRICTED: 4,
    ConsentStatus.WITHDRAWN: 5,
}


def in_order(events: Iterable[ConsentEvent]) -> list[ConsentEvent]:
    """The events by time, the one that counts last; ids decide between equal ones."""
    return sorted(events, key=_precedence)


def fold(events: Iterable[ConsentEvent]) -> SubjectState:
    """The standings of one person after all of that person's events."""
    latest = {(event.purpose, event.recipient): event for event in in_order(events)}
    if not latest:
        return UNKNOWN_SUBJECT
    return SubjectState({key: _standing(event) for key, event in latest.items()})


def moment_after(events: Iterable[ConsentEvent], now: int) -> int:
    """The time for a decision made at this moment: `now`, or just after the last event where the clock went back.

    Otherwise a withdrawal under a clock that was set back would count as older than the consent.
    """
    return max([now, *(event.at + 1 for event in events)])


def _precedence(event: ConsentEvent) -> tuple[int, int, str]:
    return event.at, _TIE[event.status], event.id


def _standing(event: ConsentEvent) -> Consent:
    valid_until = None if event.valid_until is None else event.valid_until / MICROSECONDS
    return Consent(event.purpose, event.recipient, event.status, event.id, valid_until)
