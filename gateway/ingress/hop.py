"""What a port makes of the requests that it takes: whom they go on to, and what this hop adds.

`forward` sees one exchange through, whatever it is for. A `Hop` is what differs between a port in front of the
company's own applications (`ServiceHop`) and one in front of partners (`relay.RelayHop`).
"""

from collections.abc import AsyncIterator
from typing import Protocol, TypeAlias

from gateway.ingress.settings import IngressSettings
from gateway.ingress.translate import WireRequest
from gateway.ingress.tunnel import handshake_fields
from gateway.model.message import HeaderPairs, ResponseHead
from gateway.runtime.gateway import Gateway, Passage
from gateway.upstream import UpstreamPool, UpstreamPools
from gateway.upstream.head import FieldBlock, encode_fields
from gateway.upstream.hops import ForwardedMode, add_forwarding

Content: TypeAlias = bytes | AsyncIterator[bytes] | None


class Hop(Protocol):
    """Lives as long as its server."""

    def receive(self, wire: WireRequest) -> Passage:
        """Take the head of a request. Raises Refused where it leads nowhere."""

    def onward(self, wire: WireRequest, passage: Passage, headers: HeaderPairs) -> tuple[UpstreamPool, FieldBlock]:
        """Where an admitted request goes, and its fields as they are written.

        Raises:
            Fault: as `encode_fields`.
        """

    # Asked only where `wire` has a `partner`.

    def counted(self, passage: Passage, content: Content) -> Content:
        """The body of a request, where it goes on unread."""

    def homeward(self, wire: WireRequest, head: ResponseHead) -> ResponseHead:
        """The head of the answer as whoever asked is to understand it."""

    def delivered(self, passage: Passage, size: int) -> None:
        """So many bytes of the answer's body went to whoever asked."""


class ServiceHop:
    """In front of applications, at the upstreams of the rules."""

    def __init__(self, gateway: Gateway, pools: UpstreamPools, settings: IngressSettings) -> None:
        self._gateway = gateway
        self._pools = pools
        self._forwarding = settings.forwarding
        self._via = settings.via.encode()

    def receive(self, wire: WireRequest) -> Passage:
        return self._gateway.receive(wire.head)

    def onward(self, wire: WireRequest, passage: Passage, headers: HeaderPairs) -> tuple[UpstreamPool, FieldBlock]:
        """The admitted fields and what this hop adds are written once for as long as they stay the same.

        All that is added follows from the connection and from the fields that the client sent; not
        so the key of a handshake, the Host of a target, or that of the upstream.
        """
        pool = self._pools.of(passage.upstream)
        block = wire.block
        sent = block.sent
        repeats = wire.verbatim and wire.head.host and not wire.websocket_key
        if repeats and sent is not None and sent[0] == headers:
            return pool, sent[1]
        fields = encode_fields(self._with_own_fields(wire, headers, pool))
        if repeats:
            block.sent = (headers, fields)
        return pool, fields

    def _with_own_fields(self, wire: WireRequest, headers: HeaderPairs, pool: UpstreamPool) -> HeaderPairs:
        head, forwarding = wire.head, self._forwarding
        if forwarding.mode is not ForwardedMode.OFF:
            headers = add_forwarding(headers, forwarding, peer=head.peer, scheme=head.scheme, host=wire.authority)
        fields = (*headers, (b"Via", (b"1.0 " if wire.block.legacy else b"1.1 ") + self._via))
        if wire.websocket_key:
            fields = handshake_fields(fields, wire.websocket_key)
        if not head.host:
            upstream = pool.upstream
            fields = ((b"Host", f"{upstream.host}:{upstream.port}".encode()), *fields)
        return fields

    def counted(self, passage: Passage, content: Content) -> Content:  # noqa: ARG002 - routes count, not hosts
        return content

    def homeward(self, wire: WireRequest, head: ResponseHead) -> ResponseHead:  # noqa: ARG002 - as it came
        return head

    def delivered(self, passage: Passage, size: int) -> None:
        """Nothing: routes count, not hosts."""
