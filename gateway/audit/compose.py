"""Records to signed groups: indexes, leaves, the tree, the checkpoint. It computes and touches no file."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from gateway.audit.lines import (
    Checkpoint,
    Note,
    Signer,
    checkpoint_body,
    checkpoint_line,
    clock_note,
    note_line,
    open_line,
    timestamp,
    timestamp_of,
)
from gateway.audit.tree import Tree, leaf_hash

Record = tuple[bytes, bytes]
"""A line without its index: what stands before the key `index`, and what stands after it."""

LARGEST_JUMP = 60.0
"""Seconds that the wall clock may move against the monotonic one between two groups without a record of it."""


class Group(NamedTuple):
    """A signed group: index of its first line and of its first record, how many records, bytes, leaves, head."""

    start: int
    first: int
    records: int
    data: bytes
    leaves: bytes
    head: Checkpoint


class Composer:
    """Owns the tree of one log. `signer` may be replaced between two groups."""

    def __init__(
        self,
        tree: Tree,
        signer: Signer,
        *,
        origin: str,
        opened: Mapping[str, object],
        durability: str = "group",
        clock: Callable[[], str] = timestamp,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signer = signer
        self.origin = origin
        self._tree = tree
        self._opened = opened
        self._durability = durability
        self._clock = clock
        self._wall = wall
        self._steady = steady
        self._wall_then, self._steady_then = wall(), steady()
        self._notes: deque[Note] = deque()
        self._lines: list[bytes] = []
        self._leaves: list[bytes] = []
        self._needs_open = True
        self.begun = False
        """Whether `begin` was called for a group that is not composed yet."""

    @property
    def size(self) -> int:
        return self._tree.size

    @property
    def has_notes(self) -> bool:
        return bool(self._notes)

    def note(self, note: Note) -> None:
        """Put a record of the log's own life into the next group. May be called by any thread."""
        self._notes.append(note)

    def reopen(self) -> None:
        """The next group begins a segment, or follows one that was repeated there: `open` comes first."""
        self._needs_open = True

    def begin(self) -> int:
        """Make the lines that stand before the group's records, and return the index of the first record."""
        self.begun = True
        if self._needs_open:
            self._needs_open = False
            vkey, now = self.signer.vkey, self._clock()
            self._add(open_line(self._tree, self.origin, vkey, self._opened, now, durability=self._durability))
        was = self._expected()
        if was is not None:
            self._add(note_line(self._tree.size, clock_note(timestamp_of(was)), self._clock()))
        while self._notes:
            self._add(note_line(self._tree.size, self._notes.popleft(), self._clock()))
        return self._tree.size

    def compose(self, records: Sequence[Record]) -> Group:
        """Sign one group; what `begin` prepared is part of it."""
        first = self._tree.size if self.begun else self.begin()
        self.begun = False
        lines, self._lines = self._lines, []
        leaves, self._leaves = self._leaves, []
        start = first - len(lines)
        written = [b'%b"index":%d,%b' % (before, index, after) for index, (before, after) in enumerate(records, first)]
        hashed = [sha256(b"\x00" + line).digest() for line in written]
        lines += written
        leaves += hashed
        self._tree.extend(hashed)
        size, root = self._tree.size, self._tree.root()
        head = Checkpoint(size, root, self.signer.sign(checkpoint_body(self.origin, size, root)))
        lines.append(checkpoint_line(head))
        leaves.append(leaf_hash(lines[-1]))
        self._tree.append(leaves[-1])
        lines.append(b"")
        return Group(start, first, len(records), b"\n".join(lines), b"".join(leaves), head)

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        self._leaves.append(leaf_hash(line))
        self._tree.append(self._leaves[-1])

    def _expected(self) -> float | None:
        """What the wall clock would show if nobody had set it since the last group, None if nobody did."""
        wall, steady = self._wall(), self._steady()
        expected = self._wall_then + steady - self._steady_then
        self._wall_then, self._steady_then = wall, steady
        return expected if abs(wall - expected) > LARGEST_JUMP else None
