"""The files of a log as the verifier finds them: slots, segments, notes, and whether a writer is alive."""

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

SEGMENT = re.compile(r"seg-(\d{12,})\.jsonl")
NOTE = re.compile(r"seg-(\d{12,})\.(note|leaves)")
TORN = re.compile(r"(seg-\d{12,}\.jsonl)\.(\d+)\.([0-9a-f]{64})")


class SegmentFile(msgspec.Struct, frozen=True):
    """`first` is what the name claims to be the index of the first leaf. `pruned`: there is no body at `path`."""

    first: int
    path: Path
    sealed: bool
    pruned: bool = False

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
    return sorted(path for path in home.iterdir() if path.is_dir() and _is_slot(path))


def _is_slot(path: Path) -> bool:
    if (path / "log.vkey").is_file() or (path / "LOCK").is_file() or (path / "sealed").is_dir():
        return True
    return path.is_dir() and any(SEGMENT.fullmatch(entry.name) for entry in path.iterdir())


def find_segments(slot: Path) -> list[SegmentFile]:
    """By first leaf. The open ones are listed first, so that one being sealed meanwhile is not missed.

    A sealed segment of which only note and leaf hashes are left is listed as pruned.
    """
    found: dict[tuple[int, bool], SegmentFile] = {}
    for sealed in (False, True):
        home = slot / "sealed" if sealed else slot
        for path in home.iterdir() if home.is_dir() else ():
            match = SEGMENT.fullmatch(path.name)
            if match:
                found[int(match[1]), sealed] = SegmentFile(int(match[1]), path, sealed)
    for first, sealed in list(found):
        moved = (first, True) in found and not sealed and not found[first, False].path.exists()
        if moved:
            del found[first, False]
    firsts = {first for first, _ in found}
    for first, kinds in _companions(slot).items():
        if first not in firsts and kinds == {"note", "leaves"}:
            path = slot / "sealed" / f"seg-{first:012d}.jsonl"
            found[first, True] = SegmentFile(first, path, sealed=True, pruned=True)
    return [found[key] for key in sorted(found)]


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
    home = slot / "sealed"
    for path in sorted(home.iterdir()) if home.is_dir() else ():
        match = NOTE.fullmatch(path.name)
        if match and int(match[1]) not in known:
            yield path.name


def torn_files(slot: Path) -> Iterator[tuple[Path, str, int, str]]:
    """(path, segment, offset, claimed SHA-256) of the bytes that recovery put aside."""
    home = slot / "torn"
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
