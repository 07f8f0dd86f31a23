"""For each consent event of a person, the proof that its record stands in a log; read from the logs on disk."""

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from gateway.audit.evidence import by_segment, prove_in_segment
from gateway.audit.index import Index
from gateway.audit.proof_source import Source, Unprovable
from gateway.audit.reading import Entry, slots_of
from gateway.audit.search import Query
from gateway.model.words import Kind

NOT_RECORDED = "not recorded yet"
NOT_STORED = "its record was pruned"
NOT_PROVABLE = "the log gave no proof"


class Evidence(msgspec.Struct, frozen=True):
    """`proofs` are C2SP tlog-proofs with their records, by the id of the event, and `missing` why there is none.

    `keys` are the verifier keys of the logs that the proofs come from.
    """

    proofs: dict[str, str]
    missing: dict[str, str]
    keys: tuple[str, ...]


def evidence_of(index: Index, home: Path, handles: Collection[str], events: Collection[str]) -> Evidence:
    """Proofs for the events with these ids, whose people have these handles; `home` holds the slots.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; the index or the log cannot be read.
    """
    wanted = set(events)
    entries = [entry for handle in handles for entry in _entries(index, handle) if _event(entry) in wanted]
    proofs: dict[str, str] = {}
    missing: dict[str, str] = {}
    keys: dict[str, None] = {}
    for slot in slots_of(home):
        found = {entry.index: entry for entry in entries if entry.slot == slot.name}
        if not found:
            continue
        try:
            source = Source(slot)
            for group in by_segment(source, found):
                _prove(index, source, [found[index] for index in group], proofs, missing)
            keys |= dict.fromkeys(key.text for key in source.keys)
        except (Unprovable, OSError):
            missing |= {_event(entry): NOT_PROVABLE for entry in found.values() if _event(entry) not in proofs}
    missing |= dict.fromkeys(wanted - proofs.keys() - missing.keys(), NOT_RECORDED)
    return Evidence(proofs, {event: why for event, why in missing.items() if event not in proofs}, tuple(keys))


def _entries(index: Index, handle: str) -> Iterable[Entry]:
    return index.search(Query(subject=handle, kind=Kind.CONSENT))


def _event(entry: Entry) -> str:
    return str(entry.record.get("event"))


def _prove(index: Index, source: Source, entries: list[Entry], proofs: dict[str, str], missing: dict[str, str]) -> None:
    found = prove_in_segment(index, source, [entry.index for entry in entries])
    for entry, proof in zip(entries, found, strict=True):
        if proof.line is None:
            missing[_event(entry)] = NOT_STORED
        else:
            proofs[_event(entry)] = proof.text()
