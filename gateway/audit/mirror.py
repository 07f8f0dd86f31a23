"""One log in two directories: every group goes to both, with the same bytes under the same names.

Each directory has a thread of its own, so a device that hangs holds up nobody who does not wait for it.
With `every` a group counts when both have it. Without, it counts when one has it: the other may lag by
`BACKLOG` bytes, and is left out after that or after an error. `look` brings it level, and from the next
segment on it takes part again.
"""

import errno
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from queue import SimpleQueue

from gateway.audit.homes import Home
from gateway.audit.sealing import bring_level, drop_copies
from gateway.audit.segment import OpenSegment, Segment, write_file

BACKLOG = 64 * 1024 * 1024
LAST_WORDS = 1.0
"""Seconds that the slower of two directories has at the end."""


class _Leg:
    """One directory and its thread, which does what it is asked in order."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.out = False
        self.back: Future[None] | None = None
        self._queue: SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"ledger {home.directory}", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> Future[None]:
        future: Future[None] = Future()
        self._queue.put((work, future))
        return future

    def end(self) -> None:
        self._queue.put(None)

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            work, future = task
            try:
                work()
            except OSError as error:
                future.set_exception(error)
            else:
                future.set_result(None)
            finally:
                if not future.done():  # a mistake of ours ends this thread; nobody is to wait for it
                    future.set_exception(OSError(errno.EIO, "the thread of the directory has ended"))


class _Part:
    """The segment of one leg."""

    def __init__(self, leg: _Leg) -> None:
        self.leg = leg
        self.failed = False
        self._given = self._done = 0  # each written by one thread only
        self._file: Segment | None = None

    @property
    def backlog(self) -> int:
        """Bytes that the leg's thread still has to write."""
        return self._given - self._done

    def create(self, first: int, owed: bytes) -> Future[None]:
        def work() -> None:
            self._file = self.leg.home.create(first, owed)

        return self.leg.do(self._guarded(work))

    def append(self, data: bytes) -> Future[None]:
        self._given += len(data)

        def work() -> None:
            if self._file is not None:
                self._file.append(data)
            self._done += len(data)

        return self.leg.do(self._guarded(work))

    def seal(self, note: bytes, leaves: list[bytes]) -> Future[None]:
        def work() -> None:
            if self._file is not None:
                self._file.leaves = leaves
                self.leg.home.seal(self._file, note)

        return self.leg.do(self._guarded(work))

    def let_go(self, *, discard: bool = False) -> Future[None]:
        """In the leg's thread, so that no descriptor is closed while it is being written to."""

        def work() -> None:
            if self._file is not None:
                self._file.abandon()
                if discard:
                    self._file.discard()

        return self.leg.do(work)

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            if self.failed:
                raise OSError(errno.EIO, "the file failed before")
            try:
                work()
            except OSError:
                self.failed = True
                raise

        return guarded


class MirroredSegment:
    """An `OpenSegment` in several directories."""

    def __init__(self, first: int, parts: Sequence[_Part], *, every: bool) -> None:
        self.first = first
        self.size = 0
        self.born = time.monotonic()
        self.leaves: list[bytes] = []
        self.parts = list(parts)
        self._every = every

    @property
    def directories(self) -> tuple[Path, ...]:
        return tuple(part.leg.home.directory for part in self.parts)

    def append(self, data: bytes) -> None:
        for part in list(self.parts):
            if not self._every and (part.failed or part.backlog > BACKLOG):
                self._leave_out(part)
        self.settle([part.append(data) for part in self.parts])
        self.size += len(data)

    def settle(self, futures: Sequence[Future[None]]) -> None:
        """Wait for all, or for one. Raises OSError where that many did not succeed."""
        settle(futures, every=self._every)

    def begin(self, data: bytes) -> int | None:  # noqa: ARG002
        """No descriptor speaks for two directories."""
        return None

    def complete(self, size: int) -> None:  # noqa: ARG002
        raise AssertionError("nothing was begun")

    def abandon(self) -> None:
        for part in self.parts:
            part.let_go()

    def discard(self) -> None:
        self.settle([part.let_go(discard=True) for part in self.parts])

    def _leave_out(self, part: _Part) -> None:
        if len(self.parts) > 1:
            part.failed = part.leg.out = True
            part.let_go()
            self.parts.remove(part)


def settle(futures: Sequence[Future[None]], *, every: bool) -> None:
    """Wait for all, or for the first that succeeds. Raises OSError where that does not come to pass."""
    waiting = set(futures)
    why: BaseException | None = None
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            why = future.exception() or why
        if not every and any(future.exception() is None for future in done):
            return
    if why is not None or not futures:
        raise why or OSError(errno.ENODEV, "no directory takes part")


class Mirrors:
    """A `Place` of two directories; see above."""

    def __init__(self, homes: Sequence[Home], *, every: bool) -> None:
        self._legs = [_Leg(home) for home in homes]
        self._every = every
        self._current: MirroredSegment | None = None

    def create(self, first: int, owed: bytes, dead: OpenSegment | None) -> OpenSegment:  # noqa: ARG002
        self._note_failures()
        legs = [leg for leg in self._legs if not leg.out] or self._legs
        parts = [_Part(leg) for leg in legs]
        segment = MirroredSegment(first, parts, every=self._every)
        try:
            segment.settle([part.create(first, owed) for part in parts])
        except OSError:
            for part in parts:
                part.let_go(discard=True)
            raise
        for leg in legs:
            leg.out = False
        self._current = segment
        return segment

    def seal(self, segment: OpenSegment, note: bytes) -> None:
        assert isinstance(segment, MirroredSegment)
        took_part = [part.leg for part in segment.parts]
        try:
            segment.settle([part.seal(note, segment.leaves) for part in segment.parts])
        finally:
            for leg in self._legs:
                if leg not in took_part and not leg.out:
                    leg.do(self._level(leg))

    def look(self) -> bool:
        if self._every:
            return False
        rejoins = False
        for leg in self._legs:
            if leg.back is None:
                leg.back = leg.do(self._level(leg))
            elif leg.back.done():
                if leg.out and leg.back.exception() is None:
                    leg.out, rejoins = False, True
                leg.back = None
        return rejoins

    def close(self) -> None:
        pending = [leg.do(lambda: None) for leg in self._legs]
        wait(pending, timeout=LAST_WORDS)
        for leg in self._legs:
            leg.end()
        for leg in self._legs[1:]:
            leg.home.release()

    def _note_failures(self) -> None:
        if self._current is not None and not self._every:
            for part in self._current.parts:
                part.leg.out = part.leg.out or part.failed

    def _level(self, leg: _Leg) -> Callable[[], None]:
        def work() -> None:
            probe = leg.home.directory / "probe"
            write_file(probe, b"")
            probe.unlink()
            for other in self._legs:
                if other is not leg:
                    bring_level(other.home.directory, leg.home.directory)
            drop_copies(leg.home.directory)

        return work
