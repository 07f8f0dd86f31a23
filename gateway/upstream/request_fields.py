"""What holds for a request's fields whichever protocol brought them: how large they may be, which stand once. Pure."""

from gateway.model.errors import Fault, Source
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs

SINGLE_VALUED = frozenset(
    {
        b"authorization", b"content-disposition", b"content-length", b"content-location", b"content-range",
        b"content-type", b"date", b"etag", b"expect", b"from", b"host", b"if-modified-since", b"if-range",
        b"if-unmodified-since", b"max-forwards", b"origin", b"proxy-authorization", b"range", b"referer",
        b"sec-websocket-key", b"sec-websocket-version", b"transfer-encoding", b"user-agent",
    }
)  # fmt: skip
"""Fields of which two would leave it open which one counts (RFC 9110 section 5.3)."""


def fields_by_name(lines: HeaderPairs, limits: Limits) -> dict[bytes, bytes]:
    """Field values by lower-case name; of repeated fields the last, and none of `SINGLE_VALUED` is repeated.

    Raises:
        Fault: headers_too_large, bad_request.
    """
    names = [name.lower() for name, _ in lines]
    values = [value for _, value in lines]
    if len(b"".join(names)) + len(b"".join(values)) + 4 * len(names) > limits.headers_total:
        raise client_fault("headers_too_large", "all header fields together are over the limit")
    fields = dict(zip(names, values, strict=True))
    if len(fields) != len(names):
        for name in SINGLE_VALUED.intersection(names):
            if names.count(name) > 1:
                raise client_fault("bad_request", "a field that may stand once stands twice")
    return fields


def client_fault(code: str, why: str) -> Fault:
    """The client is to blame, and where its next message begins nobody can tell."""
    return Fault(code, Source.CLIENT, why, close=True)
