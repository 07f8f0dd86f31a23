"""One group commit: records in, durable lines under one signed checkpoint out. Synchronous.

`assemble` only computes and `write` only waits for the device, so that two threads can do the two, one
after the other; nothing here may run in two threads at once but `seal_finished` and `look`.

What must never happen is that two histories are signed. A group that was signed but could not be
written is therefore kept, and its identical bytes are the first thing in the next segment.
"""

import contextlib
import errno
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.audit.compose import Composer, Group, Record
from gateway.audit.homes import Home, Homes, Place
from gateway.audit.lines import (
    Checkpoint,
    Cut,
    Signer,
    checkpoint_note,
    close_note,
    recover_note,
    rotate_note,
    timestamp,
)
from gateway.audit.segment import OpenSegment
from gateway.audit.space import Space
from gateway.audit.tree import Tree

_LEAF = 32


class GroupWriter:
    """Owns the tree and the open segment of one log; `place` is where segments are made, or just a directory.

    `append` either returns with everything durable or raises OSError with nothing acknowledged;
    after an error the next call goes on in a fresh segment. `wall` and `steady` are clocks in seconds.
    """

    def __init__(
        self,
        place: Place | Path,
        tree: Tree,
        signer: Signer,
        *,
        origin: str,
        opened: Mapping[str, object],
        segment_bytes: int,
        segment_seconds: float,
        durability: str = "group",
        space: Space | None = None,
        clock: Callable[[], str] = timestamp,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = tree.size
        self.records = 0
        self._place = Homes((Home(place),)) if isinstance(place, Path) else place
        self._composer = Composer(
            tree, signer, origin=origin, opened=opened, durability=durability, clock=clock, wall=wall, steady=steady
        )
        self._space = space or Space()
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._segment: OpenSegment | None = None
        self._dead: OpenSegment | None = None
        self._assembled: Group | None = None
        self._unwritten: Group | None = None
        self._head: Checkpoint | None = None
        self._finished: list[tuple[OpenSegment, bytes]] = []
        self._recent: tuple[Group, ...] = ()

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self._composer.origin

    @property
    def vkey(self) -> str:
        """The key that signs the next group."""
        return self._composer.signer.vkey

    def start(self, cuts: Sequence[Cut]) -> None:
        """Begin this run's first segment: `open`, one `recover` for each cut, a checkpoint."""
        self._measure()
        if self._space.full:
            self._space.drop_ballast()  # room to say so
        self._make_ready()
        for cut in cuts:
            self._composer.note(recover_note(cut))
        self._assembled = self._composer.compose(())
        self.write()

    def append(self, records: Sequence[Record]) -> int:
        """Make the records durable in order and return the index of the first.

        With no records it only repairs and writes the log's own notes: after a failure what is owed,
        else nothing.

        Raises:
            OSError: nothing of this call is acknowledged.
        """
        try:
            if self._space.full:
                self._await_room()
            if not records and self._segment is not None and not self._composer.has_notes:
                return self._composer.size
            self._make_ready()
            first = self.assemble(records)
            self._write()
        except OSError as error:
            self._note_full(error)
            raise
        return first

    def ready(self) -> bool:
        """Whether `assemble` may be called: there is a segment, and it has room and time left."""
        segment = self._segment
        if segment is None:
            return False
        return self._composer.begun or not (self._worn(segment) or self._space.full)

    def begin_group(self) -> int:
        """Settle where the next group's records stand, before they are known; only while `ready`.

        `assemble` must follow, and nothing else that writes before it.
        """
        return self._composer.begin()

    def assemble(self, records: Sequence[Record]) -> int:
        """Make the signed group of these records, touching no file, and return the index of the first.

        `write` must follow, whatever happens: what was signed stays part of the log.
        """
        group = self._assembled = self._composer.compose(records)
        return group.first

    def write(self) -> None:
        """Make the assembled group durable.

        Raises:
            OSError: nothing of the group is acknowledged; its bytes begin the next segment.
        """
        try:
            self._write()
        except OSError as error:
            self._note_full(error)
            raise

    def begin(self) -> int | None:
        """Write the assembled group without waiting; gives what to sync, None where only `write` will do.

        Raises:
            OSError: as `write`.
        """
        assert self._assembled is not None
        assert self._segment is not None
        try:
            return self._segment.begin(self._assembled.data)
        except OSError as error:
            self.fail(error)
            raise

    def complete(self) -> None:
        """The sync that followed `begin` succeeded. Raises OSError as `write`."""
        assert self._assembled is not None
        assert self._segment is not None
        try:
            self._segment.complete(len(self._assembled.data))
        except OSError as error:
            self.fail(error)
            raise
        self._written()

    def fail(self, error: OSError) -> None:
        """The assembled group may be on the device or not: give its file up and owe its bytes."""
        self._give_up()
        self._note_full(error)

    def leaf(self, index: int) -> bytes | None:
        """The leaf hash of a line of one of the last two groups that became durable, else None."""
        for group in self._recent:
            at = (index - group.start) * _LEAF
            if 0 <= at < len(group.leaves):
                return group.leaves[at : at + _LEAF]
        return None

    def seal_finished(self) -> None:
        """Seal segments that rotation has left behind. What fails here is sealed at the next start."""
        while self._finished:
            segment, note = self._finished.pop()
            with contextlib.suppress(OSError):
                self._place.seal(segment, note)

    def look(self) -> bool:
        """See to the disk and to directories that were lost; whether `append` should be called for what was found."""
        self._measure()
        if self._place.look() and self._segment is not None:
            self._segment.born = -math.inf  # a new segment, for the directory that takes part again
        return self._composer.has_notes or self._space.full

    def rotate(self, signer: Signer) -> None:
        """Record the new key under the old one, and go on with it in a new segment.

        Raises:
            OSError: the record may be in the log or not; recovery finds out.
        """
        self._make_ready()
        self._composer.note(rotate_note(signer.vkey))
        self.assemble(())
        self.write()
        self._composer.signer = signer
        assert self._segment is not None
        self._segment.born = -math.inf
        self._make_ready()
        self.assemble(())
        self.write()
        self.seal_finished()

    def close(self) -> None:
        """Write `close` and seal the segment. Raises OSError; the log is then recovered at the next start."""
        self._make_ready()
        assert self._segment is not None
        self._composer.note(close_note(self.records))
        self.assemble(())
        self.write()
        self._finish(self._segment)
        self.seal_finished()
        self._place.close()

    def abandon(self) -> None:
        """Let go of the files without a word, as a process that dies would."""
        if self._segment is not None:
            self._segment.abandon()
        self._place.close()

    def _write(self) -> None:
        group, segment = self._assembled, self._segment
        assert group is not None
        assert segment is not None
        try:
            segment.append(group.data)
        except OSError:
            self._give_up()
            raise
        self._written()

    def _written(self) -> None:
        group, self._assembled = self._assembled, None
        assert group is not None
        assert self._segment is not None
        self._segment.leaves.append(group.leaves)
        self._head = group.head
        self._recent = (group, *self._recent[:1])
        self.records += group.records
        self.size = group.head.size + 1

    def _give_up(self) -> None:
        group, segment = self._assembled, self._segment
        assert segment is not None
        self._assembled, self._unwritten = None, group
        segment.abandon()
        self._dead, self._segment = segment, None
        self._composer.reopen()

    def _make_ready(self) -> None:
        """See to a segment that takes the next group. Raises OSError before anything is signed."""
        if self._segment is None:
            self._segment = self._fresh_segment()
        elif self._worn(self._segment):
            old = self._segment
            self._segment = self._place.create(self._composer.size, b"", None)
            self._finish(old)
            self._composer.reopen()
            self._measure()

    def _worn(self, segment: OpenSegment) -> bool:
        return segment.size >= self._segment_bytes or time.monotonic() - segment.born >= self._segment_seconds

    def _fresh_segment(self) -> OpenSegment:
        owed, dead = self._unwritten, self._dead
        if owed is None:
            return self._place.create(self._composer.size, b"", None)
        if dead is not None and dead.first == owed.start:
            # The failed group was all that this file was to hold: none of it was acknowledged.
            with contextlib.suppress(OSError):
                dead.discard()
        segment = self._place.create(owed.start, owed.data, dead)
        self._unwritten = self._dead = None
        segment.leaves.append(owed.leaves)
        self._head = owed.head
        self.size = self._composer.size
        return segment

    def _finish(self, segment: OpenSegment) -> None:
        assert self._head is not None
        composer = self._composer
        self._finished.append((segment, checkpoint_note(composer.origin, composer.signer.name, self._head)))

    def _measure(self) -> None:
        note = self._space.look()
        if note is not None:
            self._composer.note(note)

    def _note_full(self, error: OSError) -> None:
        """A full disk is said in the log: the ballast goes, to make room for that."""
        if error.errno == errno.ENOSPC:
            note = self._space.ran_out()
            if note is not None:
                self._composer.note(note)

    def _await_room(self) -> None:
        """Acknowledge nothing until there is room; what is owed and the `disk` record are written meanwhile.

        Raises:
            OSError: there is none yet.
        """
        self._measure()
        if self._space.full:
            if self._segment is None or self._composer.has_notes:
                if self._segment is None:
                    self._segment = self._fresh_segment()
                self.assemble(())
                self._write()
            raise OSError(errno.ENOSPC, "less room than one segment needs")
