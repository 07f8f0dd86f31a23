"""The verifier's own Merkle tree (RFC 6962, section 2.1), written as a binary counter of subtrees.

It is fed every leaf in order and answers for the root at any size on the way. It shares no code with
the writer's `tree.py`, so that a mistake there cannot hide itself.
"""

import hashlib
from base64 import b64encode


class Counter:
    """`levels[n]` holds the root of a perfect subtree of 2**n leaves, or None."""

    def __init__(self) -> None:
        self.leaves = 0
        self.levels: list[bytes | None] = []

    def add(self, line: bytes) -> None:
        """Count one more leaf: the stored line without its newline."""
        carry = hashlib.sha256(b"\x00" + line).digest()
        self.leaves += 1
        levels = self.levels
        for level, held in enumerate(levels):
            if held is None:
                levels[level] = carry
                return
            carry = hashlib.sha256(b"\x01" + held + carry).digest()
            levels[level] = None
        levels.append(carry)

    def root(self) -> bytes:
        total: bytes | None = None
        for held in self.levels:
            if held is not None:
                total = held if total is None else hashlib.sha256(b"\x01" + held + total).digest()
        return hashlib.sha256(b"").digest() if total is None else total

    def frontier(self) -> list[str]:
        """Perfect subtrees, the largest first, as an `open` record writes them."""
        return [b64encode(held).decode() for held in reversed(self.levels) if held is not None]

    def clone(self) -> "Counter":
        other = Counter()
        other.leaves = self.leaves
        other.levels = list(self.levels)
        return other
