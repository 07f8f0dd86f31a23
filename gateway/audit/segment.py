"""One file of the log, and the moves of files that must survive a loss of power.

A segment is created exclusively, only ever added to, and dead after its first error: the kernel may
have dropped the pages of a failed sync, and a second sync could then succeed without them. It is opened
with O_DSYNC, so that one call writes and syncs.

The file is zero-filled ahead of its lines. A sync that need not change the file's length does not
wait for the file system's journal, which halves its CPU and its latency (measured on ext4), and a
full disk is met at the fill, not in the middle of a group.
"""

import contextlib
import errno
import os
import re
import time
from pathlib import Path
from typing import Protocol, Self

SEGMENT_NAME = re.compile(r"seg-(\d{12,})\.jsonl")
FILL = 1024 * 1024
"""Bytes of zeros that are put ahead at a time."""
SEALED = "sealed"
TORN = "torn"
PATH_CHECK_SECONDS = 1.0
"""How long a replaced file can stay unnoticed; an unlinked one is noticed at the next commit."""


def segment_name(first: int) -> str:
    return f"seg-{first:012d}.jsonl"


def segments_in(directory: Path) -> list[tuple[int, Path]]:
    """Segments of one directory by the index of their first leaf; empty if the directory is missing."""
    if not directory.is_dir():
        return []
    named = ((SEGMENT_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted((int(match[1]), path) for match, path in named if match)


def sync_directory(directory: Path) -> None:
    """Make names that were created, renamed or removed in the directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write every byte; the kernel may take fewer than it is given without an error."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        if written <= 0:
            raise OSError(errno.EIO, "the file takes no more bytes")
        view = view[written:]
        offset += written


def write_file(path: Path, data: bytes) -> None:
    """Put a whole file in place durably: temporary name, sync, rename, sync of the directory."""
    partial = path.with_name(path.name + ".partial")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    partial.rename(path)
    sync_directory(path.parent)


class OpenSegment(Protocol):
    """The place that groups are written to. Every method raises OSError; after one it must be abandoned."""

    first: int
    size: int
    born: float
    leaves: list[bytes]

    @property
    def directories(self) -> tuple[Path, ...]: ...

    def append(self, data: bytes) -> None:
        """Return when the bytes are durable and still under this segment's name."""
        ...

    def begin(self, data: bytes) -> int | None:
        """Write without waiting for the device; gives the descriptor to sync, None where only `append` will do.

        `complete` must follow once the sync is over.
        """
        ...

    def complete(self, size: int) -> None:
        """The bytes that `begin` wrote are on the device: check that they are still under this segment's name."""
        ...

    def abandon(self) -> None: ...

    def discard(self) -> None:
        """Remove the file if it is still ours. Only for a segment that holds nothing acknowledged."""
        ...


class Segment:
    """The open file of the log: an `OpenSegment` in one directory. `leaves` holds its leaf hashes, joined by groups."""

    def __init__(self, path: Path, first: int, fd: int) -> None:
        self.path = path
        self.first = first
        self.size = 0
        self.directories: tuple[Path, ...] = (path.parent,)
        self.leaves: list[bytes] = []
        self._length = 0
        self.born = time.monotonic()
        self._fd = fd
        self._unsynced = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._checked = self.born
        status = os.fstat(fd)
        self._identity = (status.st_dev, status.st_ino)

    @classmethod
    def create(cls, directory: Path, first: int) -> Self:
        """A new file whose name is durable when this returns. Raises FileExistsError if it is taken."""
        path = directory / segment_name(first)
        fd = os.open(path, os.O_WRONLY | os.O_DSYNC | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            segment = cls(path, first, fd)
            sync_directory(directory)
        except OSError:
            # Made a moment ago by O_EXCL, so it is ours; left behind it would block its name for ever.
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return segment

    def append(self, data: bytes) -> None:
        """Return when the bytes are on the device and still under this segment's name."""
        end = self.size + len(data)
        if end > self._length:
            self.fill(end)
        write_all(self._fd, data, self.size)
        self._check()
        self.size = end

    def fill(self, end: int) -> None:
        """Put zeros where lines will come: up to `end`, and further ahead."""
        length = end + FILL
        write_all(self._fd, bytes(length - self._length), self._length)
        self._length = length

    def begin(self, data: bytes) -> int | None:
        """Write without waiting for the device; gives the descriptor to sync, None where zeros have to be filled first.

        `complete` must follow once the sync is over.
        """
        if self.size + len(data) > self._length:
            return None
        write_all(self._unsynced, data, self.size)
        return self._unsynced

    def complete(self, size: int) -> None:
        """The bytes that `begin` wrote are on the device: check that they are still under this segment's name."""
        self._check()
        self.size += size

    def finish(self) -> None:
        """Cut the zeros off and close: nothing will be added."""
        os.ftruncate(self._fd, self.size)
        os.fsync(self._fd)
        self.abandon()

    def _check(self) -> None:
        # No fstat here: once the times were asked for, the next sync writes the inode too (Linux 6.13 and later).
        if not os.access(self.path, os.F_OK) or os.lseek(self._fd, 0, os.SEEK_END) != self._length:
            raise OSError(errno.ESTALE, "the segment was unlinked or changed by someone else")
        now = time.monotonic()
        if now - self._checked >= PATH_CHECK_SECONDS:
            self._checked = now
            if not self._in_place():
                raise OSError(errno.ESTALE, "the segment was replaced by another file")
            if not os.access(self.path.parent, os.W_OK):
                raise OSError(errno.EROFS, "the segment's directory was made read-only")

    def _in_place(self) -> bool:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def abandon(self) -> None:
        """Close the descriptor; errors of a file that is given up have nobody to tell."""
        open_ones, self._fd, self._unsynced = (self._fd, self._unsynced), -1, -1
        for fd in open_ones:
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)

    def discard(self) -> None:
        """Remove the file if it is still ours. Only for a segment that holds nothing acknowledged."""
        if self._in_place():
            self.path.unlink()
