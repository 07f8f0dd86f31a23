"""Recording what people decide, in the consent store and in the log, whatever dies between two steps.

What widens (consent, the lifting of a restriction) waits for its record:

1. the event is prepared in the store, where it counts for nothing;
2. a `consent` record goes to the operators' log;
3. the store settles the event, which counts from then on.

What narrows (withdrawal, refusal, objection, restriction) counts at once and its record follows, since
nobody's withdrawal is to wait for a log:

1. the event is appended to the store, and with it, in one transaction, that its record is owed;
2. the record goes to the log;
3. the store settles what it owed.

Whoever records next, or starts next, goes on where the last one died.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from gateway.audit.lines import timestamp_of
from gateway.audit.reading import newest_first, slots_of
from gateway.model.errors import StoreDown
from gateway.model.words import Kind
from gateway.runtime.consent_turns import alone
from gateway.runtime.operators import operator_log
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import MICROSECONDS, ConsentEvent, ServedNotice

PATIENCE = 10.0
"""Seconds to wait for another command that is recording."""

KEPT = "; it is kept, and counts as soon as the next command or start has recorded it"
_CONSENT_RECORD = b'"kind":"%b"' % Kind.CONSENT.encode()
_OF_EVERY_RECORD = ("index", "time", "version")


def decide(state: Path, store: SqliteConsentStore, event: ConsentEvent, *, patience: float = PATIENCE) -> str | None:
    """Record one event; it counts when this returns. Gives why its record still has to follow, None if it is durable.

    Raises:
        StoreDown: the event does not count: CONSENT_STORE_DOWN, or, where it widens, AUDIT_UNAVAILABLE or
            KEY_PROVIDER_DOWN.
        EventRefused, ValueError: as the store says.
    """
    if not event.status.narrows:
        decide_all(state, store, [event], patience=patience)
        return None
    store.append(event)
    try:
        with alone(state, patience):
            _record_owed(state, store, fresh={event.id})
    except StoreDown as problem:
        return problem.why
    return None


def decide_all(
    state: Path,
    store: SqliteConsentStore,
    events: Sequence[ConsentEvent],
    served: Iterable[ServedNotice] = (),
    *,
    patience: float = PATIENCE,
) -> None:
    """Record events, all or none of them, and the notices that they cite; they count together when this returns.

    Raises as `decide`.
    """
    with alone(state, patience):
        store.prepare(events, served)
        try:
            _record_owed(state, store, fresh={event.id for event in events})
        except StoreDown as problem:
            raise StoreDown(problem.posture, problem.why + KEPT) from problem


def complete(state: Path, store: SqliteConsentStore, *, patience: float = PATIENCE) -> int:
    """Record what is owed, by whoever died or could not write the log; gives how many events that were.

    Raises:
        StoreDown: CONSENT_STORE_DOWN, AUDIT_UNAVAILABLE or KEY_PROVIDER_DOWN; it stays owed.
    """
    if not store.owed():
        return 0
    with alone(state, patience):
        return _record_owed(state, store, fresh=frozenset())


def record_of(event: ConsentEvent) -> dict[str, object]:
    """The event as the log holds it (FORMAT.md, section 3.6), without what every record has."""
    fields: dict[str, object] = {
        "assurance": event.assurance,
        "at": moment_text(event.at),
        "by": event.actor,
        "event": event.id,
        "kind": Kind.CONSENT,
        "method": event.method,
        "notice": event.notice,
        "notice_digest": event.notice_digest,
        "notice_version": event.notice_version,
        "purpose": event.purpose,
        "recipient": event.recipient,
        "status": event.status,
        "subject": event.subject,
        "valid_until": None if event.valid_until is None else moment_text(event.valid_until),
    }
    return {name: value for name, value in fields.items() if value is not None}


class Reconciled(msgspec.Struct):
    """How store and log agree: how many events both hold alike, and the ids of those that they do not."""

    alike: int = 0
    unrecorded: list[str] = []
    unknown: list[str] = []
    different: list[str] = []

    @property
    def agree(self) -> bool:
        return not (self.unrecorded or self.unknown or self.different)


def reconcile(state: Path, store: SqliteConsentStore) -> Reconciled:
    """Compare every event with its record: events without one, records without an event, and those that differ.

    Raises:
        StoreDown: the store or the log cannot be read.
    """
    found = Reconciled()
    seen: set[str] = set()
    for event_id, record in _records(state):
        event = store.find(event_id)
        said = {name: value for name, value in record.items() if name not in _OF_EVERY_RECORD}
        if event is None:
            found.unknown.append(event_id)
        elif said != record_of(event):
            found.different.append(event_id)
        elif event_id not in seen:
            found.alike += 1
        seen.add(event_id)
    found.unrecorded = [event.id for event in store.every() if event.id not in seen]
    return found


def _record_owed(state: Path, store: SqliteConsentStore, *, fresh: Iterable[str]) -> int:
    """The caller holds the lock. No record can be there of `fresh` ids: they are not looked for in the log."""
    owed = store.owed()
    if not owed:
        return 0
    old = {event.id for event in owed} - set(fresh)
    recorded = {event_id for event_id, _ in _records(state) if event_id in old} if old else set()
    missing = [event for event in owed if event.id not in recorded]
    if missing:
        operator_log(state).append(map(record_of, missing))
    store.settle([event.id for event in owed])
    return len(owed)


def _records(state: Path) -> Iterator[tuple[str, dict[str, object]]]:
    for entry in newest_first(slots_of(state), lambda line: _CONSENT_RECORD in line):
        if entry.record.get("kind") == Kind.CONSENT:
            yield str(entry.record.get("event")), entry.record


def moment_text(microseconds: int) -> str:
    """A time in microseconds since the epoch as records write it."""
    # Whole seconds and the rest apart: a float of such a size loses microseconds.
    seconds, rest = divmod(microseconds, MICROSECONDS)
    return timestamp_of(seconds).replace(".000000Z", f".{rest:06}Z")
