"""Records as readers of the log want them, newest first. Views, not evidence: `verify` is the judge.

Only lines under a checkpoint are shown; a group that two segments hold is shown once.
"""

import heapq
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from gateway.audit.segment import SEGMENT_NAME
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

CHECKPOINT = b'"kind":"checkpoint"'
_BLOCK = 1 << 20
_LONGEST_GROUP = 1024
"""Lines before the `open` record of a segment that repeats a group (FORMAT.md, section 6); a writer's are fewer."""


class Entry(msgspec.Struct):
    """A record with what traces it back: origin and index name the leaf, `leaf` is its hash in hex."""

    origin: str
    slot: str
    index: int
    leaf: str
    record: dict[str, Any]


class Head(msgspec.Struct):
    """The first checkpoint that covers a record."""

    index: int
    size: int
    root: str
    signature: str


Choose = Callable[[bytes], bool]
"""A quick look at a raw line, to leave most of them undecoded."""


def slots_of(directory: Path) -> list[Path]:
    """Slot directories under a state or audit directory (or the one slot itself), by name."""
    home = directory / "audit" if (directory / "audit").is_dir() else directory
    if _has_segments(home):
        return [home]
    return [home / name for name in sorted(_names(home)) if _has_segments(home / name)]


def newest_first(slots: list[Path], choose: Choose | None = None) -> Iterator[Entry]:
    """Entries of several logs, merged by their time; of one time the last slot's first. No checkpoints.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; a line is not a record, which is for `verify` to judge.
    """
    streams = [_slot_backwards(slot, choose) for slot in reversed(slots)]
    return heapq.merge(*streams, key=lambda entry: str(entry.record.get("time", "")), reverse=True)


def find_index(slot: Path, index: int) -> tuple[Entry, Head] | None:
    """The record (of any kind) at a leaf, with its checkpoint; None where there is none."""
    origin = origin_of(slot)
    for first, path in reversed(segments_of(slot)):
        if first <= index:
            lines = _read(path)
            if index - first < len(lines):
                entry = _entry(slot, origin, lines[index - first])
                return (entry, _head(lines[index - first + (entry.record.get("kind") != "checkpoint") :]))
    return None


def head_of(slot: Path, entry: Entry) -> Head | None:
    found = find_index(slot, entry.index)
    return found[1] if found else None


def origin_of(slot: Path) -> str:
    """Name of the log, from the first `open` record of its oldest segment; empty if there is none."""
    return origin_in(segments_of(slot)[0][1])


def origin_in(segment: Path) -> str:
    """As `origin_of`, from the oldest segment."""
    with open_segment(segment) as file:
        for line in islice(file, _LONGEST_GROUP):
            try:
                record = msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                break
            if record.get("kind") == "open":
                return str(record.get("origin", ""))
    return ""


def pruned_until(slots: list[Path]) -> str:
    """The time up to which a record may be missing that was there once; empty where all of them are there."""
    times = [_first_time(segments[0][1]) for slot in slots if (segments := segments_of(slot)) and segments[0][0]]
    return max(times, default="")


def segments_of(slot: Path) -> list[tuple[int, Path]]:
    """Segments whose body is there, open or sealed, by the index of their first leaf."""
    found: dict[int, Path] = {}
    for home in (slot, slot / "sealed"):
        for name in _names(home):
            match = SEGMENT_NAME.fullmatch(name)
            if match:
                found[int(match[1])] = home / name
    return sorted(found.items())


def _first_time(segment: Path) -> str:
    with open_segment(segment) as file:
        for line in islice(file, _LONGEST_GROUP):
            try:
                time = msgspec.json.decode(line, type=dict[str, Any]).get("time")
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise unreadable() from None
            if isinstance(time, str):
                return time
    return ""


def _has_segments(slot: Path) -> bool:
    return any(SEGMENT_NAME.fullmatch(name) for home in (slot, slot / "sealed") for name in _names(home))


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - a directory of many thousands: names are enough
    except (FileNotFoundError, NotADirectoryError):
        return []


def open_segment(path: Path) -> BinaryIO:
    """Open a segment where it is now: it may have been sealed since it was listed.

    Raises:
        FileNotFoundError: its body is gone, as after `prune`.
    """
    try:
        return path.open("rb")
    except FileNotFoundError:
        return (path.parent / "sealed" / path.name).open("rb")


def end_of_groups(data: bytes, *, sealed: bool) -> int:
    """Where the last whole checkpoint line ends; 0 if there is none. What follows it is not durable yet.

    An open segment ends at its first NUL: a writer that goes on meanwhile may have put bytes after room
    that was read as still empty.
    """
    hole = -1 if sealed else data.find(b"\0")
    at = data.rfind(CHECKPOINT, 0, hole if hole >= 0 else len(data))
    while at >= 0:
        end = data.find(b"\n", at)
        if end >= 0:
            return end + 1
        at = data.rfind(CHECKPOINT, 0, at)
    return 0


def unreadable(what: str = "a line of the log cannot be read") -> StoreDown:
    return StoreDown(Posture.AUDIT_UNAVAILABLE, f"{what}: run `privacy-gateway audit verify`")


def _slot_backwards(slot: Path, choose: Choose | None) -> Iterator[Entry]:
    origin = origin_of(slot)
    ceiling: int | None = None
    for first, path in reversed(segments_of(slot)):
        try:
            file = open_segment(path)
        except FileNotFoundError:
            continue  # pruned since it was listed
        with file:
            end = _durable_end(file, sealed=path.parent.name == "sealed")
            for line in _lines_backwards(file, end):
                if (choose is None or choose(line)) and CHECKPOINT not in line:
                    entry = _entry(slot, origin, line)
                    if ceiling is None or entry.index < ceiling:
                        yield entry
        if end:  # else an older segment may still hold the group that this one is to repeat
            ceiling = first


def _durable_end(file: BinaryIO, *, sealed: bool) -> int:
    """Where the last checkpoint line of a segment ends."""
    size = os.fstat(file.fileno()).st_size
    if not sealed:
        size = _first_hole(file, size)
    window = _BLOCK
    while True:
        start = max(size - window, 0)
        end = end_of_groups(os.pread(file.fileno(), size - start, start), sealed=True)
        if end or not start:
            return start + end if end else 0
        window *= 4


def _first_hole(file: BinaryIO, size: int) -> int:
    for start in range(0, size, _BLOCK):
        hole = os.pread(file.fileno(), _BLOCK, start).find(b"\0")
        if hole >= 0:
            return start + hole
    return size


def _lines_backwards(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The lines before byte `end`, where one ends, the last first."""
    rest = b""
    while end:
        start = max(end - _BLOCK, 0)
        lines = (os.pread(file.fileno(), end - start, start) + rest).split(b"\n")
        yield from (line for line in reversed(lines[1:]) if line)
        rest, end = lines[0], start
    if rest:
        yield rest


def _read(path: Path) -> list[bytes]:
    """Lines up to the last checkpoint."""
    with open_segment(path) as file:
        data = file.read()
    end = end_of_groups(data, sealed=path.parent.name == "sealed")
    return data[: end - 1].split(b"\n") if end else []


def _entry(slot: Path, origin: str, line: bytes) -> Entry:
    try:
        record = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise unreadable() from None
    return Entry(origin, slot.name, record.get("index", -1), sha256(b"\x00" + line).hexdigest(), record)


def _head(lines: list[bytes]) -> Head:
    return next(msgspec.json.decode(line, type=Head) for line in lines if CHECKPOINT in line)
