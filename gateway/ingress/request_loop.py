"""The loop over one connection's requests, and what it takes to write to a client and to let go of it.

aiohttp's `RequestHandler` has such a loop too. This one has no task, writer and request object for
each request, answers are written to the transport at once, and nothing of what clients sent comes
back or is logged.
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

from gateway.ingress.parse_errors import parse_fault
from gateway.ingress.translate import RepeatedRequest
from gateway.ingress.upload import ClientGoneError
from gateway.model.errors import Fault

if TYPE_CHECKING:
    from gateway.ingress.clients import Clients
    from gateway.ingress.protocol import ClientConnection

_LOG = logging.getLogger("gateway.ingress")
_NO_LINGER = struct.pack("ii", 1, 0)


class ClientRequest:
    """One parsed request on its connection."""

    __slots__ = ("connection", "message", "payload")

    def __init__(
        self, message: RawRequestMessage | RepeatedRequest, payload: StreamReader, connection: "ClientConnection"
    ) -> None:
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


class RequestLoop(RequestHandler):
    """Answers the requests of one connection in order; `clients` is shared by all connections of the server."""

    __slots__ = ("_broken", "_clients", "_handle", "_pipe", "_repeated", "_stalled_since")

    def __init__(self, manager: web.Server, clients: "Clients", handle: Handler, **options: Any) -> None:
        super().__init__(manager, **options)
        self._clients = clients
        self._handle = handle
        self._broken = False
        self._pipe: asyncio.Transport | None = None
        self._stalled_since: float | None = None
        self._repeated: RepeatedRequest | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    async def start(self) -> None:
        """Serve one request after the other until the connection is to be closed."""
        try:
            while not self._force_close:
                if not self._messages and self._repeated is None:
                    self._waiter = self._loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                repeated = self._repeated
                message: RawRequestMessage | RepeatedRequest | _ErrInfo
                if repeated is not None:
                    self._repeated = None
                    message, payload = repeated, EMPTY_PAYLOAD
                else:
                    message, payload = self._take_message()
                if isinstance(message, _ErrInfo):
                    self.send(self._clients.refusal_bytes(parse_fault(message.exc)))
                    await self.linger()
                    break
                # aiohttp only cancels it; and every loop is a ClientConnection.
                request = self._current_request = ClientRequest(message, payload, self)  # type: ignore[assignment, arg-type]
                persists = await self._handle(request)
                self._current_request = None
                if self._upgraded or not payload.is_eof():
                    persists = await self._pass_over(payload) and persists
                if not persists or self._close or self._force_close:
                    break
                self._arm_keepalive()
        except asyncio.CancelledError:
            self.force_close()
            raise
        except ConnectionError:
            self.abort()
        except BaseException:
            # A failure beyond the guard in forward.py: nothing more goes out.
            self.abort()
            raise
        finally:
            self._current_request = None
        self._end()

    def _end(self) -> None:
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    def _take_message(self) -> tuple[RawRequestMessage | _ErrInfo, StreamReader]:
        following = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return following

    async def _pass_over(self, payload: StreamReader) -> bool:
        """Get past what the exchange left unread; whether the next request could be found then."""
        if self._upgraded and self._payload_parser is None:
            # What came behind an upgrade that was declined waits to be parsed.
            await self.finish_response(cast("BaseRequest", _DECLINED), cast("StreamResponse", _DECLINED), None)
        if not payload.is_eof():
            await self._discard(payload)
        return payload.is_eof()

    async def _discard(self, payload: StreamReader) -> None:
        """Read away a body that nobody wanted, for a while: closing at once could take the answer back."""
        try:
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof():
                    await payload.readany()
        except TimeoutError:
            return
        except (Fault, ConnectionError):
            # The body was given up, and its client may still be sending.
            await self.linger()

    def _arm_keepalive(self) -> None:
        self._next_keepalive_close_time = close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)

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
            with contextlib.suppress(OSError):
                transport.write_eof()

    def log_exception(self, *_args: Any, **details: Any) -> None:
        """Class and place only; the texts of these exceptions quote clients (promise P6)."""
        error = details.get("exc_info")
        if isinstance(error, BaseException) and not isinstance(error, Fault | ConnectionError):
            _LOG.error("connection failed", exc_info=error)

    def log_debug(self, *_args: Any, **_details: Any) -> None:
        """Nothing: these lines quote clients too."""
