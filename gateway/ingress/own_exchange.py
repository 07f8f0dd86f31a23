"""An exchange with a page of the gateway's own: the same limits, framing and counts, and no upstream."""

import time

from gateway.ingress.respond import content_length, field_lines, head_bytes
from gateway.ingress.translate import WireRequest
from gateway.ingress.upload import Upload
from gateway.model.errors import Fault, Source
from gateway.runtime.metrics import Metrics
from gateway.runtime.own_pages import OWN_PAGES, OwnAnswer, OwnPages

_NO_LENGTH = frozenset({204, 304})


class OwnExchange:
    """Counts as under way until `finish`."""

    __slots__ = ("_metrics", "_pages", "_started")

    def __init__(self, pages: OwnPages, metrics: Metrics) -> None:
        self._pages = pages
        self._metrics = metrics
        self._started = time.perf_counter()
        metrics.in_flight += 1

    async def answer(self, wire: WireRequest, upload: Upload) -> OwnAnswer:
        """Read the body, if there is one, and ask the page.

        Raises:
            Fault: over_size, request_timeout, ambiguous_framing as `Upload.whole`; upgrade_refused.
            StoreDown, Unreadable, Fault: as the page says.
            ClientGoneError: the connection ended first.
        """
        if wire.websocket_key:
            raise Fault("upgrade_refused", Source.CLIENT, "no page passes a WebSocket")
        body = b""
        if wire.head.has_body:
            body = await upload.whole(self._pages.body_limit, wire.block.content_length)
        return await self._pages.answer(wire.head, body)

    def finish(self, status: int) -> None:
        """Count what the client saw."""
        self._metrics.in_flight -= 1
        self._metrics.route(OWN_PAGES).exchange(status, time.perf_counter() - self._started)


def own_answer_bytes(answer: OwnAnswer, *, keep_alive: bool, legacy: bool, without_body: bool) -> bytes:
    """The whole answer as it goes out. `without_body` answers HEAD."""
    framing = b"" if answer.status in _NO_LENGTH else content_length(len(answer.body))
    body = b"" if without_body or answer.status in _NO_LENGTH else answer.body
    fields = field_lines(answer.headers)
    return head_bytes(answer.status, fields, framing=framing, keep_alive=keep_alive, legacy=legacy, body=body)
