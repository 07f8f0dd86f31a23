"""Processes that act on what they read, and how a writer waits until none acts on what it has just changed.

A worker reads what a person decided, and a moment later hands the bytes to the kernel. A withdrawal
that commits in that moment would be obeyed from the next look on, and too late for those bytes. So
each process that acts keeps a word in a file of its own, odd from its first look until everything
that followed from it is out; whoever has committed a withdrawal waits for the words that are odd. A
process that dies lets go of the lock on its file, and nobody waits for it.

What follows from a look is out when the turn of the event loop has ended, so a callback of the next
turn could say so, were it not that looks of that turn may come before it. Each callback therefore
raises the word by two as long as there were looks since the one before: what was looked up before a
callback is out at the next. A writer that came between two of them waits for two more.

Guarantee: once `wait_for_readers` has returned True, no process acts on anything that it read before
the call. Words only have to outlive a process, never the host.
"""

import fcntl
import mmap
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

_SIZE = 8
_PAUSE = 0.0002
_TWO_CALLBACKS = 4
_NAMES = 4096


class Reader:
    """The word of this process. Claims the first file in the directory that nobody holds.

    `later` is an event loop's `call_soon`: what one turn hands to its transports is with the kernel
    when the next begins, as far as the other side takes it.

    Raises:
        OSError: the directory or a file cannot be used.
    """

    def __init__(self, directory: Path, later: Callable[[Callable[[], None]], object]) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._descriptor, self.name = _claim(directory)
        try:
            os.ftruncate(self._descriptor, _SIZE)
            self._map = mmap.mmap(self._descriptor, _SIZE)
        except OSError:
            os.close(self._descriptor)
            raise
        # A native 64-bit view is read and written in one piece.
        self._word = memoryview(self._map).cast("Q")
        # Whoever held the file before may have died between two callbacks; this process has read nothing yet.
        self._word[0] += self._word[0] & 1
        self._later = later
        self._looked = self._waiting = False

    def look(self) -> None:
        """To be called before each look that will be acted upon in this turn."""
        self._looked = True
        if not self._waiting:
            self._waiting = True
            self._word[0] += 1
            self._later(self._turned)

    def close(self) -> None:
        self._later = _never
        self._word.release()
        self._map.close()
        os.close(self._descriptor)

    def _turned(self) -> None:
        if self._later is _never:
            return
        if self._looked:
            self._looked = False
            self._word[0] += 2
            self._later(self._turned)
        else:
            self._waiting = False
            self._word[0] += 1


def _never(_callback: Callable[[], None]) -> None:
    """Stands for the loop of a reader that is closed."""


def wait_for_readers(directory: Path, *, patience: float, but: str = "") -> bool:
    """Wait until no process acts on what it read before; False where one still may after `patience` seconds.

    `but` is the name of a reader not to wait for.

    Raises:
        OSError: a word cannot be read.
    """
    deadline = time.monotonic() + patience
    if not directory.is_dir():
        return True
    return all(_ended(file, deadline) for file in directory.iterdir() if file.name != but)


def _claim(directory: Path) -> tuple[int, str]:
    for name in map(str, range(_NAMES)):
        descriptor = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _locked(descriptor, fcntl.LOCK_EX):
            return descriptor, name
        os.close(descriptor)
    raise FileExistsError(f"all names in {directory} are taken")


def _ended(file: Path, deadline: float) -> bool:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first = word = _read(descriptor)
        while word & 1 and word - first < _TWO_CALLBACKS:
            if _locked(descriptor, fcntl.LOCK_SH):
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
            word = _read(descriptor)
    finally:
        os.close(descriptor)
    return True


def _read(descriptor: int) -> int:
    return int.from_bytes(os.pread(descriptor, _SIZE, 0), sys.byteorder)


def _locked(descriptor: int, how: int) -> bool:
    """Whether the lock could be had; it is held until the descriptor is closed."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
