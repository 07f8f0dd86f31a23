"""The bytes of an answer: status line, fields, framing.

Everything goes out as HTTP/1.1 with the standard reason phrase, since the upstream's phrase could
carry anything. Fields keep their order and multiplicity; the gateway adds Date only where the
upstream sent none, and never a Server or Content-Type.
"""

import time
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from gateway.model.message import HeaderPairs, Refusal

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode() for status in range(100, 1000)}
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class EntityFields(msgspec.Struct, gc=False):
    """The fields of an admitted answer, apart from Content-Length, which becomes part of its framing."""

    headers: HeaderPairs
    length: int | None
    dated: bool


def entity_fields(headers: HeaderPairs) -> EntityFields:
    """Take Content-Length out, which the engine leaves only where the content is the upstream's own."""
    length: int | None = None
    dated = False
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            length = int(value)
        elif len(name) == 4 and name.lower() == b"date":
            dated = True
    if length is not None:
        headers = tuple([line for line in headers if line[0].lower() != b"content-length"])
    return EntityFields(headers, length, dated)


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
    status: int, headers: HeaderPairs, *, framing: bytes, dated: bool, keep_alive: bool, legacy: bool, via: bytes = b""
) -> bytes:
    """A response head with its empty line. `framing` and `via` are whole field lines or empty."""
    lines = [_STATUS_LINES[status]]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    if not dated:
        lines.append(_CLOCK.line())
    lines.append(via)
    lines.append(framing)
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    elif legacy:
        lines.append(b"Connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def content_length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def chunk(piece: bytes) -> bytes:
    """One chunk of the chunked coding (RFC 9112 section 7.1), without extensions."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def refusal_bytes(refusal: Refusal, *, keep_alive: bool, legacy: bool = False, without_body: bool = False) -> bytes:
    """The gateway's own answer, whole. `without_body` answers HEAD."""
    head = head_bytes(
        refusal.status,
        refusal.headers,
        framing=content_length(len(refusal.body)),
        dated=False,
        keep_alive=keep_alive,
        legacy=legacy,
    )
    return head if without_body else head + refusal.body


def switching_protocols(headers: HeaderPairs, via: bytes) -> bytes:
    """The head of a 101 that lets a WebSocket begin (RFC 6455 section 4.2.2)."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    return head_bytes(101, headers, framing=upgrade, dated=True, keep_alive=True, legacy=False, via=via)
