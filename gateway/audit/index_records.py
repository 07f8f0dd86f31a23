"""Reading a record from where the index says it stands, and believing the log only.

Whoever can write the index can hide a record, which no view can show; what it shows is a line of the
log, under a checkpoint, at its own place, with the hash and the time that the index has for it.
"""

import os
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from gateway.audit.index_fill import LONGEST_LINE, Slot
from gateway.audit.index_lines import INDEX_BITS, LEAF_BYTES, micros
from gateway.audit.reading import CHECKPOINT, Entry, Head, open_segment, segments_of
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

OPEN_FILES = 64
AHEAD = 64 * 1024
"""Bytes that are read at a time to find the checkpoint over a record: most groups are smaller."""


class Stale(StoreDown):
    """The index and the log say different things: one of them was changed behind the other's back."""


class Place(NamedTuple):
    """A row of the index; ordered as results are."""

    time: int
    id: int
    form: int
    segment: int
    offset: int
    length: int
    leaf: bytes


class _File(NamedTuple):
    file: BinaryIO
    sealed: bool


class Records:
    """Open segments of one search. Not for several threads."""

    def __init__(self, slots: dict[int, Slot], firsts: dict[int, tuple[int, int]]) -> None:
        """`firsts` has the slot and the first leaf of each segment, by the number that the index gave it."""
        self._slots = slots
        self._firsts = firsts
        self._paths: dict[int, dict[int, Path]] = {}
        self._files: OrderedDict[int, _File] = OrderedDict()
        self._covered: dict[int, int] = {}

    def read(self, place: Place) -> Entry | None:
        """The record at a place; None where its segment was pruned meanwhile.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; the index says other than the log.
        """
        slot = self._slots.get(place.id >> INDEX_BITS)
        index = place.id & ((1 << INDEX_BITS) - 1)
        if slot is None or not 0 <= place.offset <= place.offset + place.length < 1 << 62:
            raise stale()
        opened = self._open(slot, place)
        if opened is None:
            return None
        line = _line(opened.file, place)
        leaf = sha256(b"\x00" + line).digest()
        try:
            record = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise stale() from None
        right = leaf[:LEAF_BYTES] == place.leaf and record.get("index") == index and CHECKPOINT not in line
        if not right or micros(str(record.get("time"))) != place.time or not self._is_covered(opened, place):
            raise stale()
        return Entry(slot.origin, slot.path.name, index, leaf.hex(), record)

    def head(self, place: Place) -> Head | None:
        """The first checkpoint after a place; None where there is none any more."""
        slot = self._slots.get(place.id >> INDEX_BITS)
        opened = self._open(slot, place) if slot is not None else None
        found = _checkpoint_after(opened.file, place.offset + place.length) if opened is not None else None
        return msgspec.json.decode(found[0], type=Head) if found is not None else None

    def close(self) -> None:
        while self._files:
            self._files.popitem()[1].file.close()

    def _open(self, slot: Slot, place: Place) -> _File | None:
        opened = self._files.get(place.segment)
        if opened is not None:
            self._files.move_to_end(place.segment)
            return opened
        belongs, first = self._firsts.get(place.segment, (-1, -1))
        if belongs != slot.id:
            raise stale()
        if slot.id not in self._paths:
            self._paths[slot.id] = dict(segments_of(slot.path))
        path = self._paths[slot.id].get(first)
        if path is None:
            return None
        try:
            opened = _File(open_segment(path), path.parent.name == "sealed")
        except FileNotFoundError:
            return None
        if len(self._files) >= OPEN_FILES:
            self._files.popitem(last=False)[1].file.close()
        self._files[place.segment] = opened
        return opened

    def _is_covered(self, opened: _File, place: Place) -> bool:
        """Whether a checkpoint follows. A sealed segment ends in one."""
        end = place.offset + place.length
        if opened.sealed or end <= self._covered.get(place.segment, 0):
            return True
        found = _checkpoint_after(opened.file, end)
        if found is None:
            return False
        self._covered[place.segment] = found[1]
        return True


def stale() -> Stale:
    why = "the index is stale: run `privacy-gateway audit index --rebuild` (and `audit verify` if it stays so)"
    return Stale(Posture.AUDIT_UNAVAILABLE, why)


def _line(file: BinaryIO, place: Place) -> bytes:
    """The bytes at the place, if they are one whole line."""
    if place.length > LONGEST_LINE:
        raise stale()
    start = max(place.offset - 1, 0)
    stored = os.pread(file.fileno(), place.offset - start + place.length + 1, start)
    line = stored[place.offset - start : -1]
    whole = stored[-1:] == b"\n" and len(line) == place.length and b"\n" not in line
    if not whole or (place.offset and stored[:1] != b"\n"):
        raise stale()
    return line


def _checkpoint_after(file: BinaryIO, offset: int) -> tuple[bytes, int] | None:
    """The first whole checkpoint line that begins at or after the newline at `offset`, and where it ends."""
    data, offset = b"", offset + 1
    while piece := os.pread(file.fileno(), AHEAD, offset + len(data)):
        data += piece
        hole = data.find(b"\0")
        known = data if hole < 0 else data[:hole]
        at = known.find(CHECKPOINT)
        end = known.find(b"\n", at) if at >= 0 else -1
        if end >= 0:
            return known[known.rfind(b"\n", 0, at) + 1 : end], offset + end
        if hole >= 0:
            return None
        if at < 0:
            # Only what may be the beginning of the checkpoint's line is kept.
            start = data.rfind(b"\n") + 1
            data, offset = data[start:], offset + start
    return None
