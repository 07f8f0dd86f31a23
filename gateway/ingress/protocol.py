"""One client connection: aiohttp's HTTP/1.1 protocol with its generosity taken out.

aiohttp keeps the parser, its queue of pipelined requests, backpressure and cancellation. Here:

* connections over a cap are told so and closed;
* after the first parse error nothing more is read, and the answer is a refusal of ours instead of
  aiohttp's text, which quotes the client's bytes;
* heads, bodies, tunnels and unread answers have deadlines, checked by one sweep of the server
  instead of one timer per request.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import _ErrInfo

from gateway.ingress.header_guard import HeaderGuard
from gateway.ingress.request_loop import Handler, RequestLoop
from gateway.ingress.translate import REPEATABLE_LINE, RepeatedRequest, WireRequest
from gateway.ingress.upload import Upload
from gateway.model.errors import Fault, Source
from gateway.model.identity import Identity
from gateway.model.words import Posture
from gateway.workers.listeners import SNI

if TYPE_CHECKING:
    from aiohttp.http_websocket import WebSocketReader

    from gateway.ingress.clients import Clients
    from gateway.ingress.tunnel import Inbound


_TAIL_AT_MOST = 8 * 1024
"""Bytes of a head of which the field lines are kept, for as long as their connection lasts."""


class ClientConnection(RequestLoop):
    """Serves one connection; `clients` holds what all connections of the server share.

    `peer` is the client's address ("" on a unix socket) and `trusted` whether it may speak for others;
    `certified` is whom its TLS certificate names, and `guard` takes a trusted header from it;
    `server_name` is the host that TLS was asked for; `served` counts requests; `last` is the last one
    that was read in full.
    """

    __slots__ = (
        "_closing_since",
        "_end_tunnel",
        "_head_bytes",
        "_head_since",
        "_opened",
        "_payload",
        "_repeatable",
        "_tail",
        "_tunnel_idle",
        "certified",
        "counted",
        "guard",
        "last",
        "peer",
        "scheme",
        "served",
        "server_name",
        "trusted",
        "upload",
    )

    def __init__(self, manager: web.Server, clients: "Clients", handle: Handler, **options: Any) -> None:
        super().__init__(manager, clients, handle, **options)
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._head_bytes = 0
        self._head_since: float | None = None
        self._opened = self._loop.time()
        self._closing_since: float | None = None
        self.last: WireRequest | None = None
        self._tail = b""
        self._repeatable = b""
        self.counted = False
        self.peer = ""
        self.scheme = "http"
        self.server_name: str | None = None
        self.trusted = False
        self.certified: Identity | None = None
        self.guard: HeaderGuard | None = None
        self.served = 0
        self.upload: Upload | None = None
        self._tunnel_idle: Callable[[float], bool] | None = None
        self._end_tunnel: Callable[[], None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is being parsed or served."""
        return self._waits and self._head_since is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # aiohttp forgets its transport before it is closed; this one is kept until the very end.
        self._pipe = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        self.peer = peername[0] if isinstance(peername, tuple) else ""
        encrypted = transport.get_extra_info("ssl_object")
        if encrypted is not None:
            self.scheme = "https"
            self.server_name = getattr(encrypted, SNI, None)
        self._clients.introduce(self, encrypted)
        code = self._clients.admit(self)
        if code is None:
            super().connection_made(transport)
            return
        self._broken = True
        self.transport = self._pipe
        self.transport.write(self._clients.turn_away(code))
        self._half_close()
        self._loop.call_later(self._clients.limits.lingering_time, transport.close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._clients.forget(self)
        super().connection_lost(exc)
        self._pipe = None

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        begins = self._head_since is None and self._waits
        if begins and self._repeatable and data.endswith(self._repeatable) and self._take_repeated(data):
            return
        super().data_received(data)
        if self._messages:
            self._head_since = None
            self._head_bytes = 0
            message, payload = self._messages[-1]
            if isinstance(message, _ErrInfo):
                self._break_off()
            else:
                self._payload = payload
                self._tail = _only_tail(data) if begins and payload is EMPTY_PAYLOAD else b""
        elif data and self._waiter is not None:
            self._count_partial_head(len(data))

    @property
    def _waits(self) -> bool:
        """Whether the parser stands between two messages, and the loop waits for the next."""
        return self._waiter is not None and not self._messages and not self._waiter.done()

    def _take_repeated(self, data: bytes) -> bool:
        """Take a head that ends in the field lines of the last one; what stands before them is judged in full."""
        size = len(data) - len(self._repeatable)
        line = REPEATABLE_LINE.fullmatch(data, 0, size)
        waiter = self._waiter
        if (
            line is None
            or waiter is None
            or size > self._clients.limits.request_line
            or self._close
            or self._force_close
        ):
            return False
        self._repeated = RepeatedRequest(line[1].decode(), line[2])
        self._request_count += 1
        self._payload = EMPTY_PAYLOAD
        waiter.set_result(None)
        return True

    def remember(self, wire: "WireRequest", *, repeatable: bool) -> None:
        """Keep the request that was read last, and, where it is `repeatable`, the bytes of its field lines."""
        self.last = wire
        self._repeatable = self._tail if repeatable else b""

    def _count_partial_head(self, size: int) -> None:
        limits = self._clients.limits
        if self._head_since is None:
            self._head_since = self._loop.time()
        self._head_bytes += size
        if self._head_bytes > limits.headers_total + limits.request_line:
            self._answer(Fault("headers_too_large", Source.CLIENT, "the head is over the limit", close=True))

    def _break_off(self) -> None:
        """Read nothing more, and tell whoever still reads the body before the error."""
        self._broken = True
        if not self._payload.is_eof():
            self._payload.set_exception(
                Fault(Posture.AMBIGUOUS_FRAMING, Source.CLIENT, "the body's framing is broken", close=True)
            )

    def _answer(self, fault: Fault) -> None:
        """Make the loop, which waits for a request, answer `fault` instead."""
        self._head_since = None
        self._messages.append((_ErrInfo(400, fault, ""), EMPTY_PAYLOAD))
        self._break_off()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """As aiohttp's, which without a pause before would run the parser for nothing."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def check_deadlines(self, now: float) -> None:
        """Cut off what takes too long. Called by the server's sweep."""
        limits = self._clients.limits
        if self._head_since is not None:
            if now - self._head_since > limits.header_timeout:
                self._answer(Fault("request_timeout", Source.CLIENT, "the head did not arrive in time", close=True))
        elif not self._request_count and now - self._opened > limits.header_timeout:
            self.force_close()
        elif self.upload is not None and self.upload.overdue(now):
            self.upload.give_up()
        if self._closing_since is None and self._pipe is not None and self._pipe.is_closing():
            self._closing_since = now
        for since in (self._stalled_since, self._closing_since):
            if since is not None and now - since > limits.body_idle_timeout:
                self.abort()
        if self._tunnel_idle is not None and self._tunnel_idle(now):
            self.abort()

    def open_tunnel(self, inbound: "Inbound", idle: Callable[[float], bool], end: Callable[[], None]) -> None:
        """From here on `inbound` takes the client's bytes; the sweep asks `idle`, a drain calls `end`."""
        self._tunnel_idle = idle
        self._end_tunnel = end
        self.set_parser(cast("WebSocketReader", inbound))

    def close_tunnel(self) -> None:
        """The tunnel is over; the connection cannot go back to HTTP."""
        self._tunnel_idle = self._end_tunnel = None

    def begin_drain(self) -> None:
        """Close now if idle; end a tunnel; otherwise the answer under way will be the last."""
        if self._end_tunnel is not None:
            self._end_tunnel()
        elif self.idle or not self._request_count:
            self.force_close()

    def _process_keepalive(self) -> None:
        if self._head_since is None:
            super()._process_keepalive()
        else:
            # The next head is under way and has its own deadline.
            self._keepalive_handle = None


def _only_tail(data: bytes) -> bytes:
    """What follows the request line, if `data` is one whole head that can be repeated and nothing else."""
    line = REPEATABLE_LINE.match(data)
    whole = line is not None and len(data) <= _TAIL_AT_MOST and data.find(b"\r\n\r\n") == len(data) - 4
    return data[line.end() :] if line is not None and whole else b""
