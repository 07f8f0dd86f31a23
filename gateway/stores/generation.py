"""Two counters in shared memory that tell the processes of a host when a store has changed.

Asking SQLite costs a round of file locks for each request; reading these costs a tenth of that.
A writer raises `started` inside its write transaction, before it commits, and sets `finished` to
the number it drew after the commit. A reader that finds both equal knows that nothing was
committed since that number; one that finds them unequal (a write is under way, or its process
died) has to ask the database. Both counters only have to outlive a process, never the host.
"""

import mmap
import os
from pathlib import Path

_FINISHED, _STARTED = 0, 1
_SIZE = 16


class Generation:
    """The counters of one store, mapped from a file beside it.

    Raises:
        OSError: from every method, also where the file is no longer the one that was mapped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.ftruncate(descriptor, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
            found = os.fstat(descriptor)
            self._device, self._inode = found.st_dev, found.st_ino
        finally:
            os.close(descriptor)
        # A native 64-bit view is read and written in one piece.
        self._words = memoryview(self._map).cast("Q")

    def read(self) -> tuple[int, bool]:
        """The latest number drawn, and whether its write is finished."""
        self._check()
        # In this order: a write that starts between the two reads shows as unfinished.
        finished = self._words[_FINISHED]
        started = self._words[_STARTED]
        return started, finished == started

    def begin(self) -> int:
        """Draw a number. Only one process may be here at a time, by the store's own write lock."""
        self._check()
        number = self._words[_STARTED] + 1
        self._words[_STARTED] = number
        return number

    def end(self, number: int) -> None:
        """The write that drew `number` is committed, or rolled back for certain."""
        self._words[_FINISHED] = number

    def close(self) -> None:
        """Later calls raise as for a file that is gone."""
        self._inode = -1
        self._words.release()
        self._map.close()

    def _check(self) -> None:
        found = os.stat(self._path)  # noqa: PTH116 - once a request: Path.stat adds half as much again
        if found.st_ino != self._inode or found.st_dev != self._device or found.st_size != _SIZE:
            raise FileNotFoundError("the generation file was replaced")
