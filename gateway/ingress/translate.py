"""From aiohttp's parsed message to a plain `RequestHead`, refusing what two parsers could read differently.

aiohttp's C parser (llhttp) already refuses bare CR and LF, folded lines, control characters, names
outside tchar, doubtful Content-Length values and chunk sizes. What it lets through is closed here,
from the raw field lines: other versions than 1.0 and 1.1, any transfer coding but a single
`chunked`, transfer codings in HTTP/1.0, hosts that are no hosts, doubled single-value fields,
targets with fragments, CONNECT and TRACE. Nothing here knows of sockets, policy or upstreams.
"""

import base64
import binascii
from collections.abc import Mapping

import msgspec
from aiohttp.http_parser import RawRequestMessage

from gateway.ingress.hops import FORWARDING, HOP_BY_HOP, strip_request
from gateway.ingress.target import host_of, read_target
from gateway.model.errors import Fault, Source
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, RequestHead, header_values
from gateway.model.words import Posture

_SINGLE_VALUED = frozenset(
    {
        b"authorization", b"content-disposition", b"content-length", b"content-location", b"content-range",
        b"content-type", b"date", b"etag", b"expect", b"from", b"host", b"if-modified-since", b"if-range",
        b"if-unmodified-since", b"max-forwards", b"origin", b"proxy-authorization", b"range", b"referer",
        b"sec-websocket-key", b"sec-websocket-version", b"transfer-encoding", b"user-agent",
    }
)  # fmt: skip
_NEVER_AS_IT_IS = HOP_BY_HOP | FORWARDING | {b"expect"}
"""With none of these, and no name that could be the twin of one, the fields go on as they are."""
_DIGITS_AT_MOST = 18


class WireRequest(msgspec.Struct, gc=False):
    """A request head with what only this hop needs to know: framing, persistence, Expect, Upgrade."""

    head: RequestHead
    content_length: int | None
    legacy: bool
    keep_alive: bool
    expects_continue: bool
    websocket_key: bytes
    via: list[bytes]
    max_forwards: int | None
    authority: bytes


def read_head(message: RawRequestMessage, limits: Limits, *, scheme: str, peer: str, trusted: bool) -> WireRequest:
    """Check the head of one request and strip what belongs to this hop only.

    `scheme` and `peer` are those of the connection; only a `trusted` peer may speak for a client.

    Raises:
        Fault: bad_request, ambiguous_framing, method_not_allowed, not_implemented, version_unsupported,
            headers_too_large, expectation_failed. All ask for the connection to be closed.
    """
    if message.version not in ((1, 0), (1, 1)):
        raise _fault("version_unsupported", "only HTTP/1.0 and HTTP/1.1 are understood")
    legacy = message.version[1] == 0
    method = message.method
    if method in ("CONNECT", "TRACE"):
        raise _fault("method_not_allowed", "CONNECT and TRACE do not pass")
    lines: HeaderPairs = message.raw_headers
    fields = _by_name(lines, limits)
    chunked = _is_chunked(fields, legacy=legacy)
    length = _content_length(fields)
    if chunked != bool(message.chunked):
        raise _fault(Posture.AMBIGUOUS_FRAMING, "two readings of the framing disagree")
    target, authority = read_target(method, message.path.encode("utf-8", "surrogateescape"))
    if authority is not None:
        lines = ((b"Host", authority), *(line for line in lines if line[0].lower() != b"host"))
    else:
        authority = fields.get(b"host")
    if authority is None and not legacy:
        raise _fault("bad_request", "Host is missing")
    max_forwards = _max_forwards(method, fields)
    if max_forwards:
        lines = tuple((k, b"%d" % (max_forwards - 1) if k.lower() == b"max-forwards" else v) for k, v in lines)
    has_body = chunked or bool(length)
    key = b"" if legacy or b"upgrade" not in fields else _websocket_key(method, lines, fields, has_body=has_body)
    # aiohttp's parser loses what follows an upgrade that it does not know in the same piece of input.
    keep_alive = not message.should_close and (bool(key) or not message.upgrade)
    return WireRequest(
        RequestHead(
            method,
            target,
            "" if authority is None else host_of(authority, scheme),
            _onward(lines, fields, trusted=trusted),
            scheme,
            peer,
            has_body,
        ),
        length,
        legacy,
        keep_alive,
        b"expect" in fields and _expects_continue(fields[b"expect"], legacy=legacy),
        key,
        header_values(lines, b"via") if b"via" in fields else [],
        max_forwards,
        authority or b"",
    )


def _by_name(lines: HeaderPairs, limits: Limits) -> dict[bytes, bytes]:
    """Field values by lower-case name; of repeated fields the last, and none of these may stand only once."""
    names = [name.lower() for name, _ in lines]
    values = [value for _, value in lines]
    if len(b"".join(names)) + len(b"".join(values)) + 4 * len(names) > limits.headers_total:
        raise _fault("headers_too_large", "all header fields together are over the limit")
    fields = dict(zip(names, values, strict=True))
    if len(fields) != len(names):
        for name in _SINGLE_VALUED.intersection(names):
            if names.count(name) > 1:
                raise _fault("bad_request", "a field that may stand once stands twice")
    return fields


def _onward(lines: HeaderPairs, fields: Mapping[bytes, bytes], *, trusted: bool) -> HeaderPairs:
    """What may go on: neither this hop's fields, nor Expect, which is answered here."""
    every = b" ".join(fields)
    if _NEVER_AS_IT_IS.isdisjoint(fields) and b"_" not in every and b"x-forwarded" not in every:
        return lines
    return tuple([line for line in strip_request(lines, trusted=trusted) if line[0].lower() != b"expect"])


def _fault(code: str, why: str) -> Fault:
    return Fault(code, Source.CLIENT, why, close=True)


def _is_chunked(fields: Mapping[bytes, bytes], *, legacy: bool) -> bool:
    """RFC 9112 section 6.1: one coding, `chunked`, in HTTP/1.1, without Content-Length."""
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        return False
    if legacy or b"content-length" in fields:
        raise _fault(Posture.AMBIGUOUS_FRAMING, "Transfer-Encoding beside Content-Length or in HTTP/1.0")
    if coding.lower() != b"chunked":
        if coding.lower().rpartition(b",")[2].strip() == b"chunked":
            raise _fault("not_implemented", "the only transfer coding understood is a single chunked")
        raise _fault(Posture.AMBIGUOUS_FRAMING, "chunked is not the last transfer coding")
    return True


def _content_length(fields: Mapping[bytes, bytes]) -> int | None:
    value = fields.get(b"content-length")
    if value is None:
        return None
    if not _is_number(value):
        raise _fault(Posture.AMBIGUOUS_FRAMING, "Content-Length is not one number")
    return int(value)


def _is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _DIGITS_AT_MOST


def _expects_continue(expect: bytes, *, legacy: bool) -> bool:
    """RFC 9110 section 10.1.1; a client of HTTP/1.0 cannot expect anything."""
    if legacy:
        return False
    if expect.lower() != b"100-continue":
        raise _fault("expectation_failed", "only 100-continue can be expected")
    return True


def _tokens(lines: HeaderPairs, name: bytes) -> set[bytes]:
    return {token.strip(b" \t") for token in b",".join(header_values(lines, name)).lower().split(b",")}


def _websocket_key(method: str, lines: HeaderPairs, fields: Mapping[bytes, bytes], *, has_body: bool) -> bytes:
    """The handshake's key, or nothing where no WebSocket is asked for (RFC 6455 section 4.2.1).

    Any other protocol in Upgrade, h2c above all, is as if it had not been offered.
    """
    if b"upgrade" not in _tokens(lines, b"connection") or _tokens(lines, b"upgrade") != {b"websocket"}:
        return b""
    key = fields.get(b"sec-websocket-key", b"")
    try:
        whole = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        whole = False
    if method != "GET" or has_body or not whole or fields.get(b"sec-websocket-version") != b"13":
        raise _fault("bad_request", "this is no WebSocket handshake of RFC 6455")
    return key


def _max_forwards(method: str, fields: Mapping[bytes, bytes]) -> int | None:
    """Only OPTIONS is left that Max-Forwards speaks to (RFC 9110 section 7.6.2)."""
    value = fields.get(b"max-forwards")
    if value is None or method != "OPTIONS":
        return None
    if not _is_number(value):
        raise _fault("bad_request", "Max-Forwards is not a number")
    return int(value)
