"""What the pool asks of the bytes of a head, going out and coming in. Pure.

llhttp (in httptools 0.9, strict mode) already refuses obs-fold, white space before the colon, bare
CR and LF, NUL, names outside tchar, Content-Length that is repeated, a list, signed, blank or
beside Transfer-Encoding. It accepts, and this module refuses: `HTTP/2.0`, `HTTP/0.9` and `RTSP/`
status lines, empty lines before one, statuses over 599, control characters in the reason phrase.
What its fields say about a response is judged by `upstream_fields`.
"""

import re
from collections.abc import Sequence

import msgspec

from gateway.model.errors import Fault, Source
from gateway.model.message import HeaderPairs, header_values
from gateway.upstream.field_kinds import CONTENT_LENGTH, KINDS, TRANSFER_ENCODING

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n")
_TARGET = re.compile(rb"(?:/[\x21\x22\x24-\x7e]*+|\*)(?:\?[\x21\x22\x24-\x7e]*+)?")
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_COMMON_METHODS = {name: name.encode() + b" " for name in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")}
_FRAMING = CONTENT_LENGTH | TRANSFER_ENCODING
_VERSION = b" HTTP/1.1\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


def broken(why: str) -> Fault:
    """The upstream's answer breaks HTTP; `why` is fixed text."""
    return Fault("upstream_broken", Source.UPSTREAM, why)


class FieldBlock(msgspec.Struct, frozen=True, gc=False):
    """Fields as they go on the wire, made by `encode_fields` only: each ends in CRLF and none hides another."""

    lines: bytes


def encode_fields(headers: Sequence[tuple[bytes, bytes]]) -> FieldBlock:
    """Names, values and order stay as given, except that framing fields are left out.

    Raises:
        Fault: internal_error, if a part holds bytes that would end a line or the head early.
    """
    parts: list[bytes] = []
    for name, value in headers:
        if not KINDS[name] & _FRAMING:
            parts += (name, b": ", value, b"\r\n")
    lines = b"".join(parts)
    ends = len(parts) // 4
    if lines.count(b"\n") != ends or lines.count(b"\r") != ends or b"\0" in lines:
        raise Fault("internal_error", Source.GATEWAY, "a header field cannot be written")
    return FieldBlock(lines)


def encode_head(
    method: str,
    target: bytes,
    fields: Sequence[tuple[bytes, bytes]] | FieldBlock,
    *,
    length: int | None,
    chunked: bool,
    upgrade: bool = False,
) -> bytes:
    """The request's head as it goes on the wire, empty line included.

    Framing fields among `fields` are left out: Content-Length comes from `length` (None: no such
    field), Transfer-Encoding from `chunked`.

    Raises:
        Fault: internal_error, if a part holds bytes that would end a line or the head early.
    """
    start = _COMMON_METHODS.get(method) or _uncommon_method(method)
    if _TARGET.fullmatch(target) is None:
        raise _no_request_line()
    block = fields if isinstance(fields, FieldBlock) else encode_fields(fields)
    framing = _CHUNKED if chunked else b""
    if length is not None:
        framing = b"Content-Length: %d\r\n" % length
    return b"".join((start, target, _VERSION, block.lines, framing, _UPGRADE if upgrade else b"", b"\r\n"))


def _uncommon_method(method: str) -> bytes:
    if _METHOD.fullmatch(method) is None:
        raise _no_request_line()
    return method.encode() + b" "


def _no_request_line() -> Fault:
    return Fault("internal_error", Source.GATEWAY, "the request line cannot be written")


def has_field(headers: HeaderPairs, name: bytes, token: bytes) -> bool:
    """Whether the field `name` (lower case) lists `token` (lower case)."""
    return any(token in (item.strip() for item in value.lower().split(b",")) for value in header_values(headers, name))
