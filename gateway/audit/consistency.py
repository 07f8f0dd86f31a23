"""Consistency proofs (RFC 6962, section 2.1.2): that a tree of n leaves goes on from its own first m.

    >>> leaves = Leaves()
    >>> leaves.extend([leaf_hash(b"one"), leaf_hash(b"two")])
    >>> leaves.proof(1, 2) == [leaf_hash(b"two")]
    True

All leaf hashes are held, 32 bytes each: a log of heads grows by about 100 KB a day. Roots of larger
perfect subtrees never change and are kept, so that a proof costs no more than what is new.
"""

from collections.abc import Iterable
from hashlib import sha256

from gateway.audit.tree import EMPTY_ROOT

_HASH = 32
_KEPT = 256
"""Leaves of the smallest perfect subtree whose root is kept."""


class Leaves:
    """The leaf hashes of one log, from leaf 0."""

    def __init__(self) -> None:
        self._hashes = bytearray()
        self._roots: dict[tuple[int, int], bytes] = {}

    def __len__(self) -> int:
        return len(self._hashes) // _HASH

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Add leaf hashes of 32 bytes at the end."""
        for leaf in hashes:
            self._hashes += leaf

    def root(self, size: int) -> bytes:
        """Root of the first `size` leaves. Raises ValueError if there are not so many."""
        self._check(size)
        return self._subtree(0, size) if size else EMPTY_ROOT

    def proof(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `new` leaves begins with the one of `old`; empty for `old` = 0.

        Raises:
            ValueError: `old` is larger than `new`, or `new` than what is here.
        """
        self._check(new)
        if not 0 <= old <= new:
            raise ValueError("a proof goes from a smaller tree to a larger one")
        return self._proof(old, 0, new, whole=True) if old else []

    def _check(self, size: int) -> None:
        if not 0 <= size <= len(self):
            raise ValueError("there are fewer leaves than that")

    def _proof(self, old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        """SUBPROOF of the RFC over the leaves from `start` to `end`."""
        if old == end - start:
            return [] if whole else [self._subtree(start, end)]
        middle = start + _split(end - start)
        if start + old <= middle:
            return [*self._proof(old, start, middle, whole=whole), self._subtree(middle, end)]
        return [*self._proof(start + old - middle, middle, end, whole=False), self._subtree(start, middle)]

    def _subtree(self, start: int, end: int) -> bytes:
        """MTH of the RFC over the leaves from `start` to `end`, of which there is at least one."""
        count = end - start
        if count == 1:
            return bytes(self._hashes[start * _HASH : end * _HASH])
        kept = count >= _KEPT and not count & (count - 1)
        if kept and (start, end) in self._roots:
            return self._roots[start, end]
        middle = start + _split(count)
        root = sha256(b"\x01" + self._subtree(start, middle) + self._subtree(middle, end)).digest()
        if kept:
            self._roots[start, end] = root
        return root


def _split(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)
