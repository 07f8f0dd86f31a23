"""Bringing consent events of other tools into the store and the log: all that a file holds, or nothing.

People are looked up first and made only once nothing is wrong with any row, so that a file that is refused,
or only tried, leaves no trace.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from gateway.crypto.keyring import KeyRing, is_subject_handle
from gateway.runtime.consents import complete, decide_all
from gateway.stores.cells import Problems
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.consent_rows import Draft
from gateway.stores.event import ConsentEvent, ServedNotice
from gateway.stores.subjects import SqliteSubjectStore

Progress = Callable[[int, int], None]
_PEOPLE_AT_ONCE = 1000


class Checked(msgspec.Struct):
    """`new` are the rows that the store does not hold, `there` how many it holds already."""

    new: list[Draft] = []
    there: int = 0


def check_drafts(
    drafts: Iterable[Draft], store: SqliteConsentStore, people: SqliteSubjectStore, problems: Problems, told: Progress
) -> Checked:
    """Compare sound rows with what is stored; what is wrong goes to `problems`. Nothing is written.

    Raises:
        StoreDown: CONSENT_STORE_DOWN.
    """
    checked = Checked()
    handles: dict[str, str | None] = {}
    for number, draft in enumerate(drafts):
        if draft.person not in handles:
            handles[draft.person] = _known_handle(people, draft.person)
        subject = handles[draft.person]
        event = store.find(draft.fields["id"])
        if event is None:
            checked.new.append(draft)
            _check_notice(draft, subject, store, problems)
        elif event.subject == subject and draft.is_like(event):
            checked.there += 1
        else:
            hint = "events are never changed: give a new one a new id"
            problems.add("CI204", draft.row.cells["id"], "another event has this id", hint)
        told(number, 0)
    return checked


def record_drafts(
    state: Path,
    drafts: Sequence[Draft],
    store: SqliteConsentStore,
    people: SqliteSubjectStore,
    keys: KeyRing,
    *,
    by: str,
) -> int:
    """Record these rows, all or none of them; they count when this returns. Gives how many people they are about.

    Raises:
        StoreDown: as `consents.decide_all`; where the log could not be written, they are kept and count later.
    """
    complete(state, store)
    handles = _handles(people, keys, {draft.person for draft in drafts})
    events: list[ConsentEvent] = []
    served: dict[tuple[str, str, str, str, int], ServedNotice] = {}
    for draft in drafts:
        subject = handles[draft.person]
        events.append(draft.event(subject, by))
        notice = draft.notice(subject)
        if notice is not None:
            # Several answers to one notice that was shown once.
            served[subject, notice.notice, notice.version, notice.digest, notice.at] = notice
    if events:
        decide_all(state, store, events, served.values())
    return len(set(handles.values()))


def _check_notice(draft: Draft, subject: str | None, store: SqliteConsentStore, problems: Problems) -> None:
    """A row vouches for its notice by saying when it was shown; otherwise the store has to."""
    fields = draft.fields
    if "notice" not in fields or draft.served_at is not None or not fields["status"].allows:
        return
    cited = {"version": fields.get("notice_version"), "digest": fields.get("notice_digest")}
    if subject is None or store.voucher(subject, fields["notice"], fields["at"], **cited) is None:
        hint = "say in 'served_at' when it was shown, or leave the notice out and name the evidence in 'method'"
        message = "notice_not_served: this notice was never shown to the person before"
        problems.add("CI215", draft.row.cells["notice"], message, hint)


def _known_handle(people: SqliteSubjectStore, person: str) -> str | None:
    if is_subject_handle(person):
        return person
    found = people.find(person)
    return None if found is None else found.handle


def _handles(people: SqliteSubjectStore, keys: KeyRing, persons: set[str]) -> dict[str, str]:
    found = {person: person for person in persons if is_subject_handle(person)}
    named = sorted(persons - found.keys())
    for first in range(0, len(named), _PEOPLE_AT_ONCE):
        part = named[first : first + _PEOPLE_AT_ONCE]
        indexes = [keys.subject_index(person) for person in part]
        found |= zip(part, people.handles(indexes), strict=True)
    return found
