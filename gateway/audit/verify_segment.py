"""One segment, read from its first byte to its last, and what became of the log by it.

`read_segment` depends on nothing but its job and the state of the log before it, so that it can run in
another process: an `open` record tells the state to begin with, and whoever joins the parts takes one
only where it began in the very state in which the part before it ended.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

from gateway.audit.verify_block import BlockStream
from gateway.audit.verify_files import SegmentFile, open_segment
from gateway.audit.verify_group import LARGEST_GROUP, Group, GroupReader
from gateway.audit.verify_leaves import LeavesBeside
from gateway.audit.verify_line import LONGEST
from gateway.audit.verify_memory import MOST_CONFLICTS, Hashes, Memory
from gateway.audit.verify_note import Head, note_fault
from gateway.audit.verify_record import read_head
from gateway.audit.verify_report import Broken, Finding, Verdict
from gateway.audit.verify_tree import Counter, leaf_hash

Progress = Callable[[int], None]
"""Told how many bytes more were read."""

RETRIES = 50
RETRY_SECONDS = 0.02
_CHUNK = 1024 * 1024
_ZEROS = bytes(_CHUNK)


class Job(msgspec.Struct, frozen=True):
    """What is to be read. `prune` is the record that says why the segment's body is missing.

    `known` are keys heard of outside the log's records. If `listed`, there is a log.vkey, and a key that
    no record introduces must be one of them. `every_signature` is checked also where a later one covers it.
    """

    segment: SegmentFile
    origin: str
    newest: bool
    live: bool
    known: frozenset[str]
    listed: bool
    memories: tuple[Memory, ...] = ()
    prune: dict[str, Any] | None = None
    following: SegmentFile | None = None
    every_signature: bool = False


class Loose(msgspec.Struct, frozen=True):
    """Bytes behind the last group of a segment: the next one must begin with them."""

    segment: SegmentFile
    offset: int
    length: int


class State(msgspec.Struct):
    """A log between two segments. `last` are the leaf hashes that the next may repeat, which follow the tree `before`.

    `pruned` was the last segment, if it was pruned: a key may be in force then that no record introduces.
    """

    tree: Counter
    key: str = ""
    before: Counter | None = None
    last: list[bytes] = []
    loose: Loose | None = None
    pruned: SegmentFile | None = None
    head: Head | None = None

    def matches(self, other: "State") -> bool:
        """Whether a segment read from here would be read alike from `other`, which was made from its open record."""
        plain = self.loose is None and self.pruned is None
        return plain and self.tree == other.tree and self.key == other.key


class Part(msgspec.Struct):
    """What one segment held, up to the first thing that is wrong (`broken`); `end` is the last good group's."""

    state: State
    end: int = 0
    kinds: dict[str, int] = {}
    checkpoints: int = 0
    head: Head | None = None
    first_time: str = ""
    last_time: str = ""
    closed: bool = False
    ignored_bytes: int = 0
    pruned: bool = False
    signers: list[str] = []
    introduced: list[str] = []
    recovers: list[tuple[Any, Any, Any]] = []
    heads: dict[str, Hashes] = {}
    prunes: list[dict[str, Any]] = []
    findings: list[Finding] = []
    broken: Finding | None = None


def read_segment(job: Job, state: State, progress: Progress) -> Part:
    """Read a segment whose body is there. Raises OSError where a file cannot be read.

    Signatures that a later one covers are checked only if all of them are asked for, or if anything is
    wrong with the segment: then it is read once more, so that what is found, and where, is the same.
    """
    if not job.every_signature:
        with suppress(OSError):
            part = _read(job, msgspec.structs.replace(state), progress, every=False)
            if part.broken is None and not part.findings:
                return part
    return _read(job, state, progress, every=True)


def _read(job: Job, state: State, progress: Progress, *, every: bool) -> Part:
    reader = _SegmentReader(job, state, progress, every=every)
    try:
        reader.read()
    except Broken as broken:
        reader.part.broken = broken.finding
    return reader.part


class _SegmentReader:
    def __init__(self, job: Job, state: State, progress: Progress, *, every: bool) -> None:
        self.part = Part(state)
        self._every = every
        self._job = job
        self._segment = job.segment
        self._progress = progress
        self._tally: Tally[str] = Tally()
        self._opened = False
        self._unfinished_allowed = job.newest and job.live and not job.segment.sealed

    def read(self) -> None:
        segment, state = self._segment, self.part.state
        with open_segment(segment) as file, LeavesBeside.of(segment) as beside:
            reader = GroupReader(
                BlockStream(file), segment.path.name, self._job.origin, state.tree, state.key, every=self._every
            )
            reader.known = self._job.known if self._job.listed else frozenset()
            reader.hidden = state.pruned is not None
            repeated = self._start(reader, file)
            self.part.end = reader.position
            beside.compare(state.last if repeated else [])
            groups = 1 if repeated else 0
            while (group := self._next(reader)) is not None:
                groups += 1
                if groups == 2 and not (self._opened or group.opens):
                    raise reader.broken("the segment has no open record where one must be", 1)
                self._opened = self._opened or group.opens
                self._accept(reader, group)
                beside.compare(group.leaves)
            reader.vouch()
            loose = self._torn(reader, file)
            if segment.sealed:
                self._check_note(reader, loose)
            beside.finish(file, reader.position)
        self._end(reader, groups, loose)

    def _end(self, reader: GroupReader, groups: int, loose: Loose | None) -> None:
        state = self.part.state
        state.loose = state.pruned = None
        if self._unfinished_allowed:
            self.part.ignored_bytes = loose.length if loose else 0
        elif self._job.newest and (loose or not groups):
            count = reader.unfinished + (1 if loose else 0)
            raise reader.broken("the log ends in bytes that no checkpoint covers, and no writer is alive", count)
        elif not groups:
            raise reader.broken("a segment without a checkpoint", reader.unfinished)
        else:
            state.loose = loose

    def _start(self, reader: GroupReader, file: BinaryIO) -> bool:
        """Compare what the segment repeats of the one before it; whether that was a whole group."""
        state, first, due = self.part.state, self._segment.first, self.part.state.tree.leaves
        if first == due:
            if state.loose is not None and not self._continues(file, state.loose):
                raise reader.broken("a torn tail that the next segment does not repeat", 1)
            file.seek(0)
            return False
        if first > due:
            why = f"leaves {due} to {first - 1} are missing"
            raise Broken(Finding(Verdict.INCOMPLETE, why, self._segment.path.name, -1, due, first - 1))
        if state.loose is not None or first != due - len(state.last):
            raise reader.broken("the segment begins with leaves that an earlier one holds", 1)
        position = 0
        for count, leaf in enumerate(state.last):
            line = file.readline(LONGEST + 1)
            if not line.endswith(b"\n") and self._unfinished_allowed:
                reader.skip(position, count)
                return True
            if not line.endswith(b"\n") or leaf_hash(line[:-1]) != leaf:
                self._differing(reader, file, count + 1)
            position += len(line)
        reader.skip(position, len(state.last))
        return True

    def _differing(self, reader: GroupReader, file: BinaryIO, count: int) -> None:
        """Two files disagree about the same leaves: a fork if both are signed."""
        before = self.part.state.before
        if before is None:
            raise reader.broken("the segment repeats leaves, but not with the same bytes", count)
        file.seek(0)
        reader.tree = before
        group = reader.next()
        if group is None:
            why = "the segment repeats a group, but not with the same bytes"
            raise reader.broken(why, max(count, reader.unfinished))
        raise reader.broken("two signed trees of one size", len(group.leaves), Verdict.FORK)

    def _continues(self, file: BinaryIO, loose: Loose) -> bool:
        """Whether the file begins with the loose bytes, or, while it is written, with a beginning of them."""
        left = loose.length
        with open_segment(loose.segment) as other:
            other.seek(loose.offset)
            while left:
                wanted = other.read(min(left, _CHUNK))
                found = file.read(len(wanted))
                if found != wanted:
                    return self._unfinished_allowed and wanted.startswith(found.rstrip(b"\0"))
                if not wanted:
                    return False
                left -= len(wanted)
        return True

    def _next(self, reader: GroupReader) -> Group | None:
        """The next whole group, None at unfinished bytes.

        While a writer is at work a page can be read before it is written and the one after it
        afterwards; that looks like a bad line and is gone when it is read again.
        """
        attempts = RETRIES if self._unfinished_allowed else 1
        for attempt in range(attempts):
            if attempt:
                time.sleep(RETRY_SECONDS)
                reader.skip(reader.position, reader.line)
            try:
                return reader.next()
            except Broken:
                if attempt == attempts - 1:
                    raise
        return None

    def _accept(self, reader: GroupReader, group: Group) -> None:
        part = self.part
        reader.accept(group)
        self._progress(group.length)
        part.end = reader.position
        self._tally.update(group.kinds)
        part.kinds = self._tally
        part.checkpoints += 1
        part.head = part.state.head = group.head
        part.first_time = part.first_time or group.first_time
        part.last_time = max(part.last_time, group.last_time)
        part.closed = group.kinds[-1:] == ["close"]
        state = part.state
        if part.signers[-1:] != [group.signer]:
            part.signers.append(group.signer)
        if group.key != group.signer:
            part.introduced.append(group.key)
        for record in group.notable:
            self._note(record)
        for memory in self._job.memories:
            if len(part.findings) < MOST_CONFLICTS:
                part.findings += memory.conflicts(group.before, group.leaves, self._segment.path.name)
        state.tree, state.key, state.before, state.last = group.after, group.key, group.before, group.leaves

    def _note(self, record: dict[str, Any]) -> None:
        """Keep what other logs, or the files in `torn/`, are compared with."""
        part = self.part
        if record["kind"] == "recover":
            part.recovers.append((record.get("segment"), record.get("offset"), record.get("sha256")))
        elif record["kind"] == "prune":
            part.prunes.append(record)
        elif record["kind"] == "heads":
            for entry in record["heads"]:
                origin, size, root = read_head(entry)
                if not part.heads.setdefault(origin, Hashes()).add(size, root):
                    why = f"the log of heads names two roots for one size of {origin}"
                    part.findings.append(Finding(Verdict.FORK, why, self._segment.path.name, -1, record["index"]))

    def _torn(self, reader: GroupReader, file: BinaryIO) -> Loose | None:
        """What follows the last whole group; zeros that were put ahead of an open segment hold nothing."""
        file.seek(reader.position)
        length = seen = 0
        while chunk := file.read(_CHUNK):
            blank = not self._segment.sealed and chunk == _ZEROS[: len(chunk)]
            kept = 0 if blank else len(chunk) if self._segment.sealed else len(chunk.rstrip(b"\0"))
            length = seen + kept if kept else length
            seen += len(chunk)
            if length > LARGEST_GROUP:
                raise reader.broken("no checkpoint for too long", reader.unfinished)
        return Loose(self._segment, reader.position, length) if length else None

    def _check_note(self, reader: GroupReader, loose: Loose | None) -> None:
        note = self._segment.note
        if not note.is_file():
            raise reader.broken("a sealed segment without its signed note", 0, Verdict.INCOMPLETE)
        fault = note_fault(note.read_bytes(), self.part.state.head)
        if fault and loose is not None:
            raise reader.broken("the segment ends in bytes that no checkpoint covers", reader.unfinished + 1)
        if fault:
            raise Broken(Finding(Verdict.TAMPERED, fault, note.name))
