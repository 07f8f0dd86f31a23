"""One group commit: records in, durable lines under one signed checkpoint out. Synchronous.

`assemble` only computes and `write` only waits for the device, so that two threads can do the two, one
after the other; nothing here may run in two threads at once but `seal_finished`.

What must never happen is that two histories are signed. A group that was signed but could not be
written is therefore kept, and its identical bytes are the first thing in the next segment.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from gateway.audit.lines import (
    Checkpoint,
    Cut,
    Signer,
    checkpoint_body,
    checkpoint_line,
    checkpoint_note,
    close_line,
    open_line,
    recover_line,
    timestamp,
)
from gateway.audit.segment import Segment, seal
from gateway.audit.tree import Tree, leaf_hash

Record = tuple[bytes, bytes]
"""A line without its index: what stands before the key `index`, and what stands after it."""


class _Group(NamedTuple):
    """A signed group that is not on the device yet: index of its first line, its records, bytes, and head."""

    start: int
    records: int
    data: bytes
    head: Checkpoint


class GroupWriter:
    """Owns the tree and the open segment of one log.

    `append` either returns with everything durable or raises OSError with nothing acknowledged;
    after an error the next call goes on in a fresh segment.
    """

    def __init__(
        self,
        directory: Path,
        tree: Tree,
        signer: Signer,
        *,
        origin: str,
        opened: Mapping[str, object],
        segment_bytes: int,
        segment_seconds: float,
        clock: Callable[[], str] = timestamp,
    ) -> None:
        self.size = tree.size
        self.records = 0
        self._directory = directory
        self._tree = tree
        self._signer = signer
        self._origin = origin
        self._opened = opened
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._clock = clock
        self._segment: Segment | None = None
        self._dead: Segment | None = None
        self._assembled: _Group | None = None
        self._unwritten: _Group | None = None
        self._needs_open = True
        self._head: Checkpoint | None = None
        self._finished: list[tuple[Segment, Checkpoint]] = []

    def start(self, cuts: Sequence[Cut]) -> None:
        """Begin this run's first segment: `open`, one `recover` for each cut, a checkpoint."""
        self._make_ready()
        self._assemble((), cuts)
        self.write()

    def append(self, records: Sequence[Record]) -> int:
        """Make the records durable in order and return the index of the first.

        With no records it only repairs: after a failure it writes what is owed, else nothing.

        Raises:
            OSError: nothing of this call is acknowledged.
        """
        if not records and self._segment is not None:
            return self._tree.size
        self._make_ready()
        first = self._assemble(records, ())
        self.write()
        return first

    def ready(self) -> bool:
        """Whether `assemble` may be called: there is a segment, and it has room and time left."""
        segment = self._segment
        return (
            segment is not None
            and segment.size < self._segment_bytes
            and time.monotonic() - segment.born < self._segment_seconds
        )

    def assemble(self, records: Sequence[Record]) -> int:
        """Make the signed group of these records, touching no file, and return the index of the first.

        `write` must follow, whatever happens: what was signed stays part of the log.
        """
        return self._assemble(records, ())

    def write(self) -> None:
        """Make the assembled group durable.

        Raises:
            OSError: nothing of the group is acknowledged; its bytes begin the next segment.
        """
        group, segment = self._assembled, self._segment
        assert group is not None
        assert segment is not None
        try:
            segment.append(group.data)
        except OSError:
            self.fail()
            raise
        self._written()

    def begin(self) -> int | None:
        """Write the assembled group without waiting; gives what to sync, None where only `write` will do.

        Raises:
            OSError: as `write`.
        """
        assert self._assembled is not None
        assert self._segment is not None
        try:
            return self._segment.begin(self._assembled.data)
        except OSError:
            self.fail()
            raise

    def complete(self) -> None:
        """The sync that followed `begin` succeeded. Raises OSError as `write`."""
        assert self._assembled is not None
        assert self._segment is not None
        try:
            self._segment.complete(len(self._assembled.data))
        except OSError:
            self.fail()
            raise
        self._written()

    def fail(self) -> None:
        """The assembled group may be on the device or not: give its file up and owe its bytes."""
        group, segment = self._assembled, self._segment
        assert segment is not None
        self._assembled, self._unwritten = None, group
        segment.abandon()
        self._dead, self._segment, self._needs_open = segment, None, True

    def _written(self) -> None:
        group, self._assembled = self._assembled, None
        assert group is not None
        self._head = group.head
        self.records += group.records
        self.size = group.head.size + 1

    def seal_finished(self) -> None:
        """Seal segments that rotation has left behind. What fails here is sealed at the next start."""
        while self._finished:
            segment, head = self._finished.pop()
            try:
                segment.finish()
                seal(segment.path, checkpoint_note(self._origin, self._signer.name, head))
            except OSError:
                return

    def close(self) -> None:
        """Write `close` and seal the segment. Raises OSError; the log is then recovered at the next start."""
        self._make_ready()
        assert self._segment is not None
        start = self._tree.size
        lines = self._opening(())
        lines.append(close_line(self._tree.size, self.records, self._clock()))
        self._tree.append(leaf_hash(lines[-1]))
        self._sign(start, 0, lines)
        self.write()
        assert self._head is not None
        self._finished.append((self._segment, self._head))
        self.seal_finished()

    def abandon(self) -> None:
        """Let go of the file without a word, as a process that dies would."""
        if self._segment is not None:
            self._segment.abandon()

    def _assemble(self, records: Sequence[Record], cuts: Sequence[Cut]) -> int:
        start = self._tree.size
        lines = self._opening(cuts)
        index = first = self._tree.size
        append = self._tree.append
        for before, after in records:
            line = b'%b"index":%d,%b' % (before, index, after)
            index += 1
            lines.append(line)
            append(sha256(b"\x00" + line).digest())
        self._sign(start, len(records), lines)
        return first

    def _opening(self, cuts: Sequence[Cut]) -> list[bytes]:
        lines: list[bytes] = []
        if self._needs_open:
            vkey = self._signer.vkey
            lines.append(open_line(self._tree, self._origin, vkey, self._opened, self._clock()))
            self._tree.append(leaf_hash(lines[-1]))
        for cut in cuts:
            lines.append(recover_line(self._tree.size, cut, self._clock()))
            self._tree.append(leaf_hash(lines[-1]))
        return lines

    def _sign(self, start: int, records: int, lines: list[bytes]) -> None:
        """Sign the tree as it is, and close the group with the checkpoint's line."""
        size, root = self._tree.size, self._tree.root()
        head = Checkpoint(size, root, self._signer.sign(checkpoint_body(self._origin, size, root)))
        lines.append(checkpoint_line(head))
        self._tree.append(leaf_hash(lines[-1]))
        lines.append(b"")
        self._needs_open = False
        self._assembled = _Group(start, records, b"\n".join(lines), head)

    def _make_ready(self) -> None:
        """See to a segment that takes the next group. Raises OSError before anything is signed."""
        if self._segment is None:
            self._segment = self._fresh_segment()
        elif not self.ready():
            self._segment = self._rotate(self._segment)

    def _rotate(self, old: Segment) -> Segment:
        fresh = Segment.create(self._directory, self._tree.size)
        assert self._head is not None
        self._finished.append((old, self._head))
        self._needs_open = True
        return fresh

    def _fresh_segment(self) -> Segment:
        if self._unwritten is None:
            return Segment.create(self._directory, self._tree.size)
        owed = self._unwritten
        if self._dead is not None and self._dead.first == owed.start:
            # The failed group was all that this file was to hold: none of it was acknowledged.
            self._dead.discard()
        segment = Segment.create(self._directory, owed.start)
        try:
            segment.append(owed.data)
        except OSError:
            segment.abandon()
            segment.discard()
            raise
        self._unwritten = self._dead = None
        self._head = owed.head
        self.size = self._tree.size
        return segment
