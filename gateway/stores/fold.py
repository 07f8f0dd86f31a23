"""From events to standings: pure, and the same whatever order the events arrive in.

For each purpose and recipient the latest answer counts; where two carry the same time a withdrawal
wins. A restriction is no answer: it lies over whatever was and will be answered until it is lifted, and
what was answered then shows again. How standings for one recipient, for any recipient and for wider
purposes weigh against each other is the policy's to say, and expiry that of whoever holds the clock.
"""

from collections.abc import Iterable

from gateway.model.facts import UNKNOWN_SUBJECT, Consent, SubjectState
from gateway.model.words import ConsentStatus
from gateway.stores.event import MICROSECONDS, ConsentEvent

_TIE = {
    status: rank
    for rank, status in enumerate(
        (
            ConsentStatus.UNKNOWN,
            ConsentStatus.UNRESTRICTED,
            ConsentStatus.GIVEN,
            ConsentStatus.RENEWED,
            ConsentStatus.REFUSED,
            ConsentStatus.INVALIDATED,
            ConsentStatus.OBJECTED,
            ConsentStatus.RESTRICTED,
            ConsentStatus.REVOKED,
            ConsentStatus.WITHDRAWN,
        )
    )
}
OF_RESTRICTION = (ConsentStatus.RESTRICTED, ConsentStatus.UNRESTRICTED)
"""Events of the restriction that lies over the answers."""


def in_order(events: Iterable[ConsentEvent]) -> list[ConsentEvent]:
    """The events by time, the one that counts last; ids decide between equal ones."""
    return sorted(events, key=_precedence)


def fold(events: Iterable[ConsentEvent]) -> SubjectState:
    """The standings of one person after all of that person's events."""
    answers: dict[tuple[str, str], ConsentEvent] = {}
    restrictions: dict[tuple[str, str], ConsentEvent] = {}
    for event in in_order(events):
        of = restrictions if event.status in OF_RESTRICTION else answers
        of[event.purpose, event.recipient] = event
    standing = answers | {key: event for key, event in restrictions.items() if event.status is ConsentStatus.RESTRICTED}
    if not standing:
        return UNKNOWN_SUBJECT
    return SubjectState({key: _standing(event) for key, event in standing.items()})


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
