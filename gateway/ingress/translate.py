"""From aiohttp's parsed message to a plain `RequestHead`, refusing what two parsers could read differently.

The fields are judged by `header_block`. Here are the request line and what depends on it: other
versions than 1.0 and 1.1, hosts that are no hosts, targets with fragments, CONNECT and TRACE, and
what aiohttp's C parser (llhttp) reads otherwise. Nothing here knows of sockets, policy or upstreams.
"""

import base64
import binascii
import re
from collections.abc import Mapping

import msgspec
from aiohttp.http_parser import RawRequestMessage

from gateway.ingress.header_block import HeaderBlock, is_number, onward_fields, read_fields
from gateway.ingress.header_guard import HeaderGuard
from gateway.ingress.partner import Partner
from gateway.model.identity import Identity
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, RequestHead, header_values
from gateway.model.words import Posture
from gateway.upstream.request_fields import client_fault
from gateway.upstream.target import host_of, read_target

_VERSIONS = ((1, 1), (1, 0))
_NEVER_SERVED = frozenset({"CONNECT", "TRACE"})


class WireRequest(msgspec.Struct, gc=False):
    """A request head with what only this hop needs to know: framing, persistence, Expect, Upgrade.

    `verbatim` tells that target and method left the fields of `block` as they are, `absolute` that the target
    was a whole URL. `partner` is where a relay keeps whom the request goes to.
    """

    head: RequestHead
    block: HeaderBlock
    keep_alive: bool
    authority: bytes
    websocket_key: bytes = b""
    max_forwards: int | None = None
    verbatim: bool = True
    absolute: bool = False
    partner: Partner | None = None


class RepeatedRequest(msgspec.Struct, frozen=True, gc=False):
    """A request without a body that has its own request line, and the fields of the connection's one before."""

    method: str
    target: bytes


REPEATABLE_LINE = re.compile(rb"(DELETE|GET|HEAD|PATCH|POST|PUT) (/[!-\"$-~]*) HTTP/1\.1\r\n")
"""The request lines that `read_repeated` is for: of HTTP/1.1, in origin-form."""


def is_repeatable(wire: WireRequest) -> bool:
    """Whether a request with the same field lines and a `REPEATABLE_LINE` would mean the same but for that line."""
    block = wire.block
    plain = wire.verbatim and not (wire.websocket_key or block.upgrade or block.legacy or block.has_body)
    return plain and wire.keep_alive and bool(wire.head.host)


def read_repeated(request: RepeatedRequest, last: WireRequest) -> WireRequest:
    """The head of a request with the fields of `last`, which is repeatable."""
    before = last.head
    block = last.block
    head = RequestHead(
        request.method,
        request.target,
        before.host,
        block.onward,
        before.scheme,
        before.peer,
        False,
        block.derived,
        before.certified,
        before.visitor,
    )
    return WireRequest(head, block, True, last.authority)


def read_head(
    message: RawRequestMessage,
    limits: Limits,
    *,
    scheme: str,
    peer: str,
    trusted: bool,
    last: HeaderBlock | None = None,
    certified: Identity | None = None,
    guard: HeaderGuard | None = None,
) -> WireRequest:
    """Check the head of one request and strip what belongs to this hop only.

    `scheme` and `peer` are those of the connection; only a `trusted` peer may speak for a client.
    `last` is the block of the connection's request before, `certified` whom its certificate names.
    `guard` takes a trusted header from peers that may not send it.

    Raises:
        Fault: bad_request, ambiguous_framing, method_not_allowed, not_implemented, version_unsupported,
            headers_too_large, expectation_failed. All ask for the connection to be closed.
    """
    version = message.version
    if version not in _VERSIONS:
        raise client_fault("version_unsupported", "only HTTP/1.0 and HTTP/1.1 are understood")
    method = message.method
    if method in _NEVER_SERVED:
        raise client_fault("method_not_allowed", "CONNECT and TRACE do not pass")
    lines: HeaderPairs = message.raw_headers
    legacy = version[1] == 0
    if last is not None and last.lines == lines and last.legacy is legacy:
        block = last
    else:
        block = read_fields(lines, limits, legacy=legacy, trusted=trusted, guard=guard)
    if block.chunked != bool(message.chunked):
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "two readings of the framing disagree")
    target, authority = read_target(method, message.path.encode("utf-8", "surrogateescape"))
    if authority is None and block.authority is not None and not block.upgrade and method != "OPTIONS":
        host = host_of(block.authority, scheme)
        head = RequestHead(
            method, target, host, block.onward, scheme, peer, block.has_body, block.derived, certified, block.visitor
        )
        # aiohttp's parser loses what follows an upgrade that it does not know in the same piece of input.
        return WireRequest(head, block, not message.should_close and not message.upgrade, block.authority)
    return _read_uncommon(
        message,
        block,
        target,
        authority,
        scheme=scheme,
        peer=peer,
        trusted=trusted,
        certified=certified,
        guard=guard,
    )


def _read_uncommon(
    message: RawRequestMessage,
    block: HeaderBlock,
    target: bytes,
    authority: bytes | None,
    *,
    scheme: str,
    peer: str,
    trusted: bool,
    certified: Identity | None,
    guard: HeaderGuard | None,
) -> WireRequest:
    """What method or target say about the fields: an authority of its own, Max-Forwards, a handshake."""
    method = message.method
    lines = block.lines
    absolute = authority is not None
    if authority is not None:
        lines = ((b"Host", authority), *(line for line in lines if line[0].lower() != b"host"))
    else:
        authority = block.authority
    if authority is None and not block.legacy:
        raise client_fault("bad_request", "Host is missing")
    max_forwards = _max_forwards(method, block.fields)
    if max_forwards:
        lines = tuple((k, b"%d" % (max_forwards - 1) if k.lower() == b"max-forwards" else v) for k, v in lines)
    key = _websocket_key(method, block) if block.upgrade else b""
    verbatim = lines is block.lines
    onward = block.onward if verbatim else onward_fields(lines, block.fields, trusted=trusted, guard=guard)
    host = "" if authority is None else host_of(authority, scheme)
    return WireRequest(
        RequestHead(
            method, target, host, onward, scheme, peer, block.has_body, certified=certified, visitor=block.visitor
        ),
        block,
        not message.should_close and (bool(key) or not message.upgrade),
        authority or b"",
        key,
        max_forwards,
        verbatim,
        absolute,
    )


def _tokens(lines: HeaderPairs, name: bytes) -> set[bytes]:
    return {token.strip(b" \t") for token in b",".join(header_values(lines, name)).lower().split(b",")}


def _websocket_key(method: str, block: HeaderBlock) -> bytes:
    """The handshake's key, or nothing where no WebSocket is asked for (RFC 6455 section 4.2.1).

    Any other protocol in Upgrade, h2c above all, is as if it had not been offered.
    """
    lines, fields = block.lines, block.fields
    if b"upgrade" not in _tokens(lines, b"connection") or _tokens(lines, b"upgrade") != {b"websocket"}:
        return b""
    key = fields.get(b"sec-websocket-key", b"")
    try:
        whole = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        whole = False
    if method != "GET" or block.has_body or not whole or fields.get(b"sec-websocket-version") != b"13":
        raise client_fault("bad_request", "this is no WebSocket handshake of RFC 6455")
    return key


def _max_forwards(method: str, fields: Mapping[bytes, bytes]) -> int | None:
    """Only OPTIONS is left that Max-Forwards speaks to (RFC 9110 section 7.6.2)."""
    value = fields.get(b"max-forwards")
    if value is None or method != "OPTIONS":
        return None
    if not is_number(value):
        raise client_fault("bad_request", "Max-Forwards is not a number")
    return int(value)
