"""What the pool asks of the bytes of a head, going out and coming in. Pure.

llhttp (in httptools 0.9, strict mode) already refuses obs-fold, white space before the colon, bare
CR and LF, NUL, names outside tchar, Content-Length that is repeated, a list, signed, blank or
beside Transfer-Encoding. It accepts, and this module refuses: `HTTP/2.0`, `HTTP/0.9` and `RTSP/`
status lines, empty lines before one, statuses over 599, control characters in the reason phrase,
Transfer-Encoding other than exactly one `chunked`, and Transfer-Encoding in HTTP/1.0.
"""

import re
from collections.abc import Sequence

from gateway.model.errors import Fault, Source
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n")
_TARGET = re.compile(rb"(?:/[\x21\x22\x24-\x7e]*+|\*)(?:\?[\x21\x22\x24-\x7e]*+)?")
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_FRAMING_SIZES = frozenset(map(len, _FRAMING))  # looking at the size first is cheaper than lowering each name
_CONNECTION_LEVEL = frozenset({b"connection", b"content-length", b"transfer-encoding"})
_CONNECTION_LEVEL_SIZES = frozenset(map(len, _CONNECTION_LEVEL))
_UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket")
SINGLETONS = frozenset({b"content-type", b"location", b"etag", b"content-disposition"})


def broken(why: str) -> Fault:
    """The upstream's answer breaks HTTP; `why` is fixed text."""
    return Fault("upstream_broken", Source.UPSTREAM, why)


def encode_head(
    method: str,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    length: int | None,
    chunked: bool,
    upgrade: bool = False,
) -> bytes:
    """The request's head as it goes on the wire, empty line included.

    Names, values and order stay as given, except that framing fields among `headers` are left out:
    Content-Length comes from `length` (None: no such field), Transfer-Encoding from `chunked`.

    Raises:
        Fault: internal_error, if a part holds bytes that would end a line or the head early.
    """
    if _METHOD.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
        raise Fault("internal_error", Source.GATEWAY, "the request line cannot be written")
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target)]
    lines += [
        b": ".join(pair) for pair in headers if len(pair[0]) not in _FRAMING_SIZES or pair[0].lower() not in _FRAMING
    ]
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    elif chunked:
        lines.append(b"Transfer-Encoding: chunked")
    if upgrade:
        lines += _UPGRADE
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        raise Fault("internal_error", Source.GATEWAY, "a header field cannot be written")
    return head


def judge_framing(minor: bytes, headers: Sequence[tuple[bytes, bytes]]) -> tuple[bool, bool]:
    """Whether the connection may persist, and whether the head says where the body ends.

    RFC 9112 sections 6.1, 6.3 and 9.3; `minor` is the last digit of the version.

    The values are as llhttp gave them, white space at their end included: it takes `chunked` with
    a tab behind it for an unknown coding, so that one is refused here.

    Raises:
        Fault: upstream_broken, if the body's length could be understood in two ways.
    """
    options = b""
    lengths = codings = 0
    for name, value in headers:
        if len(name) not in _CONNECTION_LEVEL_SIZES:
            continue
        lower = name.lower()
        if lower == b"content-length":
            lengths += 1
        elif lower == b"transfer-encoding":
            codings += 1
            if value.lower() != b"chunked":
                raise broken("the response has a transfer coding other than chunked")
        elif lower == b"connection":
            options += b"," + value.lower()
    if lengths + codings > 1:
        raise broken("the response has more than one length")
    if codings and minor == b"0":
        raise broken("an HTTP/1.0 response has a transfer coding")
    tokens = {token.strip() for token in options.split(b",")} if options else ()
    persistent = b"close" not in tokens and (minor == b"1" or b"keep-alive" in tokens)
    return persistent, bool(lengths or codings)


def check_size(headers: HeaderPairs, size: int, limits: Limits) -> None:
    """Hold the head to the limits.

    Raises:
        Fault: upstream_broken, if the head, one field, or their number is over its limit.
    """
    if size > limits.headers_total or len(headers) > limits.header_count:
        raise broken("the response's header fields are over the limit")
    if size > limits.header_field and any(len(n) + len(v) > limits.header_field for n, v in headers):
        raise broken("a header field of the response is over the limit")


def check_singletons(headers: HeaderPairs) -> None:
    """Refuse repeated fields of which receivers would pick different ones (RFC 9110 section 5.3).

    Raises:
        Fault: upstream_broken.
    """
    seen = set()
    for name, _ in headers:
        lower = name.lower()
        if lower in SINGLETONS:
            if lower in seen:
                raise broken("the response repeats a field that may stand once")
            seen.add(lower)


def has_field(headers: HeaderPairs, name: bytes, token: bytes) -> bool:
    """Whether the field `name` (lower case) lists `token` (lower case)."""
    return any(
        token in (item.strip() for item in value.lower().split(b",")) for key, value in headers if key.lower() == name
    )
