"""The files of a log as the verifier finds them: slots, segments, notes, and whether a writer is alive."""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

SEGMENT = re.compile(r"seg-(\d{12,})\.jsonl")
NOTE = re.compile(r"seg-(\d{12,})\.(note|leaves)")
_CHUNK = 1024 * 1024
TORN = re.compile(r"(seg-\d{12,}\.jsonl)\.(\d+)\.([0-9a-f]{64})")


class SegmentFile(msgspec.Struct, frozen=True):
    """`first` is what the name claims to be the index of the first leaf. `pruned`: there is no body at `path`.

    `copies` are other files of that name, which hold as much or less.
    """

    first: int
    path: Path
    sealed: bool
    pruned: bool = False
    copies: tuple["SegmentFile", ...] = ()

    @property
    def note(self) -> Path:
        """Where the signed note of a sealed segment is."""
        return self.path.with_suffix(".note")

    @property
    def leaves(self) -> Path:
        """Where the leaf hashes of a sealed segment are, if they are."""
        return self.path.with_suffix(".leaves")


def find_slots(directory: Path) -> list[Path]:
    """The slot directories of a state directory, an audit directory, or the one slot itself."""
    if _is_slot(directory):
        return [directory]
    inner = directory / "audit"
    home = inner if inner.is_dir() else directory
    if not home.is_dir():
        return []
    slots = sorted(path for path in home.iterdir() if path.is_dir() and _is_slot(path))
    seconds = {_second(slot) for slot in slots}
    return [slot for slot in slots if slot.resolve() not in seconds]


def _second(slot: Path) -> Path | None:
    try:
        found = homes(slot)
    except OSError:
        return None
    return found[1].resolve() if len(found) > 1 else None


def _is_slot(path: Path) -> bool:
    if (path / "log.vkey").is_file() or (path / "LOCK").is_file() or (path / "sealed").is_dir():
        return True
    return path.is_dir() and any(SEGMENT.fullmatch(entry.name) for entry in path.iterdir())


def homes(slot: Path) -> list[Path]:
    """The directories that a log lies in: the slot, and the second one that it names. Raises FileNotFoundError."""
    mark = slot / "second"
    if not mark.is_file():
        return [slot]
    second = Path(os.fsdecode(mark.read_bytes().removesuffix(b"\n")))
    if not second.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the second directory of this log is missing")
    return [slot, second]


def find_segments(slot: Path) -> list[SegmentFile]:
    """By first leaf, of all directories of the log; of several files of one name, the one that holds most.

    The open ones are listed first, so that one being sealed meanwhile is not missed. A sealed segment of
    which only note and leaf hashes are left is listed as pruned. Raises OSError.
    """
    found: dict[int, list[SegmentFile]] = {}
    places = [home / below for below in ("", "sealed") for home in homes(slot)]
    for home in places:
        for path in home.iterdir() if home.is_dir() else ():
            match = SEGMENT.fullmatch(path.name)
            if match:
                entry = SegmentFile(int(match[1]), path, home.name == "sealed")
                found.setdefault(entry.first, []).append(entry)
    for first, files in found.items():
        if len(files) > 1:  # one of them may have been sealed since
            found[first] = [each for each in files if each.sealed or each.path.exists()] or files[-1:]
    for home in homes(slot):
        for first, kinds in _companions(home).items():
            if first not in found and kinds == {"note", "leaves"}:
                path = home / "sealed" / f"seg-{first:012d}.jsonl"
                found[first] = [SegmentFile(first, path, sealed=True, pruned=True)]
    return [_with_copies(found[first]) for first in sorted(found)]


def _with_copies(files: list[SegmentFile]) -> SegmentFile:
    if len(files) == 1:
        return files[0]
    best = max(files, key=lambda each: (content_of(each), each.sealed))
    return msgspec.structs.replace(best, copies=tuple(each for each in files if each is not best))


def content_of(segment: SegmentFile) -> int:
    """Bytes of a body without the NUL bytes that were put ahead of an open one. Raises OSError."""
    with open_segment(segment) as file:
        end = file.seek(0, os.SEEK_END)
        while end and not segment.sealed:
            start = max(0, end - _CHUNK)
            file.seek(start)
            kept = file.read(end - start).rstrip(b"\0")
            if kept:
                return start + len(kept)
            end = start
        return end


def _companions(slot: Path) -> dict[int, set[str]]:
    """Which of note and leaf hashes there are in `sealed/`, by first leaf."""
    found: dict[int, set[str]] = {}
    home = slot / "sealed"
    for path in home.iterdir() if home.is_dir() else ():
        match = NOTE.fullmatch(path.name)
        if match:
            found.setdefault(int(match[1]), set()).add(match[2])
    return found


def open_segment(segment: SegmentFile) -> BinaryIO:
    """Open it where it is now: it may have been sealed since it was listed."""
    try:
        return segment.path.open("rb", buffering=1024 * 1024)
    except FileNotFoundError:
        moved = segment.path.parent / "sealed" / segment.path.name
        return moved.open("rb", buffering=1024 * 1024)


def size_of(segment: SegmentFile) -> int:
    """Bytes to read: of the body, or of the leaf hashes where it was pruned."""
    if segment.pruned:
        return segment.leaves.stat().st_size
    with open_segment(segment) as file:
        return os.fstat(file.fileno()).st_size


def lone_notes(slot: Path, segments: list[SegmentFile]) -> Iterator[str]:
    """Names of notes and leaf hashes in `sealed/` whose segment is nowhere, and that are no pair."""
    known = {segment.first for segment in segments}
    for home in (each / "sealed" for each in homes(slot)):
        for path in sorted(home.iterdir()) if home.is_dir() else ():
            match = NOTE.fullmatch(path.name)
            if match and int(match[1]) not in known:
                yield path.name


def torn_files(slot: Path) -> Iterator[tuple[Path, str, int, str]]:
    """(path, segment, offset, claimed SHA-256) of the bytes that recovery put aside."""
    for home in (each / "torn" for each in homes(slot)):
        for path in sorted(home.iterdir()) if home.is_dir() else ():
            match = TORN.fullmatch(path.name)
            if match:
                yield path, match[1], int(match[2]), match[3]


def is_live(slot: Path) -> bool:
    """Whether a writer holds the slot's lock at this moment."""
    try:
        fd = os.open(slot / "LOCK", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
