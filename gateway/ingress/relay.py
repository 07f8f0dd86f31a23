"""In front of partners, for applications that can be pointed at a URL: the hop of a relay.

Nothing tells a partner what stands behind the relay: no Via, Forwarded or X-Forwarded-*, and an Origin or Referer
that names another place than the partner's own only where the route lists it. Redirections within the partner come
back as paths of the relay, so that whoever follows them stays inside.
"""

from functools import partial

import msgspec

from gateway.ingress.hop import Content
from gateway.ingress.location import homeward
from gateway.ingress.partner import Partner, PartnerMap
from gateway.ingress.translate import WireRequest
from gateway.ingress.tunnel import handshake_fields
from gateway.model.address import Place
from gateway.model.errors import Fault, Source, Unreadable
from gateway.model.message import HeaderPairs, RequestHead, ResponseHead
from gateway.model.words import Posture
from gateway.policy.policy import Route
from gateway.runtime.outgoing import OutgoingCalls
from gateway.runtime.outgoing_passage import OutgoingPassage
from gateway.runtime.passage import Passage
from gateway.upstream import PartnerPools, UpstreamPool
from gateway.upstream.head import FieldBlock, encode_fields

_NOWHERE = "The relay leads to no partner from here; its prefixes and hosts are in gateway.yaml."
_NO_PROXY = "A relay takes paths, not whole URLs: it is no proxy."
_OF_PLACES = (b"origin", b"referer")
_LED_ELSEWHERE = frozenset({201, 300, 301, 302, 303, 307, 308})
"""Statuses with which Location means something (RFC 9110 section 10.2.2)."""


class _Relayed(msgspec.Struct, frozen=True, gc=False):
    """What a block of header fields is for one partner; kept with the block."""

    headers: HeaderPairs
    derived: dict[object, object]


class RelayHop:
    """The hop of one relay listener."""

    def __init__(self, partners: PartnerMap, calls: OutgoingCalls, pools: PartnerPools) -> None:
        self._partners = partners
        self._calls = calls
        self._pools = pools

    def receive(self, wire: WireRequest) -> Passage:
        head = wire.head
        secret = wire.block.fields.get(b"proxy-authorization")
        authorization = () if secret is None else (secret,)
        if wire.absolute:
            fault = Fault("bad_request", Source.CLIENT, "the target is a whole URL")
            raise self._calls.refused(fault, authorization, head.peer, detail=_NO_PROXY)
        target = head.target
        mark = target.find(b"?")
        try:
            partner = self._partners.find(head.host, target if mark < 0 else target[:mark])
        except Unreadable as doubt:
            raise self._calls.refused(doubt, authorization, head.peer) from doubt
        if partner is None:
            fault = Fault(Posture.UNKNOWN_ROUTE, Source.CLIENT, "the relay leads to no partner from here")
            raise self._calls.refused(fault, authorization, head.peer, detail=_NOWHERE)
        wire.partner = partner
        relayed = _relayed(wire, partner)
        return self._calls.receive(
            RequestHead(
                head.method,
                _stripped(target, partner.prefix),
                partner.host,
                relayed.headers,
                partner.scheme,
                head.peer,
                head.has_body,
                relayed.derived,
            ),
            authorization,
        )

    def onward(self, wire: WireRequest, passage: Passage, headers: HeaderPairs) -> tuple[UpstreamPool, FieldBlock]:
        """The fields are written once for as long as the admitted ones stay the same: they hold all, Host too."""
        partner, block = wire.partner, wire.block
        assert partner is not None
        pool = self._pools.of(partner.url, passage.recipient)
        fields = block.fields
        if b"origin" in fields or b"referer" in fields:
            headers = _without_places(headers, partner, passage.exchange.treatment)
        if wire.websocket_key:
            return pool, encode_fields(handshake_fields(headers, wire.websocket_key))
        sent = block.sent
        if sent is None or sent[0] != headers:
            sent = block.sent = (headers, encode_fields(headers))
        return pool, sent[1]

    def counted(self, passage: Passage, content: Content) -> Content:
        assert isinstance(passage, OutgoingPassage)
        return passage.counted(content)

    def homeward(self, wire: WireRequest, head: ResponseHead) -> ResponseHead:
        partner = wire.partner
        if partner is None or head.status not in _LED_ELSEWHERE:
            return head
        asked, leads_to = wire.head.target, partial(self._partners.find, wire.head.host)
        headers = tuple(
            (name, homeward(value, partner, asked, leads_to) if name.lower() == b"location" else value)
            for name, value in head.headers
        )
        return ResponseHead(head.status, headers)

    def delivered(self, passage: Passage, size: int) -> None:
        assert isinstance(passage, OutgoingPassage)
        passage.received = size


def _relayed(wire: WireRequest, partner: Partner) -> _Relayed:
    block, headers = wire.block, wire.head.headers
    if headers is not block.onward:
        return _Relayed(_for_partner(headers, partner), {})
    known = block.derived.get(partner)
    if not isinstance(known, _Relayed):
        known = block.derived[partner] = _Relayed(_for_partner(headers, partner), {})
    return known


def _for_partner(headers: HeaderPairs, partner: Partner) -> HeaderPairs:
    """The fields without the way that the request came, and with the partner's Host in the place of the relay's."""
    kept: list[tuple[bytes, bytes]] = []
    named = False
    for name, value in headers:
        lower = name.lower()
        if lower == b"host":
            named = True
            kept.append((name, partner.authority))
        elif lower != b"via":
            kept.append((name, value))
    return tuple(kept) if named else ((b"Host", partner.authority), *kept)


def _stripped(target: bytes, prefix: bytes) -> bytes:
    rest = target[len(prefix) :]
    return rest if rest[:1] in (b"/", b"*") else b"/" + rest


def _without_places(headers: HeaderPairs, partner: Partner, route: Route) -> HeaderPairs:
    """The fields without an Origin or Referer that the route does not list, unless it names the partner's own."""
    listed = {rule.address.name.encode() for rule in route.request.fields if rule.address.place is Place.HEADER}
    own = partner.url.encode()
    return tuple(
        (name, value)
        for name, value in headers
        if name.lower() not in _OF_PLACES or name.lower() in listed or value == own or value.startswith(own + b"/")
    )
