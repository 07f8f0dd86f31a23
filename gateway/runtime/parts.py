"""A body edited as it flows: each piece's record is durable before the piece goes on."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.documents.multipart_stream import Piece
from gateway.engine.exchange import Exchange
from gateway.engine.items import may_flow, stream_of
from gateway.engine.step import Send
from gateway.model.errors import Fault, Source
from gateway.model.facts import SubjectState
from gateway.model.message import HeaderPairs
from gateway.model.words import Direction, Reason

if TYPE_CHECKING:
    from gateway.runtime.gateway import Gateway


class BodyEditor:
    """Feeds the body of an admitted message through its plan.

    `state` is the person's consents on which the plan rests, None where it rests on none.
    """

    def __init__(
        self, exchange: Exchange, admitted: Send, gateway: "Gateway", headers: HeaderPairs, state: SubjectState | None
    ) -> None:
        """Raises Fault where consent changed after the body was found fit to flow."""
        plan = admitted.decision.plan
        if not may_flow(plan, headers):
            raise Fault(Reason.WITHDRAWN, Source.CLIENT, "consent changed while the message came", close=True)
        self._exchange = exchange
        self._decision = admitted.decision
        self._gateway = gateway
        self._subject = exchange.subject
        self._state = state
        self._status = admitted.outgoing.status if plan.direction is Direction.RESPONSE else 0
        self._counted = admitted.recorded
        self._stream = stream_of(plan, exchange.head, headers, gateway.services.limits)

    async def feed(self, chunk: bytes) -> bytes:
        """What may go on after this chunk, at once.

        Raises:
            Unreadable: the body cannot be read without doubt; what went on before stays on record.
            StoreDown: the record of a field cannot be written, or nobody can tell what the person decided.
            Fault: consent_changed, since the message was admitted.
        """
        return await self._recorded(self._stream.feed(chunk))

    async def finish(self) -> bytes:
        """What may go on after the last chunk. Raises as `feed`."""
        content = await self._recorded(self._stream.finish())
        self._count(recorded=False)
        return content

    async def _recorded(self, pieces: Iterable[Piece]) -> bytes:
        contents = []
        for piece in pieces:
            if piece.counts is not None or piece.unlisted:
                await self._record(piece)
            contents.append(piece.content)
        content = b"".join(contents)
        if content and not self._still_stands():
            raise Fault("consent_changed", Source.CLIENT, "consent changed while the message came", close=True)
        return content

    def _still_stands(self) -> bool:
        if self._state is None or self._subject is None:
            return True
        return self._gateway.services.consent.state(self._subject) == self._state

    async def _record(self, piece: Piece) -> None:
        plan = self._decision.plan
        counts = plan.record.counts(piece.counts or plan.nothing.fields, (piece.unlisted, 0, 0, 0))
        ledger = self._gateway.services.ledger
        exchange = self._exchange
        entry = plan.record.entry(
            self._gateway.moments.now(exchange.request_id),
            counts,
            method=exchange.head.method.encode(),
            route=exchange.name,
            subject=self._subject,
            caller=exchange.caller,
            events=self._decision.events,
            status=self._status,
        )
        if ledger is not None:
            await ledger.commit(*entry)
        self._count(recorded=True)

    def _count(self, *, recorded: bool) -> None:
        """Count the message once, as soon as it is known whether any of it is on record."""
        if not self._counted:
            self._counted = True
            direction = self._decision.plan.direction
            route = self._gateway.services.metrics.route(self._exchange.route.name)
            route.message(direction, recorded=recorded)
