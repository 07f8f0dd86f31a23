"""Where the pure engine meets clock, randomness, stores and the ledger.

An adapter sees two classes: `Gateway`, one for each worker, and `Passage`, one for each request.
Everything that may leave comes back from a Passage as `Outgoing`, after its record is durable;
everything that may not is raised as `Refused`.
"""

from gateway.engine.engine import Engine
from gateway.engine.record import Entry
from gateway.engine.refusals import ANSWERS
from gateway.model.errors import Fault, Source, StoreDown, Unreadable
from gateway.model.message import Refusal, RequestHead
from gateway.model.words import Direction, Posture
from gateway.policy.policy import Policy
from gateway.runtime.cookie_memory import listed_cookies
from gateway.runtime.moments import Moments
from gateway.runtime.passage import Passage, Refused
from gateway.runtime.reading import Reading
from gateway.runtime.services import Services
from gateway.runtime.sightings import Sightings, has_no_rules

RECORDED_CODES = frozenset(str(posture) for posture in Posture)
"""Refusals by posture are records; those by verdict are recorded with their fields."""


class Gateway:
    """One worker's gateway: an engine that can be swapped, and the stores it works with."""

    def __init__(self, policy: Policy, services: Services, portal: str = "", *, outgoing: bool = False) -> None:
        """`portal` is the path of the person's pages, empty where there are none.

        `outgoing` takes calls that go out, as `Engine` does.
        """
        self.services = services
        self.portal = portal
        self._outgoing = outgoing
        self.engine = self._engine(policy)
        self.cookies = listed_cookies(policy)
        self.moments = Moments()
        self.sightings = Sightings() if has_no_rules(policy) else None
        services.metrics.sightings = self.sightings

    @property
    def policy(self) -> Policy:
        return self.engine.policy

    def _engine(self, policy: Policy) -> Engine:
        services = self.services
        return Engine(policy, services.keys, services.limits, self.portal, outgoing=self._outgoing)

    def swap(self, policy: Policy) -> None:
        """Requests that arrive from now on meet this policy; those under way finish under theirs."""
        self.engine = self._engine(policy)
        self.cookies = listed_cookies(policy)

    def receive(self, head: RequestHead) -> Passage:
        """Take a request's head.

        Raises:
            Refused: no route, or a path that can be read in two ways.
        """
        request_id = self.moments.request_id()
        try:
            exchange = self.engine.receive(head, request_id)
        except (Unreadable, Fault) as cause:
            raise Refused(self.refuse(cause, request_id=request_id)) from cause
        return Passage(self, exchange)

    def refuse(
        self,
        cause: Fault | Unreadable | StoreDown,
        passage: Passage | None = None,
        *,
        request_id: bytes = b"",
        caller: str = "",
        detail: str = "",
        recorded: bool = False,
    ) -> Refusal:
        """The answer for a failure. It is counted; where a posture decided, or `recorded` says so, it is recorded too.

        A refusal discloses nothing, so it need not wait for its record. Faults of HTTP, of the
        upstream and of overload are counted only: nobody is to fill the ledger with noise.
        `caller` and `detail` are as in `Engine.refuse`.
        """
        code = str(cause.code if isinstance(cause, Fault) else cause.posture)
        if code not in ANSWERS:
            code = "internal_error"
        exchange = passage.exchange if passage is not None else None
        direction = passage.direction if passage is not None else Direction.REQUEST
        if isinstance(cause, Fault) and cause.source is Source.UPSTREAM:
            direction = Direction.RESPONSE
        moment = self.moments.now(request_id or (exchange.request_id if exchange else self.moments.request_id()))
        close = isinstance(cause, Fault) and cause.close
        answer, entry = self.engine.refuse(
            code, moment, exchange=exchange, direction=direction, close=close, caller=caller, detail=detail
        )
        if recorded or code in RECORDED_CODES:
            self.record_refusal(answer, entry)
        else:
            self.services.metrics.refusal(code)
        return answer

    def record_refusal(self, answer: Refusal, entry: Entry) -> None:
        """Count a refusal and hand its record to the ledger, without waiting for it."""
        self.services.metrics.refusal(answer.code)
        if self.services.ledger is not None:
            self.services.ledger.commit(*entry).add_done_callback(_observed)


def _observed(future: object) -> None:
    """Take note of a failed refusal record, which the ledger itself has counted and reported."""
    cancelled = getattr(future, "cancelled", None)
    if cancelled is not None and not cancelled():
        future.exception()  # type: ignore[attr-defined]


__all__ = ["Gateway", "Passage", "Reading", "Refused"]
