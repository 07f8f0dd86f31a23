"""JSON arrays and newline-delimited JSON edited item by item as they flow.

Every item is opened and edited by the very code that edits whole documents, under the same limits,
before a byte of it goes on. What stands around the array is edited in two pieces, up to its `[` and
from its `]` on. What is between the items stays as it is, also where items change; an item that goes
takes the white space in front of it along.

Limits hold for each item, and for all that is around them, as for a body. A name that stands twice
around the array is refused even where duplicates are collapsed: the first one is gone by then.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec

from gateway.documents.edit import Edited, PartEdit
from gateway.documents.item_array import ItemArray
from gateway.documents.item_edit import ItemRewrite
from gateway.documents.item_scan import ItemScanner, array_end, array_start, gaps
from gateway.documents.json_body import open_json
from gateway.documents.json_rewrite import decode_elements
from gateway.documents.json_text import WHITESPACE
from gateway.documents.multipart_stream import Piece
from gateway.documents.ndjson_body import open_ndjson
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture

_FEW: Final = 4096
"""Bytes that are looked at again whenever anything comes."""

_MANY: Final = 65536
"""Beyond these, as many again have to come."""


class BodyStream(Protocol):
    """A body on its way through an edit; one for each message."""

    def feed(self, chunk: bytes) -> Iterable[Piece]:
        """What may be sent after these bytes. Raises Unreadable: nothing more may be sent."""
        ...

    def finish(self) -> Iterable[Piece]:
        """Say that the body ended. Raises Unreadable where it is not complete."""
        ...


class _Held:
    """Bytes that wait for more: the more there are, the more have to come before they are looked at again."""

    __slots__ = ("_chunks", "_due", "_most", "size")

    def __init__(self, most: int) -> None:
        self._most = most
        self._chunks: list[bytes] = []
        self._due = 0
        self.size = 0

    def add(self, chunk: bytes) -> bool:
        """Take bytes; whether it is time to look."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        return self.size >= self._due

    def take(self) -> bytes:
        text = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self.keep(b"")
        return text

    def keep(self, text: bytes) -> None:
        self._chunks = [text] if text else []
        self.size = len(text)
        wanted = 0 if self.size <= _FEW else self.size // 4 if self.size <= _MANY else self.size
        self._due = min(self.size + wanted, self._most + 1)


class LineStream:
    """Newline-delimited JSON: whole lines go on as they come. `most`: bytes of one line."""

    def __init__(self, edit: PartEdit, limits: Limits, most: int, *, collapse_duplicates: bool) -> None:
        self._edit = edit
        self._limits = msgspec.structs.replace(limits, ndjson_record=min(limits.ndjson_record, most))
        self._collapse = collapse_duplicates
        self._held = _Held(self._limits.ndjson_record)

    def feed(self, chunk: bytes) -> list[Piece]:
        """See BodyStream; nothing while a line is incomplete."""
        if b"\n" not in chunk:
            self._held.add(chunk)
            lines = b""
        else:
            cut = chunk.rfind(b"\n") + 1
            self._held.add(chunk[:cut])
            lines = self._held.take()
            self._held.keep(chunk[cut:])
        if self._held.size > self._limits.ndjson_record:
            raise Unreadable(Posture.OVER_SIZE, "a record is too long")
        return self._edited(lines) if lines else []

    def finish(self) -> list[Piece]:
        """See BodyStream; the last line needs no end."""
        return self._edited(self._held.take()) if self._held.size else []

    def _edited(self, lines: bytes) -> list[Piece]:
        document = open_ndjson(lines, self._limits, collapse_duplicates=self._collapse)
        edited = document.edit(self._edit)
        return [Piece(edited.content, edited.counts if any(edited.counts) else None, edited.unlisted)]


class ArrayStream:
    """A JSON document with one array, whose items go on as they come. `most`: bytes of one item, and around them."""

    def __init__(
        self, edit: PartEdit, array: ItemArray, limits: Limits, most: int, *, collapse_duplicates: bool
    ) -> None:
        self._edit = edit
        self._array = array
        self._limits = limits
        self._most = most
        self._collapse = collapse_duplicates
        # Items are read inside of brackets that stand for those of their own array.
        self._item_limits = msgspec.structs.replace(limits, json_depth=limits.json_depth - len(array.path))
        self._scanner = ItemScanner(self._item_limits)
        self._held = _Held(most)
        self._take: Callable[[bytes], bytes | None] = self._take_head
        self._head = b""
        self._first = True
        self._sent = False
        self._out: list[bytes] = []
        self._counts = [0] * edit.size
        self._unlisted = 0

    def feed(self, chunk: bytes) -> list[Piece]:
        """See BodyStream; nothing while an item, or what stands around the items, is incomplete."""
        if not self._held.add(chunk):
            return []
        self._held.keep(self._advance(self._held.take()))
        return self._pieces()

    def finish(self) -> list[Piece]:
        """See BodyStream; only now it is known that nothing else comes behind the array."""
        text = self._advance(self._held.take())
        if self._take == self._take_head:
            if text:
                document = open_json(text, self._limits, collapse_duplicates=self._collapse)
                self._add(document.edit(self._edit))
        elif self._take == self._take_tail:
            self._end(text)
        else:
            raise Unreadable(Posture.UNPARSABLE_BODY, "the body ends inside of its array")
        return self._pieces()

    def _advance(self, text: bytes) -> bytes:
        """Go as far as the text allows; what has to wait for more of it."""
        while (rest := self._take(text)) is not None:
            text = rest
        around = len(self._head) if self._take == self._take_tail else 0
        if around + len(text) > self._most:
            raise Unreadable(Posture.OVER_SIZE, "an item, or what stands around the items, is too large")
        return text

    def _pieces(self) -> list[Piece]:
        met = any(self._counts)
        if not (self._out or met or self._unlisted):
            return []
        piece = Piece(b"".join(self._out), tuple(self._counts) if met else None, self._unlisted)
        self._out = []
        self._counts = [0] * self._edit.size
        self._unlisted = 0
        return [piece]

    def _add(self, edited: Edited, content: bytes | None = None) -> None:
        self._out.append(edited.content if content is None else content)
        self._unlisted += edited.unlisted
        for index in range(self._edit.size):
            self._counts[index] += edited.counts[index]

    # What to do next with the text at hand: what is left of it, or None where more has to come.

    def _take_head(self, text: bytes) -> bytes | None:
        path = self._array.path
        start = array_start(text, path, self._limits)
        if start < 0:
            return None
        self._head = head = text[:start]
        if len(head) > self._most:
            raise Unreadable(Posture.OVER_SIZE, "what stands around the items is too large")
        if self._item_limits.json_depth < 1:
            raise Unreadable(Posture.TOO_DEEP, "the document is nested too deeply")
        if path:
            closed = head + b"]" + b"}" * len(path)
            edited = open_json(closed, self._limits).edit(self._array.envelope)
            self._add(edited, edited.content[: -1 - len(path)])
        else:
            self._out.append(head)
        self._take = self._take_items
        return text[start:]

    def _take_items(self, text: bytes) -> bytes | None:
        end = array_end(text)
        if end > self._most:
            raise Unreadable(Posture.OVER_SIZE, "what stands around the items is too large")
        if end >= 0:
            self._out.append(text[:end])
            self._take = self._take_tail
            return text[end:]
        start, end = self._scanner.run(text, first=self._first)
        if end < 0:
            return None
        self._edit_items(text[:start], text[start:end])
        return text[end:]

    def _take_tail(self, text: bytes) -> bytes | None:
        if not self._array.path and text.strip(WHITESPACE):
            raise Unreadable(Posture.UNPARSABLE_BODY, "something stands behind the JSON text")
        return None

    def _end(self, tail: bytes) -> None:
        if not self._array.path:
            self._out.append(tail)
            return
        # The whole of what is around shows whether it is well-formed and has no name twice.
        open_json(self._head + b"]" + tail, self._limits).edit(self._array.envelope)
        begun = self._array.skeleton + b"]"
        edited = open_json(begun + tail, self._limits).edit(self._array.envelope)
        self._add(edited, edited.content[len(begun) :])

    def _edit_items(self, lead: bytes, content: bytes) -> None:
        elements = self._read(content)
        if len(lead) + len(content) > self._most:
            self._check_sizes(lead, content, elements)
        self._scanner.learn(content, elements)
        rewrite = ItemRewrite(self._array.items, collapse_duplicates=self._collapse)
        new = rewrite.elements(elements)
        self._unlisted += rewrite.unlisted
        self._counts = [some + more for some, more in zip(self._counts, rewrite.counts, strict=True)]
        self._first = False
        if all(before is after for before, after in zip(elements, new, strict=True)):
            self._send(lead + content)
        elif sum(map(len, elements)) + len(elements) - 1 == len(content):
            kept = [text for text in new if text is not None]
            if kept:
                self._send(lead + b",".join(kept))
        else:
            in_front = gaps(content, elements)
            in_front[0] = lead + in_front[0]
            for gap, text in zip(in_front, new, strict=True):
                if text is not None:
                    self._send(gap + text)

    def _send(self, items: bytes) -> None:
        if not self._sent:
            # The comma belongs to an item that went.
            self._sent = True
            lead = len(items) - len(items.lstrip(b" \t\n\r,"))
            items = items[:lead].replace(b",", b"") + items[lead:]
        self._out.append(items)

    def _read(self, content: bytes) -> list[msgspec.Raw]:
        array = b"[%b]" % content
        try:
            return open_json(array, self._item_limits, collapse_duplicates=self._collapse).elements
        except Unreadable as doubt:
            if doubt.posture is not Posture.OVER_SIZE:
                raise
        # Together they may have more values than one item may have, and the brackets count as one.
        alone = msgspec.structs.replace(self._item_limits, json_nodes=self._limits.json_nodes + 1)
        elements = decode_elements(array)
        for element in elements:
            open_json(b"[%b]" % bytes(element), alone, collapse_duplicates=self._collapse)
        return elements

    def _check_sizes(self, lead: bytes, content: bytes, elements: list[msgspec.Raw]) -> None:
        in_front = gaps(content, elements)
        in_front[0] = lead + in_front[0]
        if any(len(gap) + len(item) > self._most for gap, item in zip(in_front, elements, strict=True)):
            raise Unreadable(Posture.OVER_SIZE, "an item is too large")
