"""Newline-delimited JSON: each line is a document of its own, and `$` is that line's root.

Blank lines stay. A line in which nothing changes keeps its exact bytes, line end included.
"""

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.json_body import JsonDocument, open_json
from gateway.documents.json_text import WHITESPACE
from gateway.documents.media import Media
from gateway.model.address import Address
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture


class NdjsonDocument:
    """The records of one body, None for a blank line; make it with `open_ndjson`."""

    __slots__ = ("_body", "_lines", "_records")

    media = Media.NDJSON

    def __init__(self, body: bytes, lines: list[bytes], records: list[JsonDocument | None]) -> None:
        self._body = body
        self._lines = lines
        self._records = records

    def read(self, address: Address) -> list[str]:
        """Text of every scalar that the address selects in any record (see JsonDocument.read)."""
        return [text for record in self._records if record is not None for text in record.read(address)]

    def edit(self, edit: PartEdit) -> Edited:
        """The edit carried out on each record; counts are summed (see JsonDocument.edit)."""
        counts = [0] * edit.size
        unlisted = 0
        lines = []
        changed = False
        for line, record in zip(self._lines, self._records, strict=True):
            if record is None:
                lines.append(line)
                continue
            edited = record.edit(edit)
            lines.append(edited.content)
            changed = changed or edited.content is not line
            unlisted += edited.unlisted
            for index, count in enumerate(edited.counts):
                counts[index] += count
        return Edited(b"\n".join(lines) if changed else self._body, tuple(counts), unlisted)


def open_ndjson(body: bytes, limits: Limits, *, collapse_duplicates: bool = False) -> NdjsonDocument:
    """Open every record.

    Raises:
        Unreadable: OVER_SIZE for a line over `limits.ndjson_record` bytes, and all that `open_json`
            raises for one record.
    """
    lines = body.split(b"\n")
    records = []
    for line in lines:
        if len(line) > limits.ndjson_record:
            raise Unreadable(Posture.OVER_SIZE, "a record is too long")
        blank = not line.strip(WHITESPACE)
        records.append(None if blank else open_json(line, limits, collapse_duplicates=collapse_duplicates))
    return NdjsonDocument(body, lines, records)
