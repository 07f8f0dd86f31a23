"""Entity fields of rewritten messages: validators, ranges, digests, codings (RFC 9110, 9530).

A document that rules rewrite is another representation than the upstream's. Its validators get a
suffix that names the policy, so that caches never take one for the other, and ranges of it are
not served, since half a document cannot be judged.
"""

import re

from gateway.documents.coding import SUPPORTED_CODINGS
from gateway.model.message import HeaderPairs, header_values

# RFC 9530 section 6: a digest of the original lets its receiver guess what was taken out.
_DIGESTS = frozenset(
    {b"content-md5", b"digest", b"content-digest", b"repr-digest", b"signature", b"signature-input", b"want-digest"}
)
_PARTIAL = frozenset({b"range", b"if-range", b"a-im", b"available-dictionary", b"dictionary-id"})
_CONDITIONS = frozenset({b"if-match", b"if-none-match"})
_FRAMING = frozenset({b"content-length", b"content-range", b"accept-ranges"})
_SHARED_CACHE = re.compile(rb"(?i)^\s*(public|s-maxage=.*|proxy-revalidate)\s*$")


def suffix_of(digest: str) -> bytes:
    """What is put before the closing quote of an entity tag under the policy with this digest."""
    return b"-pg" + digest[:8].encode()


def request_for_rewriting(headers: HeaderPairs, suffix: bytes) -> HeaderPairs:
    """The request fields to send where rules read the answer.

    No ranges or deltas (RFC 9110 section 14, RFC 3229), only content codings that can be read
    (RFC 9110 section 12.5.3), and entity tags as the upstream knows them.
    """
    kept: list[tuple[bytes, bytes]] = []
    accepted = False
    for pair in headers:
        name = pair[0].lower()
        if name in _PARTIAL:
            continue
        if name == b"accept-encoding":
            accepted = True
            kept.append((pair[0], readable_codings(pair[1])))
        elif name in _CONDITIONS:
            kept.append((pair[0], pair[1].replace(suffix + b'"', b'"')))
        else:
            kept.append(pair)
    if not accepted:
        kept.append((b"Accept-Encoding", b"identity"))
    return tuple(kept)


def readable_codings(accept_encoding: bytes) -> bytes:
    """The client's wishes less the codings that cannot be read here (RFC 9110 section 12.5.3)."""
    members = [member.strip() for member in accept_encoding.split(b",")]
    known = [member for member in members if member.partition(b";")[0].strip().lower() in _NEGOTIABLE]
    return b", ".join(known) or b"identity"


_NEGOTIABLE = frozenset(SUPPORTED_CODINGS) | {b"identity", b"x-gzip"}


def request_changed(headers: HeaderPairs) -> HeaderPairs:
    """Fields of a request whose body was rewritten: no digest of the original goes along."""
    return tuple(pair for pair in headers if pair[0].lower() not in _DIGESTS and pair[0].lower() != b"content-length")


def response_fields(
    headers: HeaderPairs, suffix: bytes, *, personal: bool, varies_by_signal: bool, record: bytes = b""
) -> HeaderPairs:
    """The fields of a response on an enforced route, whether or not this one was changed.

    Args:
        headers: the upstream's end-to-end fields.
        suffix: see `suffix_of`; empty where no rule reads the body, whose validators then hold.
        personal: the answer depends on the person, so that no shared cache may keep it
            (RFC 9111 section 5.2.2.7).
        varies_by_signal: the answer depends on Sec-GPC.
        record: the id of the record that this answer leaves, if it leaves one.
    """
    kept: list[tuple[bytes, bytes]] = []
    cache_control: list[bytes] = []
    dropped = _DROPPED if suffix else _OURS
    for pair in headers:
        name = pair[0]
        if len(name) not in _TOUCHED_LENGTHS:
            kept.append(pair)
        elif (name := name.lower()) == b"cache-control" and personal:
            cache_control.extend(directive.strip() for directive in pair[1].split(b","))
        elif name == b"etag" and suffix and pair[1].endswith(b'"'):
            kept.append((pair[0], pair[1][:-1] + suffix + b'"'))
        elif name not in dropped:
            kept.append(pair)
    if suffix:
        kept.append(_NO_RANGES)
    if personal:
        kept.append((b"Cache-Control", _private(cache_control)))
    if varies_by_signal:
        kept.append((b"Vary", b"Sec-GPC"))
    if record:
        kept.append((RECORD_FIELD, record))
    return tuple(kept)


RECORD_FIELD = b"Privacy-Record"
"""Response field with the id under which the ledger keeps what this answer disclosed."""

_OURS = frozenset({RECORD_FIELD.lower()})
_DROPPED = _DIGESTS | _FRAMING | _OURS
_TOUCHED_LENGTHS = frozenset(map(len, _DROPPED | {b"etag", b"cache-control"}))
_NO_RANGES = (b"Accept-Ranges", b"none")


def _private(directives: list[bytes]) -> bytes:
    names = {directive.partition(b"=")[0].lower() for directive in directives}
    if b"no-store" in names or b"private" in names:
        return b", ".join(directives)
    return b", ".join([b"private", *(each for each in directives if each and not _SHARED_CACHE.match(each))])


def signals_gpc(headers: HeaderPairs) -> bool:
    """Whether the request carries the Global Privacy Control signal: exactly `1`, in any of its lines."""
    return b"1" in header_values(headers, b"sec-gpc")
