"""A multipart body edited as it flows: each piece's record is durable before the piece goes on."""

from typing import TYPE_CHECKING

from gateway.documents.multipart_stream import MultipartStream, Piece
from gateway.engine.exchange import Exchange
from gateway.engine.step import Send
from gateway.model.errors import Fault, Source
from gateway.model.words import Reason

if TYPE_CHECKING:
    from gateway.runtime.gateway import Gateway


class BodyEditor:
    """Feeds an admitted request's body through its plan."""

    def __init__(self, exchange: Exchange, admitted: Send, gateway: "Gateway") -> None:
        """Raises Fault where consent changed after the form was found fit to stream."""
        if admitted.decision.plan.may_refuse:
            raise Fault(Reason.WITHDRAWN, Source.CLIENT, "consent changed while the request came", close=True)
        self._exchange = exchange
        self._decision = admitted.decision
        self._gateway = gateway
        self._stream = MultipartStream(exchange.head.headers, admitted.decision.plan.body, gateway.services.limits)

    async def feed(self, chunk: bytes) -> bytes:
        """What may go on after this chunk.

        Raises:
            Unreadable: the body cannot be read without doubt; what went on before stays on record.
            StoreDown: the record of a field cannot be written.
        """
        return await self._recorded(self._stream.feed(chunk))

    async def finish(self) -> bytes:
        """What may go on after the last chunk. Raises as `feed`."""
        return await self._recorded(self._stream.finish())

    async def _recorded(self, pieces: list[Piece]) -> bytes:
        for piece in pieces:
            if piece.counts is not None or piece.unlisted:
                await self._record(piece)
        return b"".join(piece.content for piece in pieces)

    async def _record(self, piece: Piece) -> None:
        plan = self._decision.plan
        counts = plan.record.counts(piece.counts or plan.nothing.fields, (piece.unlisted, 0, 0, 0))
        ledger = self._gateway.services.ledger
        if ledger is None:
            return
        exchange = self._exchange
        entry = plan.record.entry(
            self._gateway.moments.now(exchange.request_id),
            counts,
            method=exchange.head.method.encode(),
            route=exchange.name,
            subject=exchange.subject,
            events=self._decision.events,
        )
        await ledger.commit(*entry)
