"""What the anchor log says of itself now, as anchors are given it."""

import re
from base64 import b64decode, b64encode
from itertools import pairwise
from pathlib import Path

from gateway.audit.anchors import Statement
from gateway.audit.consistency import Leaves
from gateway.audit.heads import LogHead, SignedHead, newest_head
from gateway.audit.lines import Checkpoint, Signer, checkpoint_body, checkpoint_note, timestamp
from gateway.audit.reading import open_segment
from gateway.audit.segment import SEALED, segments_in
from gateway.audit.tree import leaf_hash

_LEAVES = re.compile(r"seg-(\d{12,})\.leaves")


class AnchorLog:
    """Reads the log in `slot`; with `proving` it holds the leaves that consistency proofs are made of."""

    def __init__(self, slot: Path, signer: Signer, *, proving: bool) -> None:
        self.slot = slot
        self._signer = signer
        self._proving = proving
        self._leaves = Leaves()

    def statement(self, heads: tuple[LogHead, ...]) -> Statement:
        """The newest head of the anchor log; the empty tree, which goes on to every other, where there is none.

        Raises:
            OSError: the log cannot be read.
        """
        signed = newest_head(self.slot) or self._empty()
        if self._proving:
            _extend(self._leaves, self.slot, signed.head.size)
            if self._leaves.root(min(signed.head.size, len(self._leaves))) != _root(signed):
                self._leaves = Leaves()  # damaged: without leaves no proof is made, and the anchors say so
        return Statement(timestamp(), signed, heads, self._leaves)

    def _empty(self) -> SignedHead:
        origin, root = self._signer.name, Leaves().root(0)
        head = Checkpoint(0, root, self._signer.sign(checkpoint_body(origin, 0, root)))
        return SignedHead(LogHead(origin, b64encode(root).decode(), 0), checkpoint_note(origin, origin, head).decode())


def _root(signed: SignedHead) -> bytes:
    return b64decode(signed.head.root)


def _extend(leaves: Leaves, slot: Path, size: int) -> None:
    """Add what is missing up to `size` leaves, from `.leaves` files where there are any, else from the lines."""
    files = dict(segments_in(slot) + segments_in(slot / SEALED))
    for path in (slot / SEALED).glob("*.leaves"):
        match = _LEAVES.fullmatch(path.name)
        if match:
            files[int(match[1])] = path
    for first, following in pairwise([*sorted(files), size]):
        if first <= len(leaves) < following:
            leaves.extend(_hashes(files[first])[len(leaves) - first : size - first])


def _hashes(path: Path) -> list[bytes]:
    with open_segment(path) as file:
        data = file.read()
    if path.suffix == ".leaves":
        return [data[start : start + 32] for start in range(0, len(data), 32)]
    return [leaf_hash(line) for line in data.rstrip(b"\0").split(b"\n")[:-1]]
