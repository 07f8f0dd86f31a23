"""The engine: one compiled policy with its plans, ready to take requests. No I/O, no clock."""

from collections.abc import Hashable, Mapping

from gateway.crypto.keyring import KeyRing
from gateway.engine.entity import suffix_of
from gateway.engine.exchange import Exchange, Way
from gateway.engine.plan import Plans
from gateway.engine.record import Entry, Moment, bare_entry, encode
from gateway.engine.refusals import refusal
from gateway.engine.signals import SignalReader
from gateway.engine.treatment import treatment_key, treatment_of
from gateway.model.errors import Fault, Source, Unreadable
from gateway.model.limits import Limits
from gateway.model.message import Refusal, RequestHead, header_values
from gateway.model.words import Direction, Kind, Posture
from gateway.policy.policy import Policy, Route
from gateway.policy.router import RouteMatch

_OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")
"""Fields by which many frameworks let a request change its method."""

_NO_ROUTE = "no rule covers this address"


class Engine:
    """Immutable apart from its memo of plans; a new policy is a new engine."""

    def __init__(
        self, policy: Policy, keys: KeyRing, limits: Limits, portal: str = "", *, outgoing: bool = False
    ) -> None:
        """`portal` is the path of the person's pages, empty where there are none.

        `outgoing` takes calls that go out, too: without it, a route to a recipient without an upstream is none.
        """
        self.policy = policy
        self.limits = limits
        self.portal = portal
        self.signals = SignalReader(policy)
        self._outgoing = outgoing
        self._keys = keys
        self._suffix = suffix_of(policy.digest)
        self._treated: dict[Hashable, tuple[Plans, Plans]] = {}
        self._ways: list[Way | None] = [None] * len(policy.routes)

    def receive(self, head: RequestHead, request_id: bytes) -> Exchange:
        """Find the route and begin an exchange.

        Raises:
            Unreadable: the path can be read in two ways that lead to different routes.
            Fault: `unknown_route`.
        """
        target = head.target
        mark = target.find(b"?")
        match = self.policy.router.find(head.method, head.host, target if mark < 0 else target[:mark])
        if match is None:
            raise Fault(Posture.UNKNOWN_ROUTE, Source.CLIENT, _NO_ROUTE)
        self._refuse_other_method(head, match)
        way = match.way
        if not isinstance(way, Way) or way.engine is not self:
            way = match.way = self._ways[match.route.number] or self._way(match.route)
        return Exchange(head, match, request_id, way=way, limits=self.limits, suffix=self._suffix)

    def _refuse_other_method(self, head: RequestHead, match: RouteMatch) -> None:
        """Refuse a request whose header names another method, if rules of another route are for that one."""
        overrides = head.derived.get(_OVERRIDES)
        if overrides is None:
            values = [value for name in _OVERRIDES for value in header_values(head.headers, name)]
            overrides = head.derived[_OVERRIDES] = tuple(value.strip().decode("latin-1").upper() for value in values)
        if not overrides:
            return
        path = head.target.partition(b"?")[0]
        for method in overrides if isinstance(overrides, tuple) else ():
            other = self.policy.router.find(method, head.host, path)
            if other is None or other.route is not match.route:
                raise Unreadable(Posture.AMBIGUOUS_FRAMING, "a header field names another method than the request")

    def _way(self, route: Route) -> Way:
        """Made when the first message of the route comes; alike routes share their plans.

        Raises:
            Fault: `unknown_route`, where the route is for calls that go out, and this engine takes none.
        """
        if not self._outgoing and self.policy.recipients[route.to].upstream is None:
            raise Fault(Posture.UNKNOWN_ROUTE, Source.CLIENT, _NO_ROUTE)
        key = treatment_key(route)
        plans = self._treated.get(key)
        if plans is None:
            alike = treatment_of(route)
            plans = self._treated[key] = (
                Plans(self.policy, alike, Direction.REQUEST, self._keys, self.signals),
                Plans(self.policy, alike, Direction.RESPONSE, self._keys, self.signals, portal=self.portal),
            )
        way = self._ways[route.number] = Way(self, encode(route.name), *plans, portal=self.portal)
        return way

    def refuse(
        self,
        code: str,
        moment: Moment,
        *,
        exchange: Exchange | None,
        direction: Direction,
        close: bool = False,
        caller: str = "",
        detail: str = "",
    ) -> tuple[Refusal, Entry]:
        """The answer and the record for a message that could not be read or passed on.

        `caller` is who called, where that is known of a message without an exchange. `detail` takes the place
        of the code's own.
        """
        answer = refusal(
            code,
            request_id=moment.request_id.decode(),
            answers_response=direction is Direction.RESPONSE,
            retry_after=self.limits.retry_after,
            close=close,
            detail=detail,
        )
        details: Mapping[str, object] = {"direction": direction, "policy": self.policy.digest, "reason": str(code)}
        if caller:
            details = {**details, "caller": caller}
        if exchange is not None:
            details = {
                **details,
                "caller": exchange.caller,
                "method": exchange.head.method,
                "mode": exchange.route.mode,
                "recipient": exchange.route.to if direction is Direction.REQUEST else exchange.route.caller,
                "route": exchange.route.name,
                "subject": exchange.subject,
            }
        return answer, bare_entry(moment, kind=Kind.REFUSE, **details)
