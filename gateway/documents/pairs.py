"""`name=value` pairs joined by `&`, percent-encoded: what forms and queries have in common.

Reading is strict (WHATWG URL section 5.1 for the grammar, RFC 3986 section 2.1 for `%`): each `%` is
followed by two hexadecimal digits, names are in the charset. Every pair of a name is handled; pairs
that no edit changes keep their exact bytes. A receiver that also splits at `;` must not find a name
there that the edit would have decided about, so such text is refused.
"""

import re
from collections.abc import Container, Iterator
from urllib.parse import quote, unquote_to_bytes

from gateway.documents.edit import Edited, Empty, FieldEdit, PartEdit, Remove, Replace, Retain
from gateway.model.address import Place
from gateway.model.errors import Unreadable
from gateway.model.words import Posture, Rest

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Pairs:
    """Text of pairs after the checks that need no edit.

    Raises:
        Unreadable: UNPARSABLE_BODY for a broken percent escape or NUL, UNDECODABLE_CHARSET for a name
            outside the charset.
    """

    __slots__ = ("_charset", "_names", "_raw", "_segments")

    def __init__(self, raw: bytes, charset: str = "utf-8") -> None:
        if b"\x00" in raw or _BROKEN_ESCAPE.search(raw) is not None:
            raise Unreadable(Posture.UNPARSABLE_BODY, "a percent escape is broken")
        self._raw = raw
        self._charset = charset
        self._segments = raw.split(b"&")
        # An empty segment is no pair at all; None keeps it apart from the empty name.
        self._names = [_decoded(segment.partition(b"=")[0], charset) if segment else None for segment in self._segments]

    def __len__(self) -> int:
        return len(self._segments)

    def holds(self, name: str) -> bool:
        return name in self._names

    def read(self, name: str) -> list[str]:
        """The decoded value of every pair of that name, in order.

        Raises:
            Unreadable: UNDECODABLE_CHARSET, or UNPARSABLE_BODY where `;` hides the name.
        """
        self._refuse_hidden({name})
        return [
            _decoded(segment.partition(b"=")[2], self._charset)
            for segment, known in zip(self._segments, self._names, strict=True)
            if known == name
        ]

    def all(self) -> Iterator[tuple[str, str]]:
        """Every pair, decoded, in order; what is not in the charset as U+FFFD. For looking only."""
        for segment, name in zip(self._segments, self._names, strict=True):
            if name is not None:
                value = segment.partition(b"=")[2].replace(b"+", b" ")
                yield name, unquote_to_bytes(value).decode(self._charset, "replace")

    def edit(self, edit: PartEdit, places: frozenset[Place]) -> Edited:
        """Carry out the edits whose address is in `places`.

        Raises:
            Unreadable: UNDECODABLE_CHARSET, or UNPARSABLE_BODY where `;` hides a listed name.
        """
        listed: dict[str, FieldEdit] = {}
        for field in edit.fields:
            if field.address.place in places:
                listed.setdefault(field.address.name, field)
        self._refuse_hidden(listed)
        counts = [0] * edit.size
        unlisted = 0
        kept = []
        for segment, name in zip(self._segments, self._names, strict=True):
            if name is None:
                kept.append(segment)
                continue
            field_edit = listed.get(name)
            if field_edit is None:
                unlisted += 1
                if edit.rest is not Rest.DROP:
                    kept.append(segment)
                continue
            counts[field_edit.index] += 1
            new = self._edited(segment, field_edit)
            if new is not None:
                kept.append(new)
        content = b"&".join(kept)
        if content == self._raw:
            content = self._raw
        return Edited(content, tuple(counts), 0 if edit.rest is Rest.PASS else unlisted)

    def _edited(self, segment: bytes, field: FieldEdit) -> bytes | None:
        name, equals, value = segment.partition(b"=")
        match field.operation:
            case Retain():
                return segment
            case Remove():
                return None
            case Empty():
                return name + equals
            case Replace(transform):
                old = _decoded(value, self._charset)
                new = transform(old)
                return segment if new == old else b"%s=%s" % (name, _encoded(new, self._charset))

    def _refuse_hidden(self, listed: Container[str]) -> None:
        if b";" not in self._raw:
            return
        for name in self._names_behind_semicolons():
            if name in listed:
                raise Unreadable(Posture.UNPARSABLE_BODY, "a listed name stands behind a semicolon")

    def _names_behind_semicolons(self) -> Iterator[str]:
        for segment in self._segments:
            for piece in segment.split(b";")[1:]:
                yield _decoded(piece.partition(b"=")[0], self._charset)


def _decoded(text: bytes, charset: str) -> str:
    if b"%" in text or b"+" in text:
        text = unquote_to_bytes(text.replace(b"+", b" "))
    try:
        return text.decode(charset)
    except UnicodeDecodeError:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "a percent-encoded text is not in its charset") from None


def _encoded(text: str, charset: str) -> bytes:
    try:
        return quote(text, safe="", encoding=charset, errors="strict").encode("ascii")
    except UnicodeEncodeError:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "the new text does not fit the charset") from None
