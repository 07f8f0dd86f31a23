"""The writer's side of the Merkle tree of RFC 6962 (RFC 9162, section 2.1): grows at the right only.

    >>> tree = Tree()
    >>> tree.append(leaf_hash(b"line"))
    >>> tree.size
    1

The verifier has its own implementation (`verify_tree.py`) and shares nothing with this one.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Self

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """Hash of a leaf: the stored line without its newline."""
    return sha256(b"\x00" + line).digest()


class Tree:
    """A growing tree that keeps only its frontier: the roots of the perfect subtrees, largest first.

    There is one for each bit that is set in `size`, so memory is O(log size) and appending costs one
    interior hash on average.
    """

    __slots__ = ("frontier", "size")

    def __init__(self, size: int = 0, frontier: tuple[bytes, ...] = ()) -> None:
        if len(frontier) != size.bit_count():
            raise ValueError("a frontier has one hash for each bit set in the size")
        self.size = size
        self.frontier = list(frontier)

    def append(self, leaf: bytes) -> None:
        size = self.size
        frontier = self.frontier
        while size & 1:
            leaf = sha256(b"\x01" + frontier.pop() + leaf).digest()
            size >>= 1
        frontier.append(leaf)
        self.size += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """As `append` of each in turn; all nodes of one level are hashed in one sweep."""
        size, frontier = self.size, self.frontier
        self.size += len(leaves)
        nodes = list(leaves)
        grown: list[bytes] = []
        while nodes:
            if size & 1:
                nodes.insert(0, frontier.pop())
            size >>= 1
            if len(nodes) & 1:
                grown.append(nodes[-1])
            pairs = iter(nodes)
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
        frontier += reversed(grown)

    def root(self) -> bytes:
        """Root over all leaves so far."""
        if not self.frontier:
            return EMPTY_ROOT
        right = self.frontier[-1]
        for left in self.frontier[-2::-1]:
            right = sha256(b"\x01" + left + right).digest()
        return right

    def copy(self) -> Self:
        return type(self)(self.size, tuple(self.frontier))
