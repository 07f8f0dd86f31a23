"""The file of leaf hashes beside a sealed segment, compared with the body while that is read."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO, Self

from gateway.audit.verify_files import SegmentFile, open_segment
from gateway.audit.verify_line import LONGEST
from gateway.audit.verify_report import Broken, Finding, Verdict
from gateway.audit.verify_tree import leaf_hash

WIDTH = 32


def first_leaves(segment: SegmentFile, count: int) -> list[bytes]:
    """The leaf hashes of a segment's first lines, as many as there are. Raises OSError."""
    if segment.pruned:
        with segment.leaves.open("rb") as file:
            data = file.read(count * WIDTH)
        return [data[at : at + WIDTH] for at in range(0, len(data), WIDTH)]
    found: list[bytes] = []
    with open_segment(segment) as file:
        while len(found) < count and (line := file.readline(LONGEST + 1)).endswith(b"\n"):
            found.append(leaf_hash(line[:-1]))
    return found


class LeavesBeside(AbstractContextManager["LeavesBeside"]):
    """Does nothing where there is no such file: segments sealed by older versions have none."""

    def __init__(self, segment: SegmentFile, file: BinaryIO | None) -> None:
        self._segment = segment
        self._file = file
        self._index = segment.first

    @classmethod
    def of(cls, segment: SegmentFile) -> Self:
        """Open the file if the segment is sealed and has one. Raises OSError where it cannot be read."""
        there = segment.sealed and segment.leaves.is_file()
        return cls(segment, segment.leaves.open("rb", buffering=64 * 1024) if there else None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def compare(self, leaves: list[bytes]) -> None:
        """The next leaves of the body. Raises Broken where the file holds others."""
        if self._file is None or not leaves:
            return
        if self._file.read(len(leaves) * WIDTH) != b"".join(leaves):
            self._differs(len(leaves))
        self._index += len(leaves)

    def finish(self, body: BinaryIO, position: int) -> None:
        """Nothing may follow but hashes of the lines that follow the last group, from `position` on."""
        if self._file is None:
            return
        body.seek(position)
        while found := self._file.read(WIDTH):
            line = body.readline(LONGEST + 1)
            if not line.endswith(b"\n") or found != leaf_hash(line[:-1]):
                self._differs(1)
            self._index += 1

    def _differs(self, count: int) -> None:
        why = "the leaf hashes beside a segment are not those of its lines"
        last = self._index + count - 1
        raise Broken(Finding(Verdict.TAMPERED, why, self._segment.leaves.name, -1, self._index, last))
