"""The leaves, lines and checkpoints of one log, for proofs and tiles.

Nothing is judged here: whoever uses it compares the root that the leaves give with a signed checkpoint.
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gateway.audit.verify_files import SegmentFile, find_segments, open_segment
from gateway.audit.verify_leaves import WIDTH
from gateway.audit.verify_line import LONGEST, BadLine, read_line
from gateway.audit.verify_log import claimed_origin, part_start
from gateway.audit.verify_note import Head, Malformed, VerifierKey, read_note, strict_base64, verifier_key
from gateway.audit.verify_tree import Counter, leaf_hash

_BATCH = 1024


class Unprovable(Exception):  # noqa: N818 - a state of the log, not an error of the program
    """What was asked for cannot be had from this log. The text says why and what to do."""


class Leaves(NamedTuple):
    """Consecutive leaves from index `first` on; `lines` is None where only their hashes are left."""

    first: int
    hashes: list[bytes]
    lines: list[bytes] | None


class Source:
    """One slot's log. Raises OSError where a file cannot be read."""

    def __init__(self, slot: Path) -> None:
        self.slot = slot
        self.segments = find_segments(slot)
        self.origin = claimed_origin(self.segments[0]) if self.segments else ""
        if not self.origin:
            raise Unprovable(f"{slot.name}: there is no log that begins with an open record; run `audit verify`")
        self._keys = _keys(slot / "log.vkey")

    def head(self, size: int | None = None) -> Head:
        """The newest signed checkpoint, or the one of this size. Raises Unprovable."""
        for segment in reversed(self.segments):
            if size is not None and segment.first > size:
                continue
            head = self._noted(segment) if segment.sealed else None
            if head is None or (size is not None and head.size != size):
                head = None if segment.pruned else self._last_checkpoint(segment, size)
            if head is not None:
                return head
            if size is not None:
                break
        if size is None:
            raise Unprovable("the log has no checkpoint yet")
        raise Unprovable(f"no checkpoint of size {size} is stored: leave --size out to use the newest one")

    def start(self, index: int) -> tuple[int, Counter]:
        """Where reading can begin to reach a leaf: number of a segment, and the tree before it."""
        place = max((n for n, each in enumerate(self.segments) if each.first <= index), default=0)
        while place > 0:
            state = part_start(self.segments[place])
            if state is not None:
                return place, state.tree
            place -= 1
        if self.segments[0].first:
            raise Unprovable("the beginning of the log is missing: run `audit verify`")
        return 0, Counter()

    def leaves(self, place: int, end: int, *, lines: bool) -> Iterator[Leaves]:
        """All leaves from the beginning of a segment to `end`, which is not included, in batches.

        Without `lines`, leaf hashes are taken from the file beside a sealed segment where there is one.
        """
        due = self.segments[place].first
        for segment in self.segments[place:]:
            if due >= end or segment.first > due:
                break
            short = segment.pruned or (not lines and segment.sealed and segment.leaves.is_file())
            for batch in _hashes(segment) if short else _lines(segment):
                skip = max(0, due - batch.first)
                hashes = batch.hashes[skip : max(0, end - batch.first)]
                if hashes:
                    kept = None if batch.lines is None else batch.lines[skip : max(0, end - batch.first)]
                    yield Leaves(due, hashes, kept)
                    due += len(hashes)
        if due < end:
            raise Unprovable(f"leaf {due} is missing: run `audit verify`")

    def lines_of(self, indexes: Collection[int]) -> dict[int, bytes]:
        """The stored lines of these leaves, without their newlines; those that were pruned are left out."""
        found: dict[int, bytes] = {}
        for segment in reversed(self.segments):
            wanted = [index for index in indexes if index >= segment.first and index not in found]
            for batch in _lines(segment) if wanted and not segment.pruned else ():
                for index in wanted:
                    if batch.lines is not None and batch.first <= index < batch.first + len(batch.lines):
                        found[index] = batch.lines[index - batch.first]
        return found

    def search(self, request: str) -> Iterator[int]:
        """Indexes of the records of one request."""
        needle = json.dumps(request, ensure_ascii=False).encode()
        due = 0
        for segment in self.segments:
            for batch in () if segment.pruned else _lines(segment):
                for index, line in enumerate(batch.lines or (), batch.first):
                    if index >= due and needle in line and _request(line) == request:
                        yield index
                due = max(due, batch.first + len(batch.hashes))

    def _noted(self, segment: SegmentFile) -> Head | None:
        try:
            return read_note(segment.note.read_bytes().decode())
        except (Malformed, UnicodeDecodeError, FileNotFoundError):
            return None

    def _last_checkpoint(self, segment: SegmentFile, size: int | None) -> Head | None:
        found: bytes | None = None
        for batch in _lines(segment):
            for index, line in enumerate(batch.lines or (), batch.first):
                if b'"kind":"checkpoint"' in line and size in (None, index):
                    found = line
        return None if found is None else self._signed(found)

    def _signed(self, line: bytes) -> Head | None:
        """A checkpoint line as the signed note that it stands for."""
        try:
            record = read_line(line)
            if record["kind"] != "checkpoint":
                return None
            root, signature = strict_base64(record["root"]), strict_base64(record["signature"])
        except (BadLine, Malformed, TypeError):
            return None
        size: Any = record["size"]
        names = [key.name for key in self._keys if key.key_id == signature[:4]] or [self.origin]
        return Head(self.origin, size, root, ((names[0], signature),)) if type(size) is int and size >= 0 else None

    @property
    def keys(self) -> list[VerifierKey]:
        """The log's own keys: good to choose with, not to rely on."""
        return list(self._keys)


def _keys(path: Path) -> list[VerifierKey]:
    try:
        return [verifier_key(line) for line in path.read_text(encoding="utf-8").split()]
    except (Malformed, UnicodeDecodeError, FileNotFoundError):
        return []


def _request(line: bytes) -> object:
    try:
        return read_line(line).get("request")
    except BadLine:
        return None


def _hashes(segment: SegmentFile) -> Iterator[Leaves]:
    index = segment.first
    with segment.leaves.open("rb") as file:
        while data := file.read(_BATCH * WIDTH):
            hashes = [data[at : at + WIDTH] for at in range(0, len(data), WIDTH)]
            yield Leaves(index, hashes, None)
            index += len(hashes)


def _lines(segment: SegmentFile) -> Iterator[Leaves]:
    index = segment.first
    lines: list[bytes] = []
    with open_segment(segment) as file:
        while (line := file.readline(LONGEST + 1)).endswith(b"\n"):
            lines.append(line[:-1])
            if len(lines) == _BATCH:
                yield Leaves(index, [leaf_hash(each) for each in lines], lines)
                index += len(lines)
                lines = []
    if lines:
        yield Leaves(index, [leaf_hash(each) for each in lines], lines)
