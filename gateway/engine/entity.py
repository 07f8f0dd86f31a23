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
_PARTIAL = frozenset(
    # A date cannot tell that the rules have changed since, so only entity tags make conditions.
    {b"range", b"if-range", b"if-modified-since", b"a-im", b"available-dictionary", b"dictionary-id"}
)
_RANGES = frozenset({b"range", b"if-range"})
_FRAMING = frozenset({b"content-length", b"content-range", b"accept-ranges"})
_SHARED_CACHE = re.compile(rb"(?i)^\s*(public|s-maxage=.*|proxy-revalidate)\s*$")


def suffix_of(digest: str) -> bytes:
    """What is put before the closing quote of an entity tag under the policy with this digest."""
    return b"-pg" + digest[:8].encode()


def request_fields(
    headers: HeaderPairs, suffix: bytes, tag: bytes, *, reads_answer: bool, keeps_ranges: bool = False
) -> HeaderPairs:
    """The request fields to send, with conditions on entity tags as the upstream knows them.

    Args:
        headers: the client's end-to-end fields.
        suffix: of the policy; If-Match means the stored document, however its answer was decided.
        tag: the whole suffix of the answer that would be given now; If-None-Match holds only for that.
        reads_answer: rules read the answer, so no ranges or deltas (RFC 9110 section 14, RFC 3229)
            and only content codings that can be read (RFC 9110 section 12.5.3).
        keeps_ranges: not every answer is read, and what is read of one that is a part is refused.
    """
    kept: list[tuple[bytes, bytes]] = []
    accepted = not reads_answer
    gone = _PARTIAL - _RANGES if keeps_ranges else _PARTIAL
    for pair in headers:
        name = pair[0].lower()
        if name == b"if-match":
            kept.append((pair[0], re.sub(suffix + rb"[0-9a-f]*\"", b'"', pair[1])))
        elif name == b"if-none-match":
            kept.append((pair[0], pair[1].replace(tag + b'"', b'"')))
        elif not reads_answer:
            kept.append(pair)
        elif name == b"accept-encoding":
            accepted = True
            kept.append((pair[0], readable_codings(pair[1])))
        elif name not in gone:
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


def request_changed(headers: HeaderPairs, *, emptied: bool = False) -> HeaderPairs:
    """Fields of a request whose body was rewritten: no digest of the original goes along, nor a coding of nothing."""
    gone = _CHANGED | {b"content-encoding"} if emptied else _CHANGED
    return tuple(pair for pair in headers if pair[0].lower() not in gone)


_CHANGED = _DIGESTS | {b"content-length"}


def response_fields(
    headers: HeaderPairs, suffix: bytes, *, personal: bool, vary: tuple[bytes, ...], record: bytes = b""
) -> HeaderPairs:
    """The fields of a response on an enforced route, whether or not this one was changed.

    Args:
        headers: the upstream's end-to-end fields.
        suffix: see `suffix_of`; empty where no rule reads the body, whose validators then hold.
        personal: the answer depends on the person, so that no shared cache may keep it
            (RFC 9111 section 5.2.2.7).
        vary: the request fields with signals on which the answer depends (RFC 9110 section 12.5.5).
        record: the id of the record that this answer leaves, if it leaves one.
    """
    kept = _rewritten(headers, suffix) if suffix else [pair for pair in headers if pair[0].lower() not in _OURS]
    if personal:
        kept = _private_to_the_caller(kept)
    if vary:
        kept = _varying(kept, vary)
    if record:
        kept.append((RECORD_FIELD, record))
    return tuple(kept)


def _rewritten(headers: HeaderPairs, suffix: bytes) -> list[tuple[bytes, bytes]]:
    kept: list[tuple[bytes, bytes]] = []
    for pair in headers:
        name = pair[0]
        if len(name) not in _TOUCHED_LENGTHS or (name := name.lower()) not in _TOUCHED:
            kept.append(pair)
        elif name == b"etag" and pair[1].endswith(b'"'):
            kept.append((pair[0], pair[1][:-1] + suffix + b'"'))
    kept.append(_NO_RANGES)
    return kept


RECORD_FIELD = b"Privacy-Record"
"""Response field with the id under which the ledger keeps what this answer disclosed."""

RECEIPT_FIELD = b"Disclosure-Receipt"
"""Response field with origin, index and leaf hash of that record, for whoever wants a proof of it later."""

_OURS = frozenset({RECORD_FIELD.lower(), RECEIPT_FIELD.lower()})
_TOUCHED = _DIGESTS | _FRAMING | _OURS | {b"etag"}
_TOUCHED_LENGTHS = frozenset(map(len, _TOUCHED))
_NO_RANGES = (b"Accept-Ranges", b"none")


def _private_to_the_caller(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Fields that let no shared cache keep the answer, whichever way it is spoken to (RFC 9111, RFC 9213)."""
    kept: list[tuple[bytes, bytes]] = []
    directives: list[bytes] = []
    for pair in headers:
        name = pair[0].lower()
        if name == b"cache-control":
            directives.extend(directive.strip() for directive in pair[1].split(b","))
        elif name != b"surrogate-control" and not name.endswith(b"-cache-control"):
            kept.append(pair)
    # `private="…"` is about single fields only.
    if {b"no-store", b"private"}.isdisjoint(directive.lower() for directive in directives):
        directives = [b"private", *(each for each in directives if each and not _SHARED_CACHE.match(each))]
    kept.append((b"Cache-Control", b", ".join(directives)))
    return kept


def _varying(headers: list[tuple[bytes, bytes]], names: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
    """Vary with these names too, in the last line that there is; `*` already says more than any name."""
    lines = [place for place, pair in enumerate(headers) if len(pair[0]) == _VARY and pair[0].lower() == b"vary"]
    known = {member.strip().lower() for place in lines for member in headers[place][1].split(b",")}
    missing = [] if b"*" in known else [name for name in names if name.lower() not in known]
    if not missing:
        return headers
    if not lines:
        return [*headers, (b"Vary", b", ".join(missing))]
    place = lines[-1]
    name, value = headers[place]
    merged = b", ".join([value, *missing] if value.strip() else missing)
    return [*headers[:place], (name, merged), *headers[place + 1 :]]


_VARY = len(b"vary")


def signals_gpc(headers: HeaderPairs) -> bool:
    """Whether the request carries the Global Privacy Control signal: exactly `1`, in any of its lines."""
    return b"1" in header_values(headers, b"sec-gpc")
