"""The bytes of an answer: status line, fields, framing.

Everything goes out as HTTP/1.1 with the standard reason phrase, since the upstream's phrase could
carry anything. Fields keep their order and multiplicity; the gateway adds Date only where the
upstream sent none, and never a Server or Content-Type.
"""

import time
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from gateway.model.field_template import Fields, FilledFields, Filler, hole_number
from gateway.model.message import HeaderPairs, Refusal
from gateway.upstream.field_kinds import CONTENT_LENGTH, DATE, KINDS

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode() for status in range(100, 1000)}
_CLOSING = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class FieldLines(msgspec.Struct, gc=False):
    """Fields as they go on the wire, apart from Content-Length, which becomes part of the framing."""

    parts: list[bytes]
    length: int | None
    dated: bool


class _KnownLines(msgspec.Struct, frozen=True, gc=False):
    """The lines of a template; `length` is the number of the hole for Content-Length."""

    lines: Filler
    length: int | None
    dated: bool


def field_lines(fields: Fields) -> FieldLines:
    """Write the fields of an admitted answer. The engine leaves Content-Length only where it is still true."""
    if not isinstance(fields, FilledFields):
        return _written(fields)
    known = fields.template.derived.get(_KnownLines)
    if not isinstance(known, _KnownLines):
        known = fields.template.derived[_KnownLines] = _known_lines(fields.template.pairs)
    values = fields.values
    length = None if known.length is None else int(values[known.length])
    return FieldLines([known.lines.fill(values)], length, known.dated)


def _known_lines(pairs: HeaderPairs) -> _KnownLines:
    length = next((hole_number(value) for name, value in pairs if KINDS[name] == CONTENT_LENGTH), None)
    lines = _written(tuple(pair for pair in pairs if KINDS[pair[0]] != CONTENT_LENGTH))
    return _KnownLines(Filler(b"".join(lines.parts)), length, lines.dated)


def _written(headers: HeaderPairs) -> FieldLines:
    parts: list[bytes] = []
    length: int | None = None
    dated = False
    for name, value in headers:
        kind = KINDS[name]
        if kind == CONTENT_LENGTH:
            length = int(value)
            continue
        if kind == DATE:
            dated = True
        parts += (name, b": ", value, b"\r\n")
    return FieldLines(parts, length, dated)


class _Clock:
    """The Date field, made once a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = b"Date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        return self._line


_CLOCK = _Clock()


def head_bytes(
    status: int,
    fields: FieldLines,
    *,
    framing: bytes,
    keep_alive: bool,
    legacy: bool,
    via: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """A response head with its empty line, and `body` behind it. `framing` and `via` are whole field lines or empty."""
    date = b"" if fields.dated else _CLOCK.line()
    persistence = b"" if keep_alive and not legacy else b"Connection: keep-alive\r\n" if keep_alive else _CLOSING
    return b"".join((_STATUS_LINES[status], *fields.parts, date, via, framing, persistence, b"\r\n", body))


def content_length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def chunk(piece: bytes) -> bytes:
    """One chunk of the chunked coding (RFC 9112 section 7.1), without extensions."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def refusal_bytes(refusal: Refusal, *, keep_alive: bool, legacy: bool = False, without_body: bool = False) -> bytes:
    """The gateway's own answer, whole. `without_body` answers HEAD."""
    head = head_bytes(
        refusal.status,
        field_lines(refusal.headers),
        framing=content_length(len(refusal.body)),
        keep_alive=keep_alive,
        legacy=legacy,
    )
    return head if without_body else head + refusal.body


def switching_protocols(headers: HeaderPairs, via: bytes) -> bytes:
    """The head of a 101 that lets a WebSocket begin (RFC 6455 section 4.2.2)."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    fields = field_lines(headers)
    fields.dated = True  # interim answers need no Date
    return head_bytes(101, fields, framing=upgrade, keep_alive=True, legacy=False, via=via)
