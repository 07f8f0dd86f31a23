"""The passage of a call that goes out, and what it leaves on the map of destinations."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

from gateway.documents.document import Opened, label_of, open_body
from gateway.engine.exchange import Exchange
from gateway.engine.findings import Findings, findings
from gateway.engine.plan import Decision
from gateway.engine.record import Counts
from gateway.engine.step import Send, Step
from gateway.model.action import Blank, Drop
from gateway.model.errors import Unreadable
from gateway.model.identity import APPLICATION_CALLER
from gateway.model.message import Outgoing
from gateway.model.words import Direction
from gateway.policy.decide import Verdict
from gateway.runtime.passage import Passage

if TYPE_CHECKING:
    from gateway.runtime.gateway import Gateway


_REMEMBERED = 4096

_Body: TypeAlias = bytes | AsyncIterator[bytes] | None


class OutgoingPassage(Passage):
    """`sent` and `received` are bytes of content. Bodies that come back whole from `admit_request` and `admit_response`
    are counted; those that the adapter has itself it tells, by `counted` of a request's and by setting `received`.

    `caller` is the application as records name it, `recipient_name` is None for a host of no recipient, `way` is
    `proxy` or `relay`. `finish` notes the call on the map.
    """

    __slots__ = ("_classes", "_left", "_recipient_name", "_unread", "_way", "received", "sent")

    def __init__(
        self, gateway: "Gateway", exchange: Exchange, *, caller: str, recipient_name: str | None, way: str
    ) -> None:
        super().__init__(gateway, exchange)
        exchange.caller = caller
        self._recipient_name = recipient_name
        self._way = way
        self._classes: set[tuple[Direction, str]] = set()
        self._unread = False
        self._left = False
        self.sent = 0
        self.received = 0

    def counted(self, body: _Body) -> _Body:
        """The same body of a request that did not come from `admit_request`; what streams is counted as it goes."""
        if body is None:
            return None
        if isinstance(body, bytes):
            self.sent += len(body)
            return body
        return self._streamed(body)

    async def _streamed(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in body:
                self.sent += len(piece)
                yield piece
        finally:
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()

    def finish(self, status: int) -> None:
        """Count the exchange as over and note it on the map. Later calls do nothing."""
        if self._finished:
            return
        self._gateway.services.destinations.note(
            self.exchange.head.host,
            self._recipient_name,
            self.exchange.caller.removeprefix(APPLICATION_CALLER),
            sent=self.sent,
            received=self.received,
            classes=self._classes,
            refused=not self._left,
            way=self._way,
            unread=self._unread,
        )
        super().finish(status)

    def _outgoing(self, step: Step) -> Outgoing:
        outgoing = super()._outgoing(step)
        assert isinstance(step, Send)
        body = outgoing.body
        if self.direction is Direction.REQUEST:
            self._left = True
            if body:
                self.sent += len(body)
        elif body:
            self.received += len(body)
        if step.posture:
            self._unread = True
        self._look(step, outgoing)
        return outgoing

    def _look(self, step: Send, outgoing: Outgoing) -> None:
        """Take note of classes: of listed fields always, of what passes beside them now and then, by its looks."""
        exchange, destinations = self.exchange, self._gateway.services.destinations
        decision, observes = step.decision, exchange.observes
        # What a record says of fields says which classes go on, and is one object for all messages that are alike.
        found = destinations.listed_classes.get((step.counts.text, observes))
        if found is None:
            found = self._listed(decision, step.counts, observes=observes)
        if not found <= self._classes:
            self._classes |= found
        for each in step.shares:
            self._classes |= self._listed(each.decision, each.counts, observes=observes)
        passes = observes or decision.plan.passes_rest
        if passes and destinations.looks(exchange.match.route.name, self.direction):
            seen = self._findings(outgoing)
            self._classes.update((self.direction, data_class) for data_class in seen.classes)
            self._unread = self._unread or bool(seen.unread)

    def _listed(self, decision: Decision, counts: Counts, *, observes: bool) -> frozenset[tuple[Direction, str]]:
        listed = self._gateway.services.destinations.listed_classes
        found = listed.get((counts.text, observes))
        if found is None:
            if len(listed) >= _REMEMBERED:
                listed.clear()
            found = listed[counts.text, observes] = frozenset(
                (self.direction, each) for each in _passing(decision.plan.verdicts, counts, whole=observes)
            )
        return found

    def _findings(self, outgoing: Outgoing) -> Findings:
        headers = outgoing.headers
        limits = self._gateway.services.limits
        opened: Opened | None = None
        unread = ""
        try:
            opened = open_body(label_of(headers, limits), outgoing.body, limits) if outgoing.body else None
        except Unreadable as doubt:
            unread = doubt.posture
        found = findings(self.direction, outgoing.target, headers, opened)
        return Findings(found.fields, found.unread or unread)


def _passing(verdicts: tuple[Verdict, ...], counts: Counts, *, whole: bool) -> frozenset[str]:
    """The classes of fields that were met and that go on in some form; all of them where nothing is changed."""
    return frozenset(
        verdict.rule.data_class
        for verdict, count in zip(verdicts, counts.fields, strict=True)
        if count and (whole or not isinstance(verdict.action, Drop | Blank))
    )
