"""A proof that a record stands in a log, as one file: C2SP tlog-proof (c2sp.org/tlog-proof@v1).

It holds the record's index, the hashes beside its way to the root, and a signed checkpoint with that
root; whoever has the record, or its leaf hash, and the log's key needs nothing else. Its `extra` line
carries the record's line here, if that was still stored: it is not vouched for by itself, but by its hash.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Self

import msgspec

from gateway.audit.verify_line import LARGEST_INTEGER, LONGEST
from gateway.audit.verify_note import Head, Malformed, read_note, strict_base64
from gateway.audit.verify_tree import leaf_hash, node_hash

HEADER = "c2sp.org/tlog-proof@v1\n"
LONGEST_PATH = 63
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")


class Proof(msgspec.Struct, frozen=True):
    """`path` begins beside the leaf and ends below the root. `line` is the record without its newline."""

    index: int
    path: tuple[bytes, ...]
    head: Head
    line: bytes | None = None

    def text(self) -> str:
        """The proof as a file holds it."""
        extra = "" if self.line is None else f"extra {b64encode(self.line).decode()}\n"
        path = "".join(b64encode(each).decode() + "\n" for each in self.path)
        return f"{HEADER}{extra}index {self.index}\n{path}\n{self.head.note()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the file's text. Raises Malformed."""
        if not text.startswith(HEADER):
            raise Malformed("not a C2SP tlog-proof")
        top, blank, note = text.removeprefix(HEADER).partition("\n\n")
        lines = top.split("\n")
        line = None
        if lines[0].startswith("extra "):
            line = strict_base64(lines.pop(0).removeprefix("extra "))
            if len(line) > LONGEST:
                raise Malformed("the record is longer than 60 KiB")
        match = _INDEX.fullmatch(lines[0]) if lines else None
        if not blank or match is None or int(match[1]) > LARGEST_INTEGER:
            raise Malformed("the proof has no index")
        path = tuple(strict_base64(each) for each in lines[1:])
        if len(path) > LONGEST_PATH or any(len(each) != 32 for each in path):
            raise Malformed("the proof's hashes are not SHA-256")
        return cls(int(match[1]), path, read_note(note), line)

    def leaf(self) -> bytes | None:
        """The leaf hash of the record that came with the proof; None if none did."""
        return None if self.line is None else leaf_hash(self.line)

    def proves(self, leaf: bytes) -> bool:
        """Whether a leaf of this hash stands at `index` in the tree of the checkpoint."""
        return root_of(leaf, self.index, self.head.size, self.path) == self.head.root


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion path leads to (RFC 9162, section 2.1.3.2); None if it cannot be one."""
    if not 0 <= index < size:
        return None
    node, last, total = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            total = node_hash(sibling, total)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            total = node_hash(total, sibling)
        node, last = node >> 1, last >> 1
    return total if last == 0 else None
