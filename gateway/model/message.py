"""One HTTP message, free of any server's or client's types.

Header fields stay the raw pairs that came off the wire, in order and with their spelling, because
RFC 9110 section 5.3 lets order carry meaning and promise P7 lets nothing else change.
"""

from collections.abc import Iterable

import msgspec

from gateway.model.field_template import Fields, HeaderPairs, pairs_of
from gateway.model.identity import Identity


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A request before its body: framing is already checked and hop-by-hop fields are already gone.

    `target` is origin-form (`/path?query`) or `*`, byte for byte as it came; `host` is lower-case,
    with its port only where that differs from the scheme's default. `derived` is a place for what
    follows from `headers` alone: requests on one connection that repeat their header block share
    it, so that each layer works the block out once. It ends with the connection. `certified` is whom
    the certificate of the connection's client names, `visitor` whom the gateway's own cookie names, which is not
    among the headers.
    """

    method: str
    target: bytes
    host: str
    headers: HeaderPairs
    scheme: str = "http"
    peer: str = ""
    has_body: bool = False
    derived: dict[object, object] = msgspec.field(default_factory=dict)
    certified: Identity | None = None
    visitor: Identity | None = None


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """A final response before its body, as the upstream sent it, hop-by-hop fields already gone."""

    status: int
    fields: Fields

    @property
    def headers(self) -> HeaderPairs:
        """The fields as pairs."""
        return pairs_of(self.fields)


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message that may leave: the head as decided, and the bytes of the body that go with it.

    `body` is None where no rule reads the body, which then streams through untouched. `target` is
    empty and `status` set for a response; the reverse holds for a request.
    """

    fields: Fields
    body: bytes | None
    target: bytes = b""
    status: int = 0

    @property
    def headers(self) -> HeaderPairs:
        """The fields as pairs."""
        return pairs_of(self.fields)


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The gateway's own answer: an RFC 9457 problem document that holds no data of the message."""

    status: int
    code: str
    headers: HeaderPairs
    body: bytes
    close: bool = False


__all__ = ["HeaderPairs", "Outgoing", "Refusal", "RequestHead", "ResponseHead", "header_values"]


def header_values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Every value of the field `name` (given in lower case), in the order of the message."""
    size = len(name)
    return [value for key, value in headers if len(key) == size and key.lower() == name]
