"""Retention: the body of a sealed segment goes once all its records are old; what proves them stays.

A log is pruned from its oldest segment on, so that what is left has no holes. For each segment, in this
order: its leaf hashes lie beside it (`.leaves`); a `prune` record in the operators' log is durable; where
the heads of logs are anchored, a `heads` record covers that record; the body is deleted. Each step looks
at what is there, so a run that died is finished by the next one.
"""

import filecmp
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.heads import ANCHOR_SLOT
from gateway.audit.operator_log import OPERATOR, OperatorLog, operator_records
from gateway.audit.reading import newest_first, slots_of
from gateway.audit.recovery import refuse
from gateway.audit.sealed import Body, begins_alone, homes_of, keys_of, read_body, read_note
from gateway.audit.segment import SEALED, segments_in, sync_directory, write_file
from gateway.crypto.sign import parse_vkey
from gateway.model.words import Kind

_HEADS = b'"kind":"heads"'


class Doomed(msgspec.Struct, frozen=True):
    """A body whose `prune` record is durable and that is still there, or was until now; a copy is one of its own."""

    slot: str
    segment: str
    path: Path
    length: int
    index: int
    record: dict[str, Any]


class Swept(msgspec.Struct):
    """Bodies that were deleted, and those that wait until their `prune` records are anchored."""

    deleted: list[Doomed] = msgspec.field(default_factory=list)
    waiting: list[Doomed] = msgspec.field(default_factory=list)


def prunable(audit: Path, before: str, slot: str = "") -> Iterator[Body]:
    """Sealed segments all of whose records are older than `before` (a time as records have it), the oldest first.

    Each has been checked against its signed note. Never among them: the newest segment of a log, the
    operators' log, and what has a `prune` record already. A segment that repeats the end of the one before it
    goes only together with that one.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; a segment is not what its note says.
    """
    known = {(record["origin"], record["segment"]) for _, record in operator_records(audit, Kind.PRUNE)}
    for directory in _logs(audit):
        if directory.name == OPERATOR or slot not in ("", directory.name):
            continue
        keys = keys_of(directory)
        origin = _origin(directory)
        sealed, newest = _segments(directory)
        for run in _runs([each for each in sealed if (origin, each[1].name) not in known]):
            bodies = _read_run(run, keys)
            if newest in run or any(body.newest >= before for body in bodies):
                break
            yield from bodies


def prune(bodies: Iterable[Body], log: OperatorLog, *, policy: str, by: str) -> list[Body]:
    """Put the leaves of these segments beside them, and record that they go: durable when this returns.

    The bodies are still there; `sweep` deletes them.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; the operators' log cannot be written.
        OSError: a `.leaves` file cannot be written.
    """
    kept, records = [], []
    for body in bodies:
        for copy in _copies(log.audit, body):
            if not copy.with_suffix(".leaves").exists():
                write_file(copy.with_suffix(".leaves"), body.leaves)
        kept.append(msgspec.structs.replace(body, leaves=b""))
        records.append(
            {
                "by": by,
                "first": body.first,
                "kind": Kind.PRUNE,
                "leaves": body.digest,
                "origin": body.note.origin,
                "policy": policy,
                "root": body.note.root,
                "segment": body.path.name,
                "size": body.size,
            }
        )
    if records:
        log.append(records)
    return kept


def sweep(audit: Path) -> Swept:
    """Delete the bodies whose `prune` record is durable, and anchored where there is a log of heads.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; the leaves or the note that must stay are not what was recorded.
        OSError: a file cannot be deleted.
    """
    swept = Swept()
    anchored = _anchored(audit)
    for doomed in _doomed(audit):
        if anchored is not None and anchored <= doomed.index:
            swept.waiting.append(doomed)
            continue
        _check_what_stays(doomed, keys_of(audit / doomed.slot))
        doomed.path.unlink()
        sync_directory(doomed.path.parent)
        swept.deleted.append(doomed)
    return swept


def _logs(audit: Path) -> list[Path]:
    return sorted(path for path in audit.iterdir() if keys_of(path)) if audit.is_dir() else []


def _origin(directory: Path) -> str:
    return parse_vkey(keys_of(directory)[0]).name


def _segments(directory: Path) -> tuple[list[tuple[int, Path]], tuple[int, Path] | None]:
    """The sealed segments of a log, one copy of each, and the newest segment of all."""
    homes = homes_of(directory)[::-1]
    sealed = {first: path for home in homes for first, path in segments_in(home / SEALED)}
    every = {first: path for home in homes for first, path in segments_in(home)} | sealed
    return sorted(sealed.items()), max(every.items(), default=None)


def _copies(audit: Path, body: Body) -> list[Path]:
    """The body and its copy in the other directory of the log.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; the two differ, which is for `verify` to judge.
    """
    slots = {_origin(directory): directory for directory in _logs(audit)}
    copies = [home / SEALED / body.path.name for home in homes_of(slots[body.note.origin])]
    found = [path for path in copies if path.exists()]
    if not all(filecmp.cmp(body.path, path, shallow=False) for path in found):
        raise refuse(f"the two copies of {body.path.name} differ: run `privacy-gateway audit verify`")
    return found


def _runs(sealed: list[tuple[int, Path]]) -> list[list[tuple[int, Path]]]:
    """Segments that can only be judged, and so only go, together; each run begins with an `open` record."""
    runs: list[list[tuple[int, Path]]] = []
    for segment in sealed:
        if not runs or begins_alone(segment[1]):
            runs.append([])
        runs[-1].append(segment)
    return runs


def _read_run(run: list[tuple[int, Path]], keys: list[str]) -> list[Body]:
    bodies: list[Body] = []
    for first, path in run:
        bodies.append(read_body(path, first, keys, bodies[-1] if bodies else None))
    return bodies


def _doomed(audit: Path) -> Iterator[Doomed]:
    logs = {_origin(directory): directory for directory in _logs(audit)}
    for index, record in operator_records(audit, Kind.PRUNE):
        directory = logs.get(record["origin"])
        if directory is None:
            continue
        for path in (home / SEALED / record["segment"] for home in homes_of(directory)):
            if path.exists():
                yield Doomed(directory.name, path.name, path, path.stat().st_size, index, record)


def _check_what_stays(doomed: Doomed, keys: list[str]) -> None:
    note = read_note(doomed.path, keys)
    leaves = doomed.path.with_suffix(".leaves")
    digest = sha256(leaves.read_bytes()).hexdigest() if leaves.exists() else ""
    if (note.root, digest) != (doomed.record["root"], doomed.record["leaves"]):
        raise refuse(
            f"{doomed.slot}/{SEALED}/{doomed.segment} stays: its note or leaves are not those of its prune record"
        )


def _anchored(audit: Path) -> int | None:
    """How many leaves of the operators' log the newest anchored head of it covers; None where nothing is anchored."""
    slots = slots_of(audit / ANCHOR_SLOT)
    if not slots:
        return None
    operators = keys_of(audit / OPERATOR)
    origin = parse_vkey(operators[0]).name if operators else ""
    for entry in newest_first(slots, lambda line: _HEADS in line):
        for head in entry.record.get("heads") or []:
            if head.get("origin") == origin:
                return int(head.get("size", 0))
    return 0
