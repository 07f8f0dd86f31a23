"""Request cookies and Set-Cookie (RFC 6265), each cookie by its name.

Pairs that no edit changes keep their exact bytes. Where receivers are known to cut a line in
different ways (a quoted value that holds `;`, the old `$Version` grammar), the line is refused.
"""

import re
from urllib.parse import quote, unquote

from gateway.documents.edit import Empty, FieldEdit, PartEdit, Remove, Replace, Retain
from gateway.documents.headers import EditedHeaders
from gateway.model.address import Place
from gateway.model.errors import Unreadable
from gateway.model.message import HeaderPairs, header_values
from gateway.model.words import Posture, Rest

_COOKIE_OCTETS = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""RFC 6265 section 4.1.1 without letters and digits, and without `%`, which introduces an escape."""
_QUOTED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_INNER_NAME = re.compile(rb"[ \t,]([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=")
"""A pair that receivers which also cut at white space or commas would find inside a value."""
_ESCAPE = re.compile(rb"\\(?:([0-3][0-7][0-7])|(.))", re.DOTALL)


def read_cookie(headers: HeaderPairs, name: str) -> list[str]:
    """The value of every request cookie of that name, quotes and the escapes inside them undone.

    Raises:
        Unreadable: UNPARSABLE_BODY for a line that receivers cut differently, UNDECODABLE_CHARSET for
            a value that is not UTF-8.
    """
    segments = [segment for line in header_values(headers, b"cookie") for segment in _segments(line)]
    return [_text(_value(segment)) for segment in segments if _name_in(segment, {name}) is not None]


def edit_cookies(headers: HeaderPairs, edit: PartEdit) -> EditedHeaders:
    """Carry out the edit on every cookie of every Cookie line; a line left without any goes.

    Raises:
        Unreadable: as `read_cookie`.
    """
    run = _Run(edit)
    kept: list[tuple[bytes, bytes]] = []
    for pair in headers:
        if len(pair[0]) != len(b"cookie") or pair[0].lower() != b"cookie":
            kept.append(pair)
            continue
        segments = _segments(pair[1])
        new = [run.pair(segment) if segment.strip() else segment for segment in segments]
        if all(before is after for before, after in zip(segments, new, strict=True)):
            kept.append(pair)
            continue
        run.changed = True
        line = b";".join(segment for segment in new if segment is not None).strip(b" \t;")
        if line:
            kept.append((pair[0], line))
    return EditedHeaders(tuple(kept) if run.changed else headers, tuple(run.counts), run.unlisted)


def edit_set_cookies(headers: HeaderPairs, edit: PartEdit) -> EditedHeaders:
    """Carry out the edit on every Set-Cookie line. Attributes keep their bytes if the cookie stays.

    Raises:
        Unreadable: as `read_cookie`.
    """
    run = _Run(edit)
    kept: list[tuple[bytes, bytes]] = []
    for pair in headers:
        if pair[0].lower() != b"set-cookie":
            kept.append(pair)
            continue
        segment, *attributes = _segments(pair[1], first_only=True)
        new = run.pair(segment)
        if new is segment:
            kept.append(pair)
            continue
        run.changed = True
        if new is not None:
            kept.append((pair[0], b";".join([new, *attributes])))
    return EditedHeaders(tuple(kept) if run.changed else headers, tuple(run.counts), run.unlisted)


class _Run:
    """One edit on its way through the cookies of one message."""

    def __init__(self, edit: PartEdit) -> None:
        self._rest = edit.rest
        self._listed: dict[str, FieldEdit] = {}
        for field in edit.fields:
            if field.address.place is Place.COOKIE:
                self._listed.setdefault(field.address.name, field)
        self.counts = [0] * edit.size
        self.unlisted = 0
        self.changed = False

    def pair(self, segment: bytes) -> bytes | None:
        """The new text of one `name=value`, the same object if it stays, None if it goes."""
        name = _name_in(segment, self._listed)
        goes = self._rest is Rest.DROP if name is None else isinstance(self._listed[name].operation, Remove)
        if not goes:
            self._refuse_inner_names(segment)
        if name is None:
            if self._rest is Rest.PASS:
                return segment
            self.unlisted += 1
            return None if self._rest is Rest.DROP else segment
        field = self._listed[name]
        self.counts[field.index] += 1
        head, equals, value = segment.partition(b"=")
        match field.operation:
            case Retain():
                return segment
            case Remove():
                return None
            case Empty():
                return head + equals if value else segment
            case Replace(transform):
                old = _text(_value(segment))
                new = transform(old)
                return segment if new == old else head + b"=" + quote(new, safe=_COOKIE_OCTETS).encode("ascii")

    def _refuse_inner_names(self, segment: bytes) -> None:
        """Values with a listed name inside, or with any where others are not to pass, can be cut in two ways."""
        value = _value(segment)
        if value[:1] == b'"':
            return
        for match in _INNER_NAME.finditer(value):
            if self._rest is not Rest.PASS or match[1].decode("ascii") in self._listed:
                raise Unreadable(Posture.UNPARSABLE_BODY, "a cookie value holds what others read as a cookie")


def _segments(line: bytes, *, first_only: bool = False) -> list[bytes]:
    segments = line.split(b";")
    for segment in segments[:1] if first_only else segments:
        value = _value(segment)
        if value[:1] == b'"' and _QUOTED.fullmatch(value) is None:
            raise Unreadable(Posture.UNPARSABLE_BODY, "a quoted cookie value does not end where it should")
        if not first_only and segment.partition(b"=")[0].strip().lower() == b"$version":
            raise Unreadable(Posture.UNPARSABLE_BODY, "the Cookie line uses the grammar of RFC 2965")
    return segments


def _value(segment: bytes) -> bytes:
    return segment.partition(b"=")[2].strip(b" \t")


def _name_in(segment: bytes, listed: "dict[str, FieldEdit] | set[str]") -> str | None:
    """The listed name of this cookie: as written or, since some frameworks decode it, unescaped."""
    written = segment.partition(b"=")[0].strip(b" \t").decode("latin-1")
    if written in listed:
        return written
    if "%" in written:
        unescaped = unquote(written)
        if unescaped in listed:
            return unescaped
    return None


def _text(value: bytes) -> str:
    if value[:1] == b'"':
        value = _ESCAPE.sub(_unescaped, value[1:-1])
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "a cookie's value is not UTF-8") from None


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)]) if match[1] is not None else match[2]
