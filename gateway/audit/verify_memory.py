"""What was kept of a log earlier, and the comparison with what the log holds now."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from gateway.audit.verify_report import Finding, Verdict
from gateway.audit.verify_tree import Counter

_WIDTH = 32
MOST_CONFLICTS = 10
"""Contradictions that are named; one is enough for the verdict."""


class Hashes:
    """SHA-256 values by number, in order: 40 bytes for each, so that a year of heads fits in memory."""

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.values = bytearray()

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, number: int, value: bytes) -> bool:
        """Keep the value; False if another one is kept for this number."""
        place = bisect_left(self.numbers, number)
        if place < len(self.numbers) and self.numbers[place] == number:
            return self._at(place) == value
        self.numbers.insert(place, number)
        self.values[place * _WIDTH : place * _WIDTH] = value
        return True

    def between(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """(number, value) of those from `first` to `last`, both included."""
        for place in range(bisect_left(self.numbers, first), bisect_right(self.numbers, last)):
            yield self.numbers[place], self._at(place)

    def part(self, first: int, last: int) -> "Hashes":
        """A copy of those from `first` to `last`."""
        other = Hashes()
        low, high = bisect_left(self.numbers, first), bisect_right(self.numbers, last)
        other.numbers = self.numbers[low:high]
        other.values = self.values[low * _WIDTH : high * _WIDTH]
        return other

    def merge(self, other: "Hashes") -> int | None:
        """Take all of `other` in; gives the first number for which the two differ, if there is one."""
        return next((number for number, value in other if not self.add(number, value)), None)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return ((number, self._at(place)) for place, number in enumerate(self.numbers))

    def _at(self, place: int) -> bytes:
        return bytes(self.values[place * _WIDTH : (place + 1) * _WIDTH])


class Memory(msgspec.Struct):
    """Roots by size and leaf hashes by index of one log. `pinned` and `receipt` are what findings call them."""

    pinned: str
    receipt: str
    roots: Hashes
    leaves: Hashes

    @classmethod
    def empty(cls, pinned: str, receipt: str = "") -> "Memory":
        return cls(pinned, receipt, Hashes(), Hashes())

    def __bool__(self) -> bool:
        return bool(len(self.roots) or len(self.leaves))

    def part(self, first: int, last: int) -> "Memory":
        """What concerns a segment of the leaves from `first` to `last`."""
        return Memory(self.pinned, self.receipt, self.roots.part(first, last + 1), self.leaves.part(first, last))

    def conflicts(self, before: Counter, leaves: Sequence[bytes], segment: str) -> Iterator[Finding]:
        """What contradicts these leaves, which follow the tree `before`."""
        first = before.leaves
        for index, value in self.leaves.between(first, first + len(leaves) - 1):
            if leaves[index - first] != value:
                why = f"another leaf than the {self.receipt}'s at this index"
                yield Finding(Verdict.FORK, why, segment, -1, index, index)
        tree: Counter | None = None
        for size, root in self.roots.between(first + 1, first + len(leaves)):
            if tree is None:
                tree = before.clone()
            tree.extend(leaves[tree.leaves - first : size - first])
            if tree.root() != root:
                why = f"another root than the {self.pinned} one at this size"
                yield Finding(Verdict.FORK, why, segment, -1, size, size)

    def beyond(self, leaves: int) -> Iterator[Finding]:
        """What speaks of more leaves than the log has: the largest of each sort."""
        for hashes, what, extra in ((self.roots, f"a {self.pinned} head", 0), (self.leaves, f"a {self.receipt}", 1)):
            largest = hashes.numbers[-1] + extra if len(hashes) else 0
            if largest > leaves:
                why = f"{what} covers {largest} leaves, the log has {leaves}"
                yield Finding(Verdict.ROLLED_BACK, why, "", -1, leaves, largest - 1)
