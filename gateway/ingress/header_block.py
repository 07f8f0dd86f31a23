"""A request's header fields, checked and stripped once for as long as its client repeats them.

aiohttp's C parser (llhttp) already refuses bare CR and LF, folded lines, control characters, names
outside tchar and doubtful Content-Length values. What it lets through is closed here, from the raw
field lines: any transfer coding but a single `chunked`, transfer codings in HTTP/1.0, doubled
single-value fields, fields that are too many bytes together.
"""

from collections.abc import Mapping

import msgspec

from gateway.ingress.header_guard import HeaderGuard
from gateway.model.identity import Identity
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, header_values
from gateway.model.words import Posture
from gateway.upstream.head import FieldBlock
from gateway.upstream.hops import FORWARDING, HOP_BY_HOP, strip_request
from gateway.upstream.request_fields import client_fault, fields_by_name

_NEVER_AS_IT_IS = HOP_BY_HOP | FORWARDING | {b"expect"}
"""With none of these, and no name that could be the twin of one, the fields go on as they are."""
_DIGITS_AT_MOST = 18


class HeaderBlock(msgspec.Struct, gc=False):
    """All that follows from a request's header fields alone, on one connection.

    Clients repeat their fields from request to request, so a connection keeps the block of its last
    request: equal fields are not judged again, and go on as the very same `onward`. `sent` is the
    like for the upstream's side: the admitted fields last sent and how they were written. `derived`
    is where the layers above keep what they work out from `onward`. `visitor` is whom the gateway's own
    cookie names, which `onward` does not hold.
    """

    lines: HeaderPairs
    legacy: bool
    fields: dict[bytes, bytes]
    chunked: bool
    content_length: int | None
    authority: bytes | None
    onward: HeaderPairs
    expects_continue: bool
    via: list[bytes]
    upgrade: bool
    has_body: bool
    visitor: Identity | None = None
    sent: tuple[HeaderPairs, FieldBlock] | None = None
    derived: dict[object, object] = msgspec.field(default_factory=dict)


def read_fields(
    lines: HeaderPairs, limits: Limits, *, legacy: bool, trusted: bool, guard: HeaderGuard | None = None
) -> HeaderBlock:
    """Check the fields, apart from what depends on method and target. Raises as `read_head`."""
    fields = fields_by_name(lines, limits)
    chunked = _is_chunked(fields, legacy=legacy)
    length = _content_length(fields)
    return HeaderBlock(
        lines,
        legacy,
        fields,
        chunked,
        length,
        fields.get(b"host"),
        onward_fields(lines, fields, trusted=trusted, guard=guard),
        b"expect" in fields and _expects_continue(fields[b"expect"], legacy=legacy),
        header_values(lines, b"via") if b"via" in fields else [],
        b"upgrade" in fields and not legacy,
        chunked or bool(length),
        None if guard is None else guard.visitor(lines),
    )


def onward_fields(
    lines: HeaderPairs, fields: Mapping[bytes, bytes], *, trusted: bool, guard: HeaderGuard | None = None
) -> HeaderPairs:
    """What may go on: neither this hop's fields, nor Expect, which is answered here, nor what `guard` takes away.

    Raises:
        Fault: bad_request, as `HeaderGuard.strip`.
    """
    if guard is not None:
        lines = guard.strip(lines)
    every = b" ".join(fields)
    if _NEVER_AS_IT_IS.isdisjoint(fields) and b"_" not in every and b"x-forwarded" not in every:
        return lines
    return tuple([line for line in strip_request(lines, trusted=trusted) if line[0].lower() != b"expect"])


def _is_chunked(fields: Mapping[bytes, bytes], *, legacy: bool) -> bool:
    """RFC 9112 section 6.1: one coding, `chunked`, in HTTP/1.1, without Content-Length."""
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        return False
    if legacy or b"content-length" in fields:
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "Transfer-Encoding beside Content-Length or in HTTP/1.0")
    if coding.lower() != b"chunked":
        if coding.lower().rpartition(b",")[2].strip() == b"chunked":
            raise client_fault("not_implemented", "the only transfer coding understood is a single chunked")
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "chunked is not the last transfer coding")
    return True


def _content_length(fields: Mapping[bytes, bytes]) -> int | None:
    value = fields.get(b"content-length")
    if value is None:
        return None
    if not is_number(value):
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "Content-Length is not one number")
    return int(value)


def is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _DIGITS_AT_MOST


def _expects_continue(expect: bytes, *, legacy: bool) -> bool:
    """RFC 9110 section 10.1.1; a client of HTTP/1.0 cannot expect anything."""
    if legacy:
        return False
    if expect.lower() != b"100-continue":
        raise client_fault("expectation_failed", "only 100-continue can be expected")
    return True
