"""Giving an authority what a legal request asks for: recorded first, then written, whole or not at all.

The directory holds, for each person of whom something is held, `person-N.json` and `person-N.csv` (the forms of
`person_records`), N being the person's place in the instrument; `proofs.jsonl`, which shows that each of these
records stands in the ledger; and `manifest.json`, which lists the other files and is signed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.audit.evidence import by_segment, prove_in_segment
from gateway.audit.index import Index
from gateway.audit.lines import timestamp
from gateway.audit.operator_log import OPERATOR, operator_records
from gateway.audit.proof_source import Source, Unprovable
from gateway.audit.reading import Entry, slots_of
from gateway.model.errors import StoreDown
from gateway.model.words import Kind
from gateway.policy.policy import Policy
from gateway.runtime.legal_requests import Register, may_be_produced
from gateway.runtime.operators import AUDIT
from gateway.runtime.person_records import Records, records_csv, records_json
from gateway.runtime.production import Gatherer, Holding, given_record
from gateway.runtime.production_manifest import MANIFEST, PROOFS, Checkpoint, PersonGiven, Production, manifest
from gateway.runtime.receipt_key import ReceiptKey
from gateway.runtime.record_reader import Found
from gateway.runtime.whole_files import WrittenFile, whole_directory, write_file
from gateway.stores.legal_request import Person, Standing

_AT_ONCE = 2000
"""Proofs that are made for one reading of a segment: what they take of memory is bounded by it."""
_NOT_PROVABLE = "the log gave no proof"
_PRUNED = "its record was pruned"

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


class Proven(msgspec.Struct, frozen=True):
    """Where a record stands of which something is given; `whole`: its line may be given, too."""

    slot: str
    index: int
    leaf: str
    whole: bool


def produce(
    state: Path,
    register: Register,
    standing: Standing,
    people: Sequence[Person],
    *,
    by: str,
    policy: Policy,
    key: ReceiptKey,
    target: Path,
    progress: Progress,
) -> Production:
    """Give what is held of these people to the authority: the records are durable before the first file is made.

    Each call is a production of its own. Of people whom the request names and who are not given here, the
    manifest says that they were erased.

    Raises:
        RequestRefused: the request is not approved.
        StoreDown, OSError: something cannot be read or written; then no file is left, and the register says so.
    """
    filed, started = standing.filed, timestamp()
    may_be_produced(standing)
    with Index.open(state / AUDIT) as index:
        gatherer = Gatherer(state, index, filed.scope, started)
        holdings: dict[int, Holding] = {}
        for done, person in enumerate(people):
            progress("gathering", done, len(people))
            holdings[person.place] = gatherer.holding(person.handle)
        event = None
        try:
            with whole_directory(target) as directory:
                event = register.produced(
                    filed.id,
                    lambda event: [given_record(filed, holding, event, policy.digest) for holding in holdings.values()],
                    by=by,
                    counts=_totals(filed.people, holdings),
                    policy=policy.digest,
                )
                writer = _Writer(state, index, gatherer, directory, created=started, progress=progress)
                given, files, checkpoints = writer.write(holdings, event.id)
                people_given = tuple(_given(filed.people, given))
                production = Production(standing, event, policy, people_given, tuple(files), checkpoints)
                write_file(directory, MANIFEST, [manifest(production, key)])
        except (OSError, StoreDown) as problem:
            if event is not None:
                # What matters is why the files could not be written; without this the register only overstates.
                with suppress(OSError, StoreDown):
                    register.failed(filed.id, by=by, because=f"not written: {type(problem).__name__}")
            raise
    return production


def _totals(people: int, holdings: dict[int, Holding]) -> dict[str, int]:
    total = Counter({"people": people, "erased": people - len(holdings)})
    for holding in holdings.values():
        total.update(holding.counts)
    return dict(sorted(total.items()))


def _given(people: int, given: dict[int, PersonGiven]) -> Iterator[PersonGiven]:
    for place in range(1, people + 1):
        yield given.get(place) or PersonGiven(place)


class _Writer:
    """Writes the files of one production but its manifest."""

    def __init__(
        self,
        state: Path,
        index: Index,
        gatherer: Gatherer,
        directory: Path,
        *,
        created: str,
        progress: Progress,
    ) -> None:
        self._state = state
        self._index = index
        self._gatherer = gatherer
        self._directory = directory
        self._created = created
        self._progress = progress
        self._places: dict[tuple[str, int], Proven] = {}
        self._checkpoints: list[Checkpoint] = []

    def write(
        self, holdings: dict[int, Holding], event: str
    ) -> tuple[dict[int, PersonGiven], list[WrittenFile], tuple[Checkpoint, ...]]:
        """What was given of each person by their place, the files, and the checkpoints that the proofs lead to."""
        given: dict[int, PersonGiven] = {}
        files: list[WrittenFile] = []
        for done, (place, holding) in enumerate(holdings.items()):
            self._progress("writing", done, len(holdings))
            written = [] if holding.is_empty else self._person(place, holding)
            files += written
            names = tuple(file.name for file in written)
            given[place] = PersonGiven(place, holding.handle, holding.counts, tuple(sorted(holding.policies)), names)
        for index, record in operator_records(self._state / AUDIT, Kind.DISCLOSE):
            if record.get("event") == event:
                self._note(Proven(OPERATOR, index, "", whole=True))
        files.append(write_file(self._directory, PROOFS, self._proofs()))
        return given, files, tuple(self._checkpoints)

    def _person(self, place: int, holding: Holding) -> list[WrittenFile]:
        entries: list[Entry] = []
        for piece in self._gatherer.pieces(holding):
            entries.append(piece.entry)
            self._note(Proven(piece.entry.slot, piece.entry.index, piece.entry.leaf, piece.whole))
        for entry in holding.recorded:
            self._note(Proven(entry.slot, entry.index, entry.leaf, whole=True))
        found = Found(entries, self._created)
        records = Records([holding.handle], self._created, holding.decisions, holding.notices, found)
        return [
            write_file(self._directory, f"person-{place}.json", [records_json(records)]),
            write_file(self._directory, f"person-{place}.csv", [records_csv(records)]),
        ]

    def _note(self, place: Proven) -> None:
        self._places[place.slot, place.index] = place

    def _proofs(self) -> Iterator[bytes]:
        done = 0
        for slot in slots_of(self._state / AUDIT):
            wanted = {place.index: place for place in self._places.values() if place.slot == slot.name}
            if not wanted:
                continue
            source = Source(slot)
            keys = tuple(each.text for each in source.keys)
            self._checkpoints.append(Checkpoint(source.origin, keys, source.head().note()))
            for group in by_segment(source, wanted):
                for first in range(0, len(group), _AT_ONCE):
                    self._progress("proving", done, len(self._places))
                    part = [wanted[index] for index in group[first : first + _AT_ONCE]]
                    done += len(part)
                    yield from (msgspec.json.encode(row) + b"\n" for row in self._prove(source, part))

    def _prove(self, source: Source, places: Sequence[Proven]) -> Iterator[dict[str, object]]:
        try:
            proofs = list(prove_in_segment(self._index, source, [place.index for place in places]))
        except (Unprovable, OSError):
            for place in places:
                yield _row(source, place, place.leaf) | {"because": _NOT_PROVABLE}
            return
        for place, proof in zip(places, proofs, strict=True):
            leaf = proof.leaf()
            row = _row(source, place, place.leaf or (leaf.hex() if leaf else ""))
            if place.whole and proof.line is None:
                yield row | {"because": _PRUNED}
            else:
                # The line of a record that was cut holds what lies outside the scope.
                yield row | {"proof": (proof if place.whole else msgspec.structs.replace(proof, line=None)).text()}


def _row(source: Source, place: Proven, leaf: str) -> dict[str, object]:
    return {"origin": source.origin, "index": place.index, "leaf": leaf, "whole": place.whole}
