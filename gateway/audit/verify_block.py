"""Lines of a segment in blocks: read, decoded, judged and hashed many at a time, never all at once."""

from hashlib import sha256
from typing import Any, BinaryIO

from gateway.audit.verify_line import LONGEST, BadLine, read_line
from gateway.audit.verify_plain import PlainLines

BLOCK = 32 * 1024
"""Small enough for the processor's cache: larger ones gain nothing."""


class BlockStream:
    """The whole lines of a file from a position on; `at` is the first one that was not taken yet.

    `lines, kinds, times, leaves` are those of the present block that are good; `fault` says what is wrong
    with the line after them, if anything is. `records` are whole, or none where no record is to be looked into.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self._plain = PlainLines()
        self._clear()

    def _clear(self) -> None:
        self.at = 0
        self.fault = ""
        self.lines: list[bytes] = []
        self.kinds: list[str] = []
        self.times: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.leaves: list[bytes] = []

    def seek(self, position: int) -> None:
        """Forget the block and go on from this byte."""
        self._file.seek(position)
        self._rest = b""
        self._clear()

    @property
    def empty(self) -> bool:
        return self.at == len(self.kinds)

    def fill(self, index: int) -> bool:
        """Take the next block in, whose first line is to have this index; False where no whole line follows."""
        self._clear()
        data = self._rest
        while (end := data.rfind(b"\n") + 1) == 0:
            more = self._file.read(BLOCK) if len(data) <= LONGEST else b""
            if not more:
                self._rest = data
                return False
            data += more
        self._rest = data[end:]
        block = data[:end]
        lines = block.split(b"\n")
        lines.pop()
        found = self._plain.read(block, lines, index)
        if found is not None:
            self.kinds, self.times = found
        else:
            self._one_by_one(lines, index)
            del lines[len(self.records) :]
        self.lines = lines
        self.leaves = [sha256(b"\x00" + line).digest() for line in lines]
        return True

    def _one_by_one(self, lines: list[bytes], index: int) -> None:
        for place, line in enumerate(lines, index):
            try:
                record = read_line(line)
            except BadLine as error:
                self.fault = str(error)
                return
            if record["index"] != place:
                self.fault = "a line's index is not its place"
                return
            self.records.append(record)
            self.kinds.append(record["kind"])
            self.times.append(record.get("time", ""))

    def checkpoint(self) -> int:
        """Where in the block the next checkpoint is; the block's length if it is not there."""
        try:
            return self.kinds.index("checkpoint", self.at)
        except ValueError:
            return len(self.kinds)
