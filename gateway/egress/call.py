"""One call of an application, from its checked head to its answer, decided on the way there and on the way back."""

import asyncio
from collections.abc import Callable

from mitmproxy import http

from gateway.egress.translate import Received, refusal_response, response_of
from gateway.model.errors import Fault, StoreDown, Unreadable
from gateway.model.message import HeaderPairs
from gateway.runtime.gateway import Gateway, Reading, Refused
from gateway.runtime.outgoing_passage import OutgoingPassage
from gateway.upstream import UpstreamPool
from gateway.upstream.request_fields import client_fault

_VIA = {True: b"2.0 ", False: b"1.1 "}

FindPool = Callable[[str, str], UpstreamPool]
"""The pool of a URL, for a recipient's name."""


class Call:
    """`passage` has decided on the head already; nothing leaves but what it hands back."""

    def __init__(
        self,
        gateway: Gateway,
        received: Received,
        passage: OutgoingPassage,
        pool: FindPool,
        via: bytes,
        *,
        is_http2: bool,
    ) -> None:
        self._gateway = gateway
        self._received = received
        self._pool = pool
        self._via: HeaderPairs = ((b"Via", _VIA[is_http2] + via),)
        self._task: asyncio.Task[http.Response] | None = None
        self._left = False
        self.passage = passage

    def check_length(self, size: int | None) -> None:
        """Raises Fault `over_size` for a body that is longer than this route reads."""
        if size is not None and size > self.passage.body_limit:
            raise client_fault("over_size", "the body is over the limit")

    async def answer(self, body: bytes) -> http.Response | None:
        """The answer to give; None where the client has left meanwhile, and the partner's connection is closed."""
        task = self._task = asyncio.get_running_loop().create_task(self._answer(body))
        if self._left:
            task.cancel()
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                return None
            task.cancel()
            raise

    def leave(self) -> None:
        """The client is gone: give up what is under way."""
        self._left = True
        if self._task is not None:
            self._task.cancel()

    async def _answer(self, body: bytes) -> http.Response:
        method = self._received.head.method
        try:
            self.check_length(len(body))
            return await self._pass(body)
        except Refused as refused:
            return refusal_response(refused.refusal, method)
        except (Fault, Unreadable, StoreDown) as cause:
            return refusal_response(self._gateway.refuse(cause, self.passage), method)

    async def _pass(self, body: bytes) -> http.Response:
        passage, head = self.passage, self._received.head
        read = head.has_body and passage.request_reading is not Reading.UNREAD
        outgoing = await passage.admit_request(body if read else None)
        content = outgoing.body
        if content is None:
            content = body
            passage.sent += len(body)
        framed = head.has_body or self._received.content_length == 0
        pool = self._pool(f"{head.scheme}://{head.host}", passage.recipient)
        response = await pool.request(
            head.method,
            outgoing.target,
            (*outgoing.headers, *self._via),
            content if framed else None,
            strict_singletons=not passage.passes_over_limit,
            still=passage.still_stands if passage.depends_on_consent else None,
        )
        try:
            arrived = response.onward
            reading = passage.response_reading(arrived)
            # Nothing that an add-on answers with can stream: an answer is held whole, whoever reads it.
            whole = await response.read(passage.body_limit)
            returned = await passage.admit_response(arrived, whole if reading is not Reading.UNREAD else None)
        finally:
            response.abort()
        own = (*self._via, *_receipt(passage.receipt_line()))
        if returned.body is None:
            passage.received += len(whole)
        return response_of(returned, whole if returned.body is None else returned.body, head.method, own)


def _receipt(line: bytes) -> HeaderPairs:
    name, colon, value = line.strip().partition(b":")
    return ((name, value.strip()),) if colon else ()
