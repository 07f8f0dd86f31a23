"""Request cookies and Set-Cookie (RFC 6265), each cookie by its name.

Pairs that no edit changes keep their exact bytes. Where receivers are known to cut a line in
different ways (a quoted value that holds `;`, the old `$Version` grammar), the line is refused.
"""

import re
from urllib.parse import quote

from gateway.documents.cookie_names import CookieNames, name_of
from gateway.documents.edit import Empty, FieldEdit, PartEdit, Remove, Replace, Retain
from gateway.documents.headers import EditedHeaders
from gateway.documents.set_cookie import limited
from gateway.model.address import Place
from gateway.model.errors import Unreadable
from gateway.model.message import HeaderPairs, header_values
from gateway.model.words import Posture, Rest

_COOKIE_OCTETS = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""RFC 6265 section 4.1.1 without letters and digits, and without `%`, which introduces an escape."""
_QUOTED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_INNER_NAME = re.compile(rb"[ \t,]([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=")
"""A pair that receivers which also cut at white space or commas would find inside a value."""
_WORD_BREAK = re.compile(rb"[ \t,]+")
_ESCAPE = re.compile(rb"\\(?:([0-3][0-7][0-7])|(.))", re.DOTALL)


def read_cookie(headers: HeaderPairs, name: str) -> list[str]:
    """The value of every request cookie of that name, quotes and the escapes inside them undone.

    Raises:
        Unreadable: UNPARSABLE_BODY for a line that receivers cut differently, UNDECODABLE_CHARSET for
            a value that is not UTF-8.
    """
    named = CookieNames([(name, True)])
    segments = [segment for line in header_values(headers, b"cookie") for segment in _segments(line)]
    return [_text(_value(segment)) for segment in segments if named.find(name_of(segment))]


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


def edit_set_cookies(headers: HeaderPairs, edit: PartEdit, *, now: float = 0.0) -> EditedHeaders:
    """Carry out the edit on every Set-Cookie line. Of a cookie that stays, only what its limits forbid changes.

    `now` is seconds since the epoch, for limits on lifetimes.

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
        bounded = attributes
        if run.met is not None and run.met.limits is not None and new is not None:
            bounded = limited(attributes, run.met.limits, now)
        if new is segment and bounded == attributes:
            kept.append(pair)
            continue
        run.changed = True
        if new is not None:
            kept.append((pair[0], b";".join([new, *bounded])))
    return EditedHeaders(tuple(kept) if run.changed else headers, tuple(run.counts), run.unlisted)


class _Run:
    """One edit on its way through the cookies of one message; `met` is the field of the cookie met last, if listed."""

    def __init__(self, edit: PartEdit) -> None:
        self._rest = edit.rest
        self._listed = _listed(edit)
        self.met: FieldEdit | None = None
        self.counts = [0] * edit.size
        self.unlisted = 0
        self.changed = False

    def pair(self, segment: bytes) -> bytes | None:
        """The new text of one `name=value`, the same object if it stays, None if it goes."""
        field = self.met = self._listed.find(name_of(segment))
        goes = self._rest is Rest.DROP if field is None else isinstance(field.operation, Remove)
        if not goes:
            self._refuse_inner_names(segment)
        if field is None:
            if self._rest is Rest.PASS:
                return segment
            self.unlisted += 1
            return None if self._rest is Rest.DROP else segment
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
        """Text with a listed name inside, or with any where others are not to pass, can be cut in two ways."""
        name, equals, value = segment.strip(b" \t").partition(b"=")
        inner = _WORD_BREAK.split(name)[1:] if equals else []
        if value.lstrip(b" \t")[:1] != b'"':
            inner += (match[1] for match in _INNER_NAME.finditer(value))
        for each in inner:
            if each and (self._rest is not Rest.PASS or self._listed.find(each.decode("latin-1")) is not None):
                raise Unreadable(Posture.UNPARSABLE_BODY, "a cookie holds what others read as another one")


def _listed(edit: PartEdit) -> CookieNames[FieldEdit]:
    if not edit.compiled:
        cookies = (field for field in edit.fields if field.address.place is Place.COOKIE)
        edit.compiled.append(CookieNames([(field.address.name, field) for field in cookies]))
    names = edit.compiled[0]
    assert isinstance(names, CookieNames)
    return names


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


def _text(value: bytes) -> str:
    if value[:1] == b'"':
        value = _ESCAPE.sub(_unescaped, value[1:-1])
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(Posture.UNDECODABLE_CHARSET, "a cookie's value is not UTF-8") from None


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)]) if match[1] is not None else match[2]
