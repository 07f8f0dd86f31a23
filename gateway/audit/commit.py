"""One group commit: records in, durable lines under one signed checkpoint out. Synchronous, one thread only.

What must never happen is that two histories are signed. A group that was signed but could not be
written is therefore kept, and its identical bytes are the first thing in the next segment.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

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
        self._unwritten: tuple[int, bytes] | None = None
        self._needs_open = True
        self._head: Checkpoint | None = None
        self._finished: list[tuple[Segment, Checkpoint]] = []

    def start(self, cuts: Sequence[Cut]) -> None:
        """Begin this run's first segment: `open`, one `recover` for each cut, a checkpoint."""
        self._commit((), cuts)

    def append(self, records: Sequence[Record]) -> int:
        """Make the records durable in order and return the index of the first.

        With no records it only repairs: after a failure it writes what is owed, else nothing.

        Raises:
            OSError: nothing of this call is acknowledged.
        """
        if not records and self._segment is not None:
            return self._tree.size
        first = self._commit(records, ())
        self.records += len(records)
        return first

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
        segment = self._ready_segment()
        lines = self._opening(())
        lines.append(close_line(self._tree.size, self.records, self._clock()))
        self._tree.append(leaf_hash(lines[-1]))
        self._write(segment, lines, self._tree.size - len(lines))
        assert self._head is not None
        self._finished.append((segment, self._head))
        self.seal_finished()

    def abandon(self) -> None:
        """Let go of the file without a word, as a process that dies would."""
        if self._segment is not None:
            self._segment.abandon()

    def _commit(self, records: Sequence[Record], cuts: Sequence[Cut]) -> int:
        segment = self._ready_segment()
        start = self._tree.size
        lines = self._opening(cuts)
        index = first = self._tree.size
        append = self._tree.append
        for before, after in records:
            line = b'%b"index":%d,%b' % (before, index, after)
            index += 1
            lines.append(line)
            append(sha256(b"\x00" + line).digest())
        self._write(segment, lines, start)
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

    def _write(self, segment: Segment, lines: list[bytes], start: int) -> None:
        """Sign the tree as it is, close the group with the checkpoint's line, and make it durable."""
        size, root = self._tree.size, self._tree.root()
        head = Checkpoint(size, root, self._signer.sign(checkpoint_body(self._origin, size, root)))
        lines.append(checkpoint_line(head))
        self._tree.append(leaf_hash(lines[-1]))
        lines.append(b"")
        data = b"\n".join(lines)
        self._needs_open = False
        try:
            segment.append(data)
        except OSError:
            self._unwritten = (start, data)
            self._give_up(segment)
            raise
        self._head = head
        self.size = self._tree.size

    def _give_up(self, segment: Segment) -> None:
        segment.abandon()
        self._dead, self._segment, self._needs_open = segment, None, True

    def _ready_segment(self) -> Segment:
        """The segment to write to. Raises OSError before anything is signed if there can be none."""
        segment = self._segment
        if segment is None:
            segment = self._fresh_segment()
        elif segment.size >= self._segment_bytes or time.monotonic() - segment.born >= self._segment_seconds:
            segment = self._rotate(segment)
        self._segment = segment
        return segment

    def _rotate(self, old: Segment) -> Segment:
        fresh = Segment.create(self._directory, self._tree.size)
        assert self._head is not None
        self._finished.append((old, self._head))
        self._needs_open = True
        return fresh

    def _fresh_segment(self) -> Segment:
        if self._unwritten is None:
            return Segment.create(self._directory, self._tree.size)
        first, data = self._unwritten
        if self._dead is not None and self._dead.first == first:
            # The failed group was all that this file was to hold: none of it was acknowledged.
            self._dead.discard()
        segment = Segment.create(self._directory, first)
        try:
            segment.append(data)
        except OSError:
            segment.abandon()
            segment.discard()
            raise
        self._unwritten = self._dead = None
        self.size = self._tree.size
        return segment
