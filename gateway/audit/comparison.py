"""The logs on disk against heads that were kept: is anything smaller, missing, or another history?

A quick look before a gateway starts, not the audit: that every line hashes to its checkpoint is for
`verify` to say. What is compared is whether the log still holds the very checkpoint that was kept.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gateway.audit.heads import LogHead, first_leaves, newest_head, slots_with_keys
from gateway.audit.reading import open_segment
from gateway.audit.segment import SEALED, segments_in


class Pin(msgspec.Struct, frozen=True):
    """A head, and who kept it."""

    source: str
    head: LogHead


def contradictions(audit: Path, pins: Iterable[Pin]) -> list[str]:
    """One sentence for each log that is not what a pin says it was; empty where all is as it should be.

    Raises:
        OSError: the directory cannot be read.
    """
    slots = slots_with_keys(audit)
    return [found for pin in pins if (found := _contradiction(slots, pin))]


def _contradiction(slots: Mapping[str, Path], pin: Pin) -> str:
    kept = pin.head
    slot = slots.get(kept.origin)
    newest = newest_head(slot) if slot is not None else None
    if slot is None or newest is None:
        return f"log {kept.origin} is missing, and {pin.source} kept its head with {kept.size} leaves"
    size = newest.head.size
    if size < kept.size:
        return f"log {kept.origin} has {size} leaves, and {pin.source} kept its head with {kept.size}"
    same = newest.head.root == kept.root if size == kept.size else _holds(slot, kept)
    return "" if same else f"log {kept.origin} has another history than the {kept.size} leaves that {pin.source} kept"


def _holds(slot: Path, head: LogHead) -> bool:
    """Whether the log has this checkpoint; True where retention took the lines that would say it."""
    if not head.size:
        return True
    bodies = dict(segments_in(slot / SEALED) + segments_in(slot))
    first = max((first for first in {*bodies, *first_leaves(slot)} if first <= head.size), default=-1)
    if first not in bodies:
        return first >= 0
    with open_segment(bodies[first]) as file:
        return b'{"index":%d,"kind":"checkpoint","root":"%b",' % (head.size, head.root.encode()) in file.read()
