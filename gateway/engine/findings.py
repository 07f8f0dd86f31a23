"""What a message holds by the looks of it, where no rule lists its fields: addresses, classes and counts, no value.

What is found is for maps and records of messages that pass untouched. It decides nothing.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from gateway.detect.fields import classes_of_field
from gateway.documents.document import Opened
from gateway.documents.values import Value, values_of_body, values_of_head
from gateway.model.errors import Unreadable
from gateway.model.message import HeaderPairs
from gateway.model.words import Direction, Posture

VALUES_AT_MOST = 2000
"""Values of one message that are looked at."""

FIELDS_AT_MOST = 50
"""Addresses in one record; what is found at others is counted for the whole part."""


class Finding(msgspec.Struct, frozen=True):
    """A class (full key) at an address as an outline writes it; `count` is how many values there are."""

    address: str
    data_class: str
    count: int


class Findings(msgspec.Struct, frozen=True):
    """`unread` is why some of the message was not looked at: the posture of what cannot be read, or is too much."""

    fields: tuple[Finding, ...] = ()
    unread: str = ""

    @property
    def classes(self) -> frozenset[str]:
        return frozenset(field.data_class for field in self.fields)


def findings(direction: Direction, target: bytes, headers: HeaderPairs, opened: Opened | None) -> Findings:
    """Look at a message; `opened` is its body, None where it has none or nobody could open it."""
    counts: dict[tuple[str, str], int] = {}
    unread = _count(values_of_head(direction, target, headers), counts)
    if opened is not None:
        unread = _count(values_of_body(opened), counts) or unread
    return Findings(tuple(_bounded(counts)), unread)


def _count(values: Iterable[Value], counts: dict[tuple[str, str], int]) -> str:
    """Count what one part holds; why something of it was not looked at."""
    values = iter(values)
    try:
        for value in islice(values, VALUES_AT_MOST):
            for data_class in classes_of_field(value.names, value.value):
                key = (value.address, data_class)
                counts[key] = counts.get(key, 0) + 1
        return "" if next(values, None) is None else Posture.DETECTOR_BUDGET
    except Unreadable as doubt:
        return doubt.posture


def _bounded(counts: dict[tuple[str, str], int]) -> Iterator[Finding]:
    """Findings by address; those of addresses beyond the bound by the part of the message that they are in."""
    addresses = sorted({address for address, _ in counts})[:FIELDS_AT_MOST]
    found: dict[tuple[str, str], int] = {}
    for (address, data_class), count in counts.items():
        place = address if address in addresses else _part_of(address)
        found[place, data_class] = found.get((place, data_class), 0) + count
    for (address, data_class), count in sorted(found.items()):
        yield Finding(address, data_class, count)


def _part_of(address: str) -> str:
    """As records write what no rule lists: `body:*`, `header:*`, `cookie:*`, `query:*`."""
    place, colon, _ = address.partition(":")
    return f"{place}:*" if colon and not address.startswith("$") and place not in ("form", "part") else "body:*"
