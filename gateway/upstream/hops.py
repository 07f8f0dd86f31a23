"""Fields that belong to one connection or to one hop: dropped, told on, or refused. Pure.

| field | rule | source |
|---|---|---|
| Connection, what it names, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade | dropped | RFC 9110 7.6.1 |
| HTTP2-Settings | dropped, since h2c is never offered | RFC 9113 3.1 |
| Proxy | dropped: CGI would read it as the server's own proxy setting | httpoxy |
| Via | one entry added, our own is a loop | RFC 9110 7.6.3 |
| Forwarded, X-Forwarded-*, X-Real-IP, … | kept from trusted peers only | RFC 7239 8.1 |
| names with `_` | dropped where the name with `-` is one of the above or carries framing or identity | RFC 9110 5.1 |

Other names with `_` are legal tokens and pass: CGI can only confuse them with names that mean
nothing to the gateway.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from gateway.model.message import HeaderPairs, header_values
from gateway.model.network import Network, lies_in

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
NEVER_NOMINATED = frozenset(
    {
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-length",
        b"content-location",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"date",
        b"dnt",
        b"host",
        b"sec-gpc",
        b"set-cookie",
        b"vary",
    }
)
"""Fields meant for every recipient, without which a message means something else (RFC 9110 7.6.1)."""

FORWARDING = frozenset(
    {
        b"cf-connecting-ip",
        b"client-ip",
        b"forwarded",
        b"forwarded-for",
        b"true-client-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-forwarded-for",
        b"x-original-host",
        b"x-original-url",
        b"x-real-ip",
        b"x-rewrite-url",
    }
)
"""What servers believe about the client and its request, beside all of X-Forwarded-*."""

_X_FORWARDED = b"x-forwarded"
_NO_TWIN = HOP_BY_HOP | FORWARDING | NEVER_NOMINATED | {b"authorization", b"cookie", b"via"}
_UNTRUSTED = HOP_BY_HOP | FORWARDING
_NOTHING: frozenset[bytes] = frozenset()
NOMINATES_NOTHING = frozenset({b"close", b"keep-alive"})
"""The common values of Connection, in lower case: they name no field that is not gone anyway."""

_COMMENT = re.compile(rb"\((?:[^()\\]|\\.)*\)")
_NODE = re.compile(rb"[A-Za-z0-9._-]+")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def strip_hop_by_hop(headers: Sequence[tuple[bytes, bytes]]) -> HeaderPairs:
    """All but the fields of this hop. Content-Length stays: framing is the caller's.

    Must run before the gateway adds fields of its own, so that no sender can nominate those.
    """
    names = [name.lower() for name, _ in headers]
    if HOP_BY_HOP.isdisjoint(names):
        return tuple(headers)
    nominated = _nominated(headers, names)
    gone = HOP_BY_HOP | nominated if nominated else HOP_BY_HOP
    return tuple([pair for pair, name in zip(headers, names, strict=True) if name not in gone])


def strip_request(headers: Sequence[tuple[bytes, bytes]], *, trusted: bool) -> HeaderPairs:
    """`strip_hop_by_hop`, and with it the fields of forwarding unless the peer is trusted.

    The twins with `_` of fields that the gateway sets, trusts or drops go from every peer.
    """
    names = [name.lower() for name, _ in headers]
    every = b" ".join(names)
    underscored = b"_" in every
    gone = HOP_BY_HOP if trusted else _UNTRUSTED
    if not underscored and gone.isdisjoint(names) and (trusted or _X_FORWARDED not in every):
        return tuple(headers)
    nominated = _nominated(headers, names)
    if nominated:
        gone |= nominated
    kept = [pair for pair, name in zip(headers, names, strict=True) if name not in gone]
    if not trusted and _X_FORWARDED in every:
        kept = [pair for pair in kept if not pair[0].lower().startswith(_X_FORWARDED)]
    return tuple([pair for pair in kept if not _is_twin(pair[0].lower())] if underscored else kept)


def _is_twin(name: bytes) -> bool:
    if b"_" not in name:
        return False
    dashed = name.replace(b"_", b"-")
    return dashed in _NO_TWIN or dashed.startswith(_X_FORWARDED)


def _nominated(headers: Sequence[tuple[bytes, bytes]], names: list[bytes]) -> frozenset[bytes]:
    """What the Connection fields name, less what no sender may take away."""
    if b"connection" not in names:
        return _NOTHING
    options = headers[names.index(b"connection")][1].lower()
    if names.count(b"connection") > 1:
        options = b",".join(header_values(headers, b"connection")).lower()
    if options in NOMINATES_NOTHING:
        return _NOTHING
    return frozenset([option.strip(b" \t") for option in options.split(b",")]) - NEVER_NOMINATED


def passed_before(existing: Iterable[bytes], pseudonym: bytes) -> bool:
    """Whether the Via values name this gateway: the request runs in a loop."""
    ours = pseudonym.lower()
    for value in existing:
        for entry in _without_comments(value).split(b","):
            words = entry.split()
            if len(words) > 1 and words[1].lower() == ours:
                return True
    return False


def _without_comments(value: bytes) -> bytes:
    while b"(" in value:
        shorter = _COMMENT.sub(b" ", value)
        if shorter == value:
            break
        value = shorter
    return value


class ForwardedMode(StrEnum):
    OFF = "off"
    APPEND = "append"


class ForwardedFields(StrEnum):
    """Which spelling upstreams are told in."""

    FORWARDED = "forwarded"
    X_FORWARDED = "x_forwarded"
    BOTH = "both"


class Forwarding(msgspec.Struct, frozen=True):
    """What upstreams learn about the client, who in front of us is believed.

    Off by default, since an address is personal data. With `hide_client` upstreams see
    `for=_hidden` and no X-Forwarded-For entry of ours.
    """

    mode: ForwardedMode = ForwardedMode.OFF
    fields: ForwardedFields = ForwardedFields.BOTH
    trusted: tuple[Network, ...] = ()
    hide_client: bool = False

    def trusts(self, peer: str) -> bool:
        """Whether the peer's address (no port) lies in a trusted network; a peer without one never does."""
        return bool(self.trusted) and lies_in(peer, self.trusted)


def add_forwarding(
    headers: Sequence[tuple[bytes, bytes]], forwarding: Forwarding, *, peer: str, scheme: str, host: bytes
) -> HeaderPairs:
    """Tell the upstream about this hop, behind what a trusted peer told (see `strip_request`).

    X-Forwarded-Proto and -Host of a trusted peer stay: it saw the client, we did not.
    """
    if forwarding.mode is ForwardedMode.OFF:
        return tuple(headers)
    added = list(headers)
    if forwarding.fields is not ForwardedFields.X_FORWARDED:
        _append(added, b"Forwarded", _forwarded_element(forwarding, peer, scheme, host))
    if forwarding.fields is not ForwardedFields.FORWARDED:
        if not forwarding.hide_client:
            _append(added, b"X-Forwarded-For", peer.partition("%")[0].encode() or b"unknown")
        present = {name.lower() for name, _ in added}
        if b"x-forwarded-proto" not in present:
            added.append((b"X-Forwarded-Proto", scheme.encode()))
        if b"x-forwarded-host" not in present and host:
            added.append((b"X-Forwarded-Host", host))
    return tuple(added)


def _append(headers: list[tuple[bytes, bytes]], name: bytes, value: bytes) -> None:
    """Add to the last line of that name, or add the line: order is the path of the request."""
    lower = name.lower()
    for position in range(len(headers) - 1, -1, -1):
        present, before = headers[position]
        if present.lower() == lower:
            headers[position] = (present, before + b", " + value if before else value)
            return
    headers.append((name, value))


def _forwarded_element(forwarding: Forwarding, peer: str, scheme: str, host: bytes) -> bytes:
    node = b"_hidden" if forwarding.hide_client else _node(peer)
    element = b"for=" + node + b";proto=" + scheme.encode()
    return element + b";host=" + _quoted(host) if host else element


def _node(peer: str) -> bytes:
    """RFC 7239 section 6: IPv6 in brackets and quoted, an unknown peer as `unknown`."""
    address = peer.partition("%")[0].encode()
    if b":" in address:
        return b'"[' + address + b']"'
    return address if _NODE.fullmatch(address) else b"unknown"


def _quoted(value: bytes) -> bytes:
    if _TOKEN.fullmatch(value):
        return value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
