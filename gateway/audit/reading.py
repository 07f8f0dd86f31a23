"""Records as readers of the log want them, newest first. Views, not evidence: `verify` is the judge.

Only lines under a checkpoint are shown; a group that two segments hold is shown once.
"""

import heapq
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from gateway.model.errors import StoreDown
from gateway.model.words import Posture

_SEGMENT = re.compile(r"seg-(\d{12,})\.jsonl")
_CHECKPOINT = b'"kind":"checkpoint"'


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
    if _segments(home):
        return [home]
    children = sorted(home.iterdir()) if home.is_dir() else []
    return [path for path in children if path.is_dir() and _segments(path)]


def newest_first(slots: list[Path], choose: Choose | None = None) -> Iterator[Entry]:
    """Entries of several logs, merged by their time. Checkpoints are left out.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; a line is not a record, which is for `verify` to judge.
    """
    streams = [_slot_backwards(slot, choose) for slot in slots]
    return heapq.merge(*streams, key=lambda entry: str(entry.record.get("time", "")), reverse=True)


def find_index(slot: Path, index: int) -> tuple[Entry, Head] | None:
    """The record (of any kind) at a leaf, with its checkpoint; None where there is none."""
    origin = origin_of(slot)
    for first, path in reversed(_segments(slot)):
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
    """Name of the log, from its oldest record; empty if that is no `open` record."""
    segments = _segments(slot)
    with segments[0][1].open("rb") as file:
        try:
            record = msgspec.json.decode(file.readline(), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ""
    return str(record.get("origin", ""))


def _slot_backwards(slot: Path, choose: Choose | None) -> Iterator[Entry]:
    origin = origin_of(slot)
    ceiling: int | None = None
    for first, path in reversed(_segments(slot)):
        lines = _read(path)
        if ceiling is not None:
            del lines[max(ceiling - first, 0) :]
        ceiling = first
        for line in reversed(lines):
            if (choose is None or choose(line)) and _CHECKPOINT not in line:
                yield _entry(slot, origin, line)


def _segments(slot: Path) -> list[tuple[int, Path]]:
    found: dict[int, Path] = {}
    for home in (slot, slot / "sealed"):
        for path in home.iterdir() if home.is_dir() else ():
            match = _SEGMENT.fullmatch(path.name)
            if match:
                found[int(match[1])] = path
    return sorted(found.items())


def _read(path: Path) -> list[bytes]:
    """Lines up to the last checkpoint; what stands after it is not durable yet."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = (path.parent / "sealed" / path.name).read_bytes()  # sealed since it was listed
    end = data.find(b"\n", max(data.rfind(_CHECKPOINT), 0))
    return data[:end].split(b"\n") if _CHECKPOINT in data and end >= 0 else []


def _entry(slot: Path, origin: str, line: bytes) -> Entry:
    try:
        record = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        why = "a line of the log cannot be read: run `privacy-gateway audit verify`"
        raise StoreDown(Posture.AUDIT_UNAVAILABLE, why) from None
    return Entry(origin, slot.name, record.get("index", -1), sha256(b"\x00" + line).hexdigest(), record)


def _head(lines: list[bytes]) -> Head:
    return next(msgspec.json.decode(line, type=Head) for line in lines if _CHECKPOINT in line)
