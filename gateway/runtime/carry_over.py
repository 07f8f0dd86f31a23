"""What a visitor decided, as decisions of the person whom the visitor turned out to be."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.model.words import ConsentStatus
from gateway.stores.event import ConsentEvent, ServedNotice, new_event_id, now_microseconds
from gateway.stores.fold import OF_RESTRICTION, in_order, moment_after
from gateway.stores.ports import ConsentStore

SIGN_IN = "sign_in"
"""The method of such decisions."""

_NOTHING_TO_CARRY = frozenset({ConsentStatus.UNKNOWN, ConsentStatus.UNRESTRICTED})
"""They only take back what the visitor said before."""


def carried_over(store: ConsentStore, visitor: str, person: str) -> tuple[list[ConsentEvent], list[ServedNotice]]:
    """Events of the person (by handle) for what the visitor last said, and the notices that they cite.

    Left out: what the person answered later to the same question, consent that has ended, and what the
    visitor took back. The assurance is that of the visitor's own decision: nobody knew who it was.
    """
    own = store.history(person)
    answered = {_question(event): event.at for event in in_order(own)}
    at = moment_after(own, now_microseconds())
    events = []
    for event in {_question(event): event for event in store.history(visitor)}.values():
        ended = event.valid_until is not None and event.valid_until <= at
        if event.status in _NOTHING_TO_CARRY or ended or answered.get(_question(event), -1) >= event.at:
            continue
        status = ConsentStatus.GIVEN if event.status is ConsentStatus.RENEWED else event.status
        carried = msgspec.structs.replace(
            event, id=new_event_id(at), subject=person, at=at, status=status, method=SIGN_IN, actor=None
        )
        events.append(carried)
    return events, list(_shown(store, visitor, person, events))


def _question(event: ConsentEvent) -> tuple[str, str, bool]:
    return event.purpose, event.recipient, event.status in OF_RESTRICTION


def _shown(store: ConsentStore, visitor: str, person: str, events: Sequence[ConsentEvent]) -> Iterable[ServedNotice]:
    """The notices that the events cite, as shown to the person, where that is not known of the person already."""
    cited = {(event.notice, event.notice_version, event.notice_digest): event for event in events if event.notice}
    for (notice, version, digest), event in cited.items():
        assert notice is not None
        if store.voucher(person, notice, event.at, version=version, digest=digest) is not None:
            continue
        shown = store.voucher(visitor, notice, event.at, version=version, digest=digest)
        if shown is not None:
            yield msgspec.structs.replace(shown, id=new_event_id(shown.at), subject=person, method=SIGN_IN)
