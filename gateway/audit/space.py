"""Room on the disk: known before it runs out, and some kept back to say that it did.

The ballast is a file of real blocks in the slot's directory. When a write meets a full disk the file
goes, which makes room for the group that is owed and a `disk` record; it is made again when there is
room for it and for a segment.
"""

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from gateway.audit.lines import Note, disk_note

BALLAST = "ballast"
OK, LOW, FULL = "ok", "low", "full"


class Space:
    """The room that a log has. `full` says that nothing may be acknowledged; it ends by `look`.

    `room` is the bytes that must be free, `ballast` the size of the file (0: none), `warn_percent` the
    part of the file system under which it is `low` (0: never). Of several directories all must have
    room if `every` is set, else one.
    """

    def __init__(
        self,
        directories: Sequence[Path] = (),
        *,
        room: int = 0,
        ballast: int = 0,
        warn_percent: int = 0,
        every: bool = False,
    ) -> None:
        self.full = False
        self._directories = tuple(directories)
        self._room = room
        self._ballast = ballast
        self._warn_percent = warn_percent
        self._choose = min if every else max
        self._state = OK

    def look(self) -> Note | None:
        """Measure; gives the `disk` record to write where the state has changed, and makes the ballast."""
        measured = self._measure()
        if measured is None:
            return None
        free, percent = measured
        missing = 0 if self._has_ballast() else self._ballast
        if free < self._room + (missing if self.full else 0):
            return self._turn(FULL, free)
        if missing and free >= self._room + missing:
            self._make_ballast()
        return self._turn(LOW if percent < self._warn_percent else OK, free)

    def ran_out(self) -> Note | None:
        """A write met a full disk: let the ballast go; gives the `disk` record to write, once."""
        self.drop_ballast()
        return self._turn(FULL, 0)

    def drop_ballast(self) -> None:
        for directory in self._directories:
            with contextlib.suppress(OSError):
                (directory / BALLAST).unlink()

    def _turn(self, state: str, free: int) -> Note | None:
        changed = state != self._state
        self._state, self.full = state, state == FULL
        return disk_note(free, state) if changed else None

    def _measure(self) -> tuple[int, int] | None:
        """Bytes that are free, and what percentage that is; None where it cannot be told."""
        found = []
        for directory in self._directories:
            with contextlib.suppress(OSError):
                status = os.statvfs(directory)
                free = status.f_bavail * status.f_frsize
                found.append((free, status.f_bavail * 100 // max(status.f_blocks, 1)))
        return self._choose(found) if found else None

    def _has_ballast(self) -> bool:
        """Whether every directory has it, in blocks and not only in length."""
        for directory in self._directories:
            try:
                status = (directory / BALLAST).stat()
            except OSError:
                return False
            if status.st_blocks * 512 < self._ballast:
                return False
        return True

    def _make_ballast(self) -> None:
        for directory in self._directories:
            with contextlib.suppress(OSError):
                fd = os.open(directory / BALLAST, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    os.posix_fallocate(fd, 0, self._ballast)
                except OSError as error:
                    if error.errno == errno.ENOSPC:
                        (directory / BALLAST).unlink()
                finally:
                    os.close(fd)
