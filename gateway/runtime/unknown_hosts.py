"""Calls that go out to hosts of no recipient, where the rules let them: they pass untouched, and on record.

What they hold is told by the looks of it (`engine.findings`). A record is durable before a request leaves (P2),
whatever is found; an answer has one where something was found, or could not be read.
"""

from typing import TYPE_CHECKING

from gateway.engine.exchange import Exchange, Way
from gateway.engine.findings import Findings, findings
from gateway.engine.plan import Plans
from gateway.engine.record import bare_entry, encode
from gateway.engine.rewrite import Content
from gateway.engine.signals import SignalReader
from gateway.engine.step import Send, Step
from gateway.engine.treatment import treatment_of
from gateway.model.message import Outgoing, RequestHead
from gateway.model.words import Direction, Kind, Mode, Reason
from gateway.policy.observe import UNKNOWN, unknown_hosts_policy
from gateway.policy.policy import CALLER
from gateway.policy.router import RouteMatch
from gateway.runtime.outgoing_passage import OutgoingPassage
from gateway.runtime.passage import ANYTIME

if TYPE_CHECKING:
    from gateway.runtime.gateway import Gateway


class UnknownHosts:
    """The calls of one worker to hosts of no recipient."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        policy = unknown_hosts_policy()
        (route,) = policy.routes
        signals = SignalReader(policy)
        alike = treatment_of(route)
        request, response = (Plans(policy, alike, way, gateway.services.keys, signals) for way in Direction)
        self._match = RouteMatch(route, {}, Way(self, encode(route.name), request, response))

    def passage(self, head: RequestHead, caller: str, *, way: str) -> "ObservedPassage":
        """Take a request's head, as `OutgoingPassage` takes its arguments. Nothing about the head is refused."""
        gateway = self._gateway
        match = self._match
        assert isinstance(match.way, Way)
        request_id = gateway.moments.request_id()
        exchange = Exchange(head, match, request_id, way=match.way, limits=gateway.services.limits, suffix=b"")
        return ObservedPassage(gateway, exchange, caller=caller, recipient_name=None, way=way)


class ObservedPassage(OutgoingPassage):
    """As any passage to an adapter; only a ledger that cannot write refuses what it admits."""

    __slots__ = ()

    async def _admit(self, subject: str | None, plans: Plans) -> Step:
        """What came in goes on, after its record. Raises StoreDown where the record cannot be written."""
        del subject, plans
        exchange, direction = self.exchange, self.direction
        request = direction is Direction.REQUEST
        step = exchange.decide_request(ANYTIME) if request else exchange.decide_response(ANYTIME)
        assert isinstance(step, Send)
        found = self._found_in(step)
        unread = step.posture or found.unread
        self._classes.update((direction, data_class) for data_class in found.classes)
        self._unread = self._unread or bool(unread)
        recorded = request or bool(found.fields or unread)
        ledger = self._gateway.services.ledger
        if recorded and ledger is not None:
            self._index = await ledger.commit(*self._entry(found, unread, step.outgoing.status))
        self._counted.message(direction, recorded=recorded)
        return step

    def _look(self, step: Send, outgoing: Outgoing) -> None:
        """What it holds was looked at before its record."""

    def _found_in(self, step: Send) -> Findings:
        content = self.exchange.content
        opened = content.opened if isinstance(content, Content) else None
        return findings(self.direction, step.outgoing.target, step.outgoing.headers, opened)

    def _entry(self, found: Findings, unread: str, status: int) -> tuple[bytes, bytes]:
        exchange, gateway = self.exchange, self._gateway
        request = self.direction is Direction.REQUEST
        fields: list[dict[str, object]] = [
            {
                "action": "keep",
                "address": field.address,
                "class": field.data_class,
                "count": field.count,
                "reason": Reason.DETECTED,
            }
            for field in found.fields
        ]
        if unread:
            fields.append({"action": "keep", "address": "*", "count": 1, "reason": unread})
        details = {} if request else {"status": status}
        return bare_entry(
            gateway.moments.now(exchange.request_id),
            kind=Kind.DISCLOSE if request else Kind.COLLECT,
            caller=exchange.caller,
            consent=(),
            direction=self.direction,
            fields=fields,
            host=gateway.services.destinations.written(exchange.head.host),
            method=exchange.head.method,
            mode=Mode.OBSERVE,
            policy=gateway.policy.digest,
            reason=Reason.UNKNOWN_RECIPIENT,
            recipient=UNKNOWN if request else CALLER,
            route=UNKNOWN,
            subject=None,
            **details,
        )
