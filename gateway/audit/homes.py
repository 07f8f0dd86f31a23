"""Where segments are made: the slot's directory, or a second one after the first has failed."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gateway.audit.sealing import seal
from gateway.audit.segment import OpenSegment, Segment

MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "davfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
    | {f"fuse.{kind}" for kind in ("ceph", "davfs", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}
)


class Place(Protocol):
    """Makes and seals the segments of one log. Every method but `look` and `close` raises OSError."""

    def create(self, first: int, owed: bytes, dead: OpenSegment | None) -> OpenSegment:
        """A new segment that begins with the bytes `owed`, durable when this returns.

        `dead` is the one whose failure makes a new one necessary.
        """
        ...

    def seal(self, segment: OpenSegment, note: bytes) -> None:
        """Finish the segment and move it to `sealed/`."""
        ...

    def look(self) -> bool:
        """See whether a directory that was lost is back; whether a new segment should be begun for it."""
        ...

    def close(self) -> None:
        """Wait a moment for what is still being written, and release every home but the first."""
        ...


class Home:
    """One directory of a slot. `lock` is the descriptor of its LOCK, -1 where nobody else can come."""

    def __init__(self, directory: Path, lock: int = -1) -> None:
        self.directory = directory
        self.lock = lock

    def create(self, first: int, owed: bytes) -> Segment:
        """As `Place.create`."""
        self._check_lock()
        segment = Segment.create(self.directory, first)
        try:
            segment.fill(len(owed))  # a disk without room is met here, before anything is signed for it
            if owed:
                segment.append(owed)
        except OSError:
            segment.abandon()
            segment.discard()
            raise
        return segment

    def seal(self, segment: Segment, note: bytes) -> None:
        segment.finish()
        seal(segment.path, note, b"".join(segment.leaves))

    def release(self) -> None:
        """Let another writer come."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    def _check_lock(self) -> None:
        """A directory put in place of ours holds no lock of ours, and another writer may be at work there."""
        if self.lock < 0:
            return
        held, found = os.fstat(self.lock), (self.directory / "LOCK").stat()
        if (held.st_dev, held.st_ino) != (found.st_dev, found.st_ino):
            raise OSError(errno.ESTALE, "the slot's directory or its LOCK was replaced by another")


class Homes:
    """A `Place` that tries directories in turn: the first first, but after a failure another one than that."""

    def __init__(self, homes: Sequence[Home]) -> None:
        self._homes = tuple(homes)

    def create(self, first: int, owed: bytes, dead: OpenSegment | None) -> OpenSegment:
        failed = dead.directories if dead is not None else ()
        why = OSError(errno.ENOENT, "there is no directory")
        for home in sorted(self._homes, key=lambda home: home.directory in failed):
            try:
                return home.create(first, owed)
            except OSError as error:
                why = error
        raise why

    def seal(self, segment: OpenSegment, note: bytes) -> None:
        assert isinstance(segment, Segment)
        home = next(home for home in self._homes if home.directory in segment.directories)
        home.seal(segment, note)

    def look(self) -> bool:
        return False

    def close(self) -> None:
        for home in self._homes[1:]:
            home.release()


def network_file_system(directory: Path) -> str:
    """The kind of the network file system that holds the directory; empty where there is none or nobody says."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        path = directory.resolve()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = Path(_unescaped(before.split(" ")[4]))
        if len(point.parts) >= best and path.is_relative_to(point):  # of equal ones the later covers the earlier
            best, kind = len(point.parts), after.split(" ")[0]
    return kind if kind in _NETWORK else ""


def _unescaped(text: str) -> str:
    """proc(5): space, tab, newline and backslash are written in octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
