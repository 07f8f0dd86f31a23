"""One client connection: aiohttp's HTTP/1.1 protocol with its generosity taken out.

aiohttp's `RequestHandler` keeps the parser, its queue of pipelined requests, backpressure and
cancellation. What changes:

* after the first parse error nothing more is read, and the answer is a refusal of ours instead of
  aiohttp's text, which quotes the client's bytes;
* the loop over the requests is ours: without a task, a writer and a request object of aiohttp's for
  each, and with answers that are written to the transport at once;
* heads, bodies, tunnels and unread answers have deadlines, checked by one sweep of the server
  instead of one timer per request.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from gateway.ingress.listeners import SNI
from gateway.ingress.parse_errors import parse_fault
from gateway.ingress.upload import ClientGoneError, Upload
from gateway.model.errors import Fault, Source
from gateway.model.words import Posture

if TYPE_CHECKING:
    from aiohttp.http_websocket import WebSocketReader

    from gateway.ingress.clients import Clients
    from gateway.ingress.tunnel import Inbound

_LOG = logging.getLogger("gateway.ingress")
_NO_LINGER = struct.pack("ii", 1, 0)


class ClientRequest:
    """One parsed request on its connection."""

    __slots__ = ("connection", "message", "payload")

    def __init__(self, message: RawRequestMessage, payload: StreamReader, connection: "ClientConnection") -> None:
        self.message = message
        self.payload = payload
        self.connection = connection

    def _cancel(self, error: BaseException) -> None:
        """Called by aiohttp when the connection is lost."""
        self.payload.set_exception(error)


Handler: TypeAlias = "Callable[[ClientRequest], Awaitable[bool]]"
"""Answers a request; returns whether its connection may take another one."""


class _Declined:
    """What aiohttp's end of a request is given, which here only goes on parsing."""

    def _finish(self) -> None: ...
    async def prepare(self, _request: object) -> None: ...
    async def write_eof(self) -> None: ...


_DECLINED = _Declined()


class ClientConnection(RequestHandler):
    """Serves one connection; `clients` holds what all connections of the server share.

    `peer` is the client's address ("" on a unix socket) and `trusted` whether it may speak for others;
    `server_name` is the host that TLS was asked for; `served` counts requests.
    """

    __slots__ = (
        "_broken",
        "_clients",
        "_closing_since",
        "_end_tunnel",
        "_handle",
        "_head_bytes",
        "_head_since",
        "_opened",
        "_payload",
        "_pipe",
        "_stalled_since",
        "_tunnel_idle",
        "counted",
        "peer",
        "scheme",
        "served",
        "server_name",
        "trusted",
        "upload",
    )

    def __init__(self, manager: web.Server, clients: "Clients", handle: Handler, **options: Any) -> None:
        super().__init__(manager, **options)
        self._clients = clients
        self._handle = handle
        self._broken = False
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._head_bytes = 0
        self._head_since: float | None = None
        self._opened = self._loop.time()
        self._stalled_since: float | None = None
        self._closing_since: float | None = None
        self._pipe: asyncio.Transport | None = None
        self.counted = False
        self.peer = ""
        self.scheme = "http"
        self.server_name: str | None = None
        self.trusted = False
        self.served = 0
        self.upload: Upload | None = None
        self._tunnel_idle: Callable[[float], bool] | None = None
        self._end_tunnel: Callable[[], None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def idle(self) -> bool:
        """Whether no request is being parsed or served."""
        return self._waiter is not None and not self._messages and self._head_since is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # aiohttp forgets its transport before it is closed; this one is kept until the very end.
        self._pipe = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        self.peer = peername[0] if isinstance(peername, tuple) else ""
        encrypted = transport.get_extra_info("ssl_object")
        if encrypted is not None:
            self.scheme = "https"
            self.server_name = getattr(encrypted, SNI, None)
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
        super().data_received(data)
        if self._messages:
            self._head_since = None
            self._head_bytes = 0
            message, payload = self._messages[-1]
            if isinstance(message, _ErrInfo):
                self._break_off()
            else:
                self._payload = payload
        elif data and self._waiter is not None:
            self._count_partial_head(len(data))

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
        """Make aiohttp's loop, which waits for a request, answer `fault` instead."""
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

    def send(self, data: bytes) -> None:
        """Write to the client.

        Raises:
            ClientGoneError: the connection is closed.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ClientGoneError
        transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken enough of what was sent; aborted if it takes nothing.

        Raises:
            ClientGoneError: the connection is closed.
        """
        if not self._paused:
            return
        self._stalled_since = self._loop.time()
        try:
            await self._drain_helper()
        except ConnectionError as error:
            raise ClientGoneError from error
        finally:
            self._stalled_since = None
        if self.transport is None:
            raise ClientGoneError

    def abort(self, *, reset: bool = False) -> None:
        """Close at once. With `reset` the client sees an error where the end could pass for a good one."""
        pipe = self._pipe
        if pipe is None:
            return
        peer = pipe.get_extra_info("socket") if reset else None
        if peer is not None:
            with contextlib.suppress(OSError):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        pipe.abort()

    async def linger(self) -> None:
        """Let the answer arrive before the connection goes: closing on unread input resets it (RFC 9112 9.6)."""
        self._broken = True
        if self.transport is None or self.transport.is_closing():
            return
        self._half_close()
        await asyncio.sleep(self._clients.limits.lingering_time)

    def _half_close(self) -> None:
        transport = self.transport
        if transport is not None and transport.can_write_eof():
            with contextlib.suppress(OSError, NotImplementedError):
                transport.write_eof()

    async def start(self) -> None:
        """Serve one request after the other until the connection is to be closed."""
        try:
            while not self._force_close:
                message, payload = await self._next_message()
                if not await self._serve(message, payload) or self._close or self._force_close:
                    break
                self._arm_keepalive()
        except ConnectionError:
            self.abort()
        except BaseException:
            # Cancelled, or a failure beyond the guard in forward.py: nothing more goes out.
            self.abort()
            raise
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _next_message(self) -> tuple[RawRequestMessage | _ErrInfo, StreamReader]:
        if not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        following = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return following

    async def _serve(self, message: RawRequestMessage | _ErrInfo, payload: StreamReader) -> bool:
        """Answer one message; whether the connection can take another."""
        if isinstance(message, _ErrInfo):
            self.send(self._clients.refusal_bytes(parse_fault(message.exc)))
            await self.linger()
            return False
        request = ClientRequest(message, payload, self)
        self._current_request = cast("BaseRequest", request)
        try:
            persists = await self._handle(request)
        finally:
            self._current_request = None
        if self._upgraded and self._payload_parser is None:
            # What came behind an upgrade that was declined waits to be parsed.
            await self.finish_response(cast("BaseRequest", _DECLINED), cast("StreamResponse", _DECLINED), None)
        if not payload.is_eof():
            await self._discard(payload)
            persists = persists and payload.is_eof()
        return persists

    async def _discard(self, payload: StreamReader) -> None:
        """Read away a body that nobody wanted, for a while: closing at once could take the answer back."""
        with contextlib.suppress(TimeoutError, Fault, ConnectionError):
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof():
                    await payload.readany()

    def _arm_keepalive(self) -> None:
        self._next_keepalive_close_time = close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)

    def log_exception(self, *_args: Any, **details: Any) -> None:
        """Class and place only; the texts of these exceptions quote clients (promise P6)."""
        error = details.get("exc_info")
        if isinstance(error, BaseException) and not isinstance(error, Fault | ConnectionError):
            _LOG.error("connection failed", exc_info=error)

    def log_debug(self, *_args: Any, **_details: Any) -> None:
        """Nothing: these lines quote clients too."""
