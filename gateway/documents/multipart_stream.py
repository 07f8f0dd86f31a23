"""Multipart forms edited as they stream: what no rule touches flows through without being held.

`part:NAME` and `form:NAME` both address every part of that name. A part that is replaced is held whole
up to `limits.body` bytes; its file name is a scalar of the value too and goes through the same
transform. Emptied parts keep their name and type and lose content and file name.
"""

from collections.abc import Iterable
from enum import Enum

import msgspec

from gateway.documents.edit import Empty, FieldEdit, PartEdit, Remove, Replace, Retain, Transform
from gateway.documents.form_body import FORM_PLACES
from gateway.documents.multipart_head import PartHead, boundary_of
from gateway.documents.multipart_scan import Event, Mark, PartScanner
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs
from gateway.model.words import Posture, Rest


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Bytes that may go on, after the fields in `counts` are on record (None: none newly met).

    `unlisted` is how many parts without an edit began here, where `rest` asks for them.
    """

    content: bytes
    counts: tuple[int, ...] | None
    unlisted: int = 0


class _Fate(Enum):
    FLOWS = "flows"
    GOES = "goes"
    EMPTIED = "emptied"
    HELD = "held"


class PartEditor:
    """Carries out an edit on scanned parts; `counts` and `unlisted` grow as parts are met."""

    def __init__(self, boundary: bytes, edit: PartEdit, limits: Limits) -> None:
        self._dash = b"--" + boundary
        self._limits = limits
        self._rest = edit.rest
        self._listed: dict[str, FieldEdit] = {}
        for field in edit.fields:
            if field.address.place in FORM_PLACES:
                self._listed.setdefault(field.address.name, field)
        self._fate = _Fate.FLOWS
        self._head: PartHead | None = None
        self._held: list[bytes] = []
        self._room = 0
        self.counts = [0] * edit.size
        self.unlisted = 0

    def rewrite(self, events: Iterable[Event]) -> list[bytes]:
        """The bytes to send for these events.

        Raises:
            Unreadable: OVER_SIZE for a held part, UNDECODABLE_CHARSET for one that is not UTF-8.
        """
        out: list[bytes] = []
        for event in events:
            if isinstance(event, bytes):
                self._content(event, out)
            elif isinstance(event, PartHead):
                self._begin(event, out)
            elif event is Mark.PART_END:
                self._end(out)
            else:
                out.append(self._dash + b"--")
        return out

    def _begin(self, head: PartHead, out: list[bytes]) -> None:
        self._head = head
        self._fate = self._fate_of(head)
        if self._fate is _Fate.FLOWS:
            out.append(self._opened(head.raw))
        elif self._fate is _Fate.EMPTIED:
            out.append(self._opened(head.with_file_name("")))
        self._held = []
        self._room = self._limits.body

    def _fate_of(self, head: PartHead) -> _Fate:
        field = self._listed.get(head.name)
        if field is None:
            if self._rest is Rest.PASS:
                return _Fate.FLOWS
            self.unlisted += 1
            return _Fate.GOES if self._rest is Rest.DROP else _Fate.FLOWS
        match field.operation:
            case Replace():
                return _Fate.HELD
            case operation:
                self.counts[field.index] += 1
        match operation:
            case Retain():
                return _Fate.FLOWS
            case Remove():
                return _Fate.GOES
            case Empty():
                return _Fate.EMPTIED

    def _opened(self, raw: bytes) -> bytes:
        return b"%s\r\n%s\r\n\r\n" % (self._dash, raw)

    def _content(self, content: bytes, out: list[bytes]) -> None:
        if self._fate is _Fate.FLOWS:
            out.append(content)
        elif self._fate is _Fate.HELD:
            self._room -= len(content)
            if self._room < 0:
                raise Unreadable(Posture.OVER_SIZE, "a part that a rule changes is too large")
            self._held.append(content)

    def _end(self, out: list[bytes]) -> None:
        if self._fate is _Fate.HELD:
            assert self._head is not None
            field = self._listed[self._head.name]
            self.counts[field.index] += 1
            assert isinstance(field.operation, Replace)
            out.append(self._replaced(self._head, b"".join(self._held), field.operation.transform))
        if self._fate is not _Fate.GOES:
            out.append(b"\r\n")

    def _replaced(self, head: PartHead, content: bytes, transform: Transform) -> bytes:
        raw = head.raw
        file_name = head.file_name_text()
        if file_name is not None:
            new_name = transform(file_name)
            raw = raw if new_name == file_name else head.with_file_name(new_name)
        try:
            old = content.decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable(Posture.UNDECODABLE_CHARSET, "a part that a rule changes is not UTF-8") from None
        new = transform(old).encode("utf-8")
        if self._dash in new:
            raise Unreadable(Posture.UNPARSABLE_BODY, "a changed part would hold the boundary")
        return self._opened(raw) + new


class MultipartStream:
    """One multipart body on its way through; make one for each message."""

    def __init__(self, headers: HeaderPairs, edit: PartEdit, limits: Limits) -> None:
        """Raises Unreadable where the Content-Type names no usable boundary."""
        boundary = boundary_of(headers)
        self._scanner = PartScanner(boundary, limits)
        self._editor = PartEditor(boundary, edit, limits)
        self._opened = False

    def feed(self, chunk: bytes) -> list[Piece]:
        """What may be sent after these bytes; nothing while a part is held or a boundary is cut off.

        Raises:
            Unreadable: what came cannot be read without doubt; nothing more may be sent.
        """
        counts = list(self._editor.counts)
        unlisted = self._editor.unlisted
        out = self._editor.rewrite(self._scanner.feed(chunk))
        if out and not self._opened:
            self._opened = True
            out.insert(0, self._scanner.opening)
        met = tuple(now - before for now, before in zip(self._editor.counts, counts, strict=True))
        new_unlisted = self._editor.unlisted - unlisted
        if not out and not any(met) and not new_unlisted:
            return []
        return [Piece(b"".join(out), met if any(met) else None, new_unlisted)]

    def finish(self) -> list[Piece]:
        """Say that the body ended.

        Raises:
            Unreadable: UNPARSABLE_BODY where it is not complete.
        """
        self._scanner.finish()
        return [Piece(self._scanner.ending, None)] if self._scanner.ending else []
