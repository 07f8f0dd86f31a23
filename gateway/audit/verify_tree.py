"""The verifier's own Merkle tree (RFC 6962, section 2.1), written as a binary counter of subtrees.

It is fed every leaf in order and answers for the root at any size on the way. It shares no code with
the writer's `tree.py`, so that a mistake there cannot hide itself.
"""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """Hash of a leaf: the stored line without its newline."""
    return sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


_MOST_WAITING = 4096


class Counter:
    """A growing tree: counts leaves, and keeps one hash for each bit set in their number."""

    def __init__(self) -> None:
        self.leaves = 0
        self._levels: list[bytes | None] = []
        self._waiting: list[bytes] = []

    @classmethod
    def at(cls, size: int, frontier: Sequence[bytes]) -> "Counter":
        """The tree of `size` leaves whose perfect subtrees, the largest first, are `frontier`.

        Raises:
            ValueError: there is not one hash of 32 bytes for each bit set in the size.
        """
        if size < 0 or len(frontier) != size.bit_count() or any(len(each) != 32 for each in frontier):
            raise ValueError("a frontier has one hash for each bit set in the size")
        counter = cls()
        counter.leaves = size
        rest = list(frontier)
        counter._levels = [rest.pop() if size >> level & 1 else None for level in range(size.bit_length())]
        return counter

    def add(self, leaf: bytes) -> None:
        """Count one more leaf hash."""
        self._waiting.append(leaf)
        self.leaves += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Count more leaf hashes."""
        self._waiting += leaves
        self.leaves += len(leaves)
        if len(self._waiting) > _MOST_WAITING:
            self._settle()

    def _settle(self) -> None:
        """Work in the leaves that wait, level by level: many at once are hashed in one sweep."""
        nodes, self._waiting = self._waiting, []
        levels = self._levels
        level = 0
        while nodes:
            if level == len(levels):
                levels.append(None)
            held = levels[level]
            if held is not None:
                nodes.insert(0, held)
            levels[level] = nodes[-1] if len(nodes) & 1 else None
            pairs = iter(nodes)
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
            level += 1

    @property
    def levels(self) -> list[bytes | None]:
        """Number n is the root of the perfect subtree of 2**n leaves, if there is one."""
        if self._waiting:
            self._settle()
        return self._levels

    def root(self) -> bytes:
        total: bytes | None = None
        for held in self.levels:
            if held is not None:
                total = held if total is None else sha256(b"\x01" + held + total).digest()
        return EMPTY_ROOT if total is None else total

    def subtrees(self) -> list[bytes]:
        """Roots of the perfect subtrees, the largest first."""
        return [held for held in reversed(self.levels) if held is not None]

    def frontier(self) -> list[str]:
        """`subtrees` as an `open` record writes them."""
        return [b64encode(held).decode() for held in self.subtrees()]

    def place(self, level: int, roots: Sequence[bytes | None]) -> None:
        """Put roots of perfect subtrees where none are, from this level on; for trees that come in tiles."""
        levels = self.levels
        levels += [None] * (level + len(roots) - len(levels))
        for offset, root in enumerate(roots):
            if root is not None:
                levels[level + offset] = root
                self.leaves += 1 << level + offset

    def clone(self) -> "Counter":
        other = Counter()
        other.leaves = self.leaves
        other._levels = list(self._levels)
        other._waiting = list(self._waiting)
        return other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counter) and (self.leaves, self.subtrees()) == (other.leaves, other.subtrees())

    __hash__ = None  # type: ignore[assignment]  # it changes
