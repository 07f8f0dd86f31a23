"""What the gateway holds of the people whom a legal request names, cut to the request's scope, and its record.

It is gone through twice: once to count it, for the record, which has to be durable before anything is written,
and once to write it. What comes into the log meanwhile is not given, since nothing says so yet.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import msgspec

from gateway.audit.index import Index
from gateway.audit.reading import Entry
from gateway.audit.search import Query
from gateway.crypto.keyring import is_subject_handle
from gateway.model.words import TRAFFIC, Basis, Kind, Mode
from gateway.runtime.consents import moment_text
from gateway.runtime.legal_requests import instrument_of
from gateway.runtime.own_access import PREFERENCES
from gateway.runtime.secrecy import INSTRUMENT
from gateway.stores.consent import CONSENTS as CONSENT_STORE
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ConsentEvent, ServedNotice
from gateway.stores.legal_request import CONSENTS, DISCLOSURES, NOTICES, LegalRequest, Scope

AUTHORITY = "authority:"
"""How the address of what is given to an authority begins."""
LEGAL_OBLIGATION = "legal_obligation"
"""The purpose of what is given to an authority; its basis has the same name (GDPR Art. 6(1)(c))."""
EVERYTHING = "user"
"""The class above all classes of personal data: who asks for it asks also for what no rule classified."""
_WAIT = 10.0


class Piece(msgspec.Struct, frozen=True):
    """A record as it is given. `whole`: nothing of it lies outside the scope."""

    entry: Entry
    whole: bool


class Holding(msgspec.Struct):
    """What is held of one person within the scope; of the ledger's records only how far they reach in each log.

    `tally` counts entries by what they are and their class, `counts` by what they are. `policies` are the
    digests of the rules that the records name, `recorded` where the records of the decisions stand.
    """

    handle: str
    decisions: list[ConsentEvent]
    notices: list[ServedNotice]
    recorded: list[Entry]
    reach: dict[str, int]
    tally: Counter[tuple[str, str]]
    counts: dict[str, int]
    policies: set[str]

    @property
    def is_empty(self) -> bool:
        return not any(self.counts.values())


class Gatherer:
    """Reads for one production. `until` is when it began, as records write times.

    All methods raise StoreDown where log, index or store cannot be read.
    """

    def __init__(self, state: Path, index: Index, scope: Scope, until: str) -> None:
        self._state = state
        self._index = index
        self._scope = scope
        self._until = min(until, scope.until or until)

    def holding(self, handle: str) -> Holding:
        """All that is held of a person within the scope, counted."""
        decisions, notices = self._decided(handle)
        tally = Counter({(CONSENTS, PREFERENCES): len(decisions), (NOTICES, PREFERENCES): len(notices)})
        found = Holding(handle, decisions, notices, self._recorded(handle, decisions), {}, tally, {}, set())
        records = 0
        for piece in self._pieces(handle):
            records += 1
            entry = piece.entry
            found.reach[entry.slot] = max(found.reach.get(entry.slot, -1), entry.index)
            tally.update((DISCLOSURES, data_class) for data_class in _classes(entry.record))
            found.policies.add(str(entry.record.get("policy") or ""))
        found.policies.discard("")
        found.counts = {DISCLOSURES: records, CONSENTS: len(decisions), NOTICES: len(notices)}
        found.tally = +tally
        return found

    def pieces(self, holding: Holding) -> Iterator[Piece]:
        """The ledger's records that were counted, the newest first; those pruned meanwhile are left out."""
        for piece in self._pieces(holding.handle):
            if piece.entry.index <= holding.reach.get(piece.entry.slot, -1):
                yield piece

    def _pieces(self, handle: str) -> Iterator[Piece]:
        if DISCLOSURES not in self._scope.what:
            return
        for entry in self._index.search(Query(subject=handle, since=self._scope.since, until=self._until)):
            record = within(entry.record, self._scope.classes)
            if record is not None:
                whole = record == entry.record
                yield Piece(Entry(entry.origin, entry.slot, entry.index, entry.leaf, record), whole)

    def _decided(self, handle: str) -> tuple[list[ConsentEvent], list[ServedNotice]]:
        if not {CONSENTS, NOTICES} & set(self._scope.what) or not (self._state / CONSENT_STORE).exists():
            return [], []
        with closing(SqliteConsentStore(self._state / CONSENT_STORE, busy_timeout=_WAIT)) as store:
            decisions = store.history(handle) if CONSENTS in self._scope.what else []
            notices = store.served(handle) if NOTICES in self._scope.what else []
        return (
            [event for event in decisions if self._lies_within(event.at)],
            [notice for notice in notices if self._lies_within(notice.at)],
        )

    def _recorded(self, handle: str, decisions: Sequence[ConsentEvent]) -> list[Entry]:
        wanted = {event.id for event in decisions}
        query = Query(subject=handle, kind=Kind.CONSENT)
        found = self._index.search(query) if wanted else iter(())
        return [entry for entry in found if entry.record.get("event") in wanted]

    def _lies_within(self, at: int) -> bool:
        return self._scope.since <= moment_text(at) < self._until


def within(record: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any] | None:
    """The record without what lies outside the classes; None where nothing of it lies within.

    Left out are fields of other classes, and who called, if that is somebody else. What another authority was
    given is never within: that may be secret.
    """
    if record.get("kind") not in TRAFFIC or INSTRUMENT in record:
        return None
    fields = record.get("fields") or []
    asked_for = [field for field in fields if _is_asked_for(str(field.get("class") or ""), classes)]
    if not asked_for and (fields or EVERYTHING not in classes):
        return None
    kept = dict(record)
    if len(asked_for) < len(fields):
        kept["fields"] = asked_for
    caller = str(record.get("caller") or "").rpartition(":")[2]
    if is_subject_handle(caller) and caller != record.get("subject"):
        del kept["caller"]
    if len(kept) < len(record) or len(asked_for) < len(fields):
        # With it, the leaf hash would tell whether a guess at what was left out is right.
        kept.pop("salt", None)
    return kept


def given_record(filed: LegalRequest, holding: Holding, event: str, policy: str) -> dict[str, object]:
    """What was given of one person, as the log holds it (FORMAT.md, section 3.7): classes and counts, no value."""
    fields = [
        {
            "action": "keep",
            "address": AUTHORITY + what,
            "basis": Basis.LEGAL_OBLIGATION,
            "class": data_class,
            "count": count,
            "purpose": LEGAL_OBLIGATION,
            "reason": "listed",
        }
        for (what, data_class), count in sorted(holding.tally.items())
    ]
    return {
        "counts": holding.counts,
        "event": event,
        "fields": fields,
        INSTRUMENT: instrument_of(filed),
        "kind": Kind.DISCLOSE,
        "legal_basis": filed.legal_basis,
        "mode": Mode.ENFORCE,
        "policy": policy,
        "recipient": filed.authority,
        "request": filed.id,
        "salt": token_urlsafe(16),
        "subject": holding.handle,
    }


def _is_asked_for(data_class: str, classes: Sequence[str]) -> bool:
    if not data_class:
        return EVERYTHING in classes
    return any(data_class == asked or data_class.startswith(asked + ".") for asked in classes)


def _classes(record: Mapping[str, Any]) -> list[str]:
    """The class of each entry of a record; what has none is counted under the class above all."""
    return [str(field.get("class") or EVERYTHING) for field in record.get("fields") or [{}]]
