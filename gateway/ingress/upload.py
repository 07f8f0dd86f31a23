"""The body of a request on its way in: bounded, timed, and pulled only as fast as it is wanted.

The clock runs only while the gateway waits for the client, so that a slow upstream is never held
against it. No timer is set per request: the server's sweep asks `overdue` once in a while.
"""

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from aiohttp.streams import StreamReader

from gateway.model.errors import Fault, Source
from gateway.model.limits import Limits
from gateway.model.words import Posture

if TYPE_CHECKING:
    from gateway.ingress.protocol import ClientConnection

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGoneError(ConnectionError):
    """The client's connection ended before the exchange did; nobody is left to answer."""


class Upload:
    """Iterates over the pieces of one body as they arrive."""

    __slots__ = ("_connection", "_expects_continue", "_limits", "_loop", "_payload", "_waited", "_waiting_since")

    def __init__(
        self, connection: "ClientConnection", payload: StreamReader, limits: Limits, *, expects_continue: bool
    ) -> None:
        self._connection = connection
        self._payload = payload
        self._limits = limits
        self._expects_continue = expects_continue
        self._loop = connection.loop
        self._waiting_since: float | None = None
        self._waited = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last byte has arrived."""
        return self._payload.is_eof()

    async def whole(self, limit: int, announced: int | None) -> bytes:
        """Read all of it.

        `announced` is Content-Length: a body that says it will be too long is refused unread, and
        a client that waits for 100 (Continue) never gets one.

        Raises:
            Fault: over_size, request_timeout; ambiguous_framing if the chunked coding breaks.
            ClientGoneError: the connection ended first.
        """
        if announced is not None and announced > limit:
            raise _over_size()
        if self._payload.is_eof():
            body = self._payload.read_nowait()
            if len(body) > limit:
                raise _over_size()
            return body
        pieces = []
        room = limit
        while piece := await self.next():
            room -= len(piece)
            if room < 0:
                raise _over_size()
            pieces.append(piece)
        return b"".join(pieces)

    async def next(self) -> bytes:
        """The next bytes that there are, or b"" after the last.

        Raises:
            Fault: request_timeout; ambiguous_framing if the chunked coding breaks.
            ClientGoneError: the connection ended first.
        """
        payload = self._payload
        if payload.is_eof():
            return payload.read_nowait()
        if self._connection.transport is None:
            raise ClientGoneError
        if self._expects_continue:
            self._expects_continue = False
            if not payload.total_bytes:
                self._connection.send(CONTINUE)
        self._waiting_since = started = self._loop.time()
        self._connection.upload = self
        try:
            return await payload.readany()
        except ConnectionError as error:
            raise ClientGoneError from error
        finally:
            self._connection.upload = None
            self._waiting_since = None
            self._waited += self._loop.time() - started

    async def up_to(self, limit: int) -> tuple[list[bytes], bool]:
        """What arrives until the end or until it is more than `limit`; whether that is all."""
        pieces: list[bytes] = []
        room = limit
        while piece := await self.next():
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                return pieces, False
        return pieces, True

    async def pieces(self, first: Iterable[bytes] = ()) -> AsyncIterator[bytes]:
        """`first`, which was read before, and then all that `next` gives, up to the end."""
        for piece in first:
            yield piece
        while piece := await self.next():
            yield piece

    def overdue(self, now: float) -> bool:
        """Whether the client has been silent too long, or is slower than the minimum rate."""
        if self._waiting_since is None:
            return False
        silent = now - self._waiting_since
        patience = self._limits.body_idle_timeout
        waited = self._waited + silent
        slow = waited > patience and self._payload.total_bytes < waited * self._limits.body_minimum_rate
        return silent > patience or slow

    def give_up(self) -> None:
        """Make whoever reads the body see `request_timeout`."""
        self.fail(Fault("request_timeout", Source.CLIENT, "the body did not arrive in time", close=True))

    def fail(self, fault: Fault) -> None:
        self._payload.set_exception(fault)


def _over_size() -> Fault:
    return Fault(Posture.OVER_SIZE, Source.CLIENT, "the body is over the limit", close=True)
