"""A connection after `101 Switching Protocols`: bytes both ways, with backpressure both ways."""

import asyncio

_HIGH = 256 * 1024


class Tunnel(asyncio.Protocol):
    """Owns the transport from the switch on; the pool knows it only to close it at the end.

    One reader and one writer at a time. Who pumps it also sets its idle timeout.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, first: bytes) -> None:
        """`first` holds what came in one piece with the head of the 101."""
        self._transport = transport
        self._loop = loop
        self._received = bytearray(first)
        self._ended = False
        self._error: Exception | None = None
        self._paused_reading = False
        self._paused_writing = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """What has arrived, at least one byte; empty at the end of the stream.

        Raises:
            ConnectionError: the connection broke.
        """
        while not self._received:
            if self._error is not None:
                raise ConnectionResetError("the tunnel broke") from self._error
            if self._ended:
                return b""
            self._reader = self._loop.create_future()
            await self._reader
        data = bytes(self._received)
        self._received.clear()
        if self._paused_reading and not self._transport.is_closing():
            self._paused_reading = False
            self._transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Queue bytes; follow with `drain`."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what was written.

        Raises:
            ConnectionError: the connection is closed.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("the tunnel is closed")
        while self._paused_writing:
            self._writer = self._loop.create_future()
            await self._writer

    def close(self) -> None:
        """Send what is queued, then close. Safe to call twice."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _HIGH and not self._paused_reading:
            self._paused_reading = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        """Keep the other direction open, which TLS transports cannot do."""
        self._ended = True
        _wake(self._reader)
        return self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._error = exc
        self._paused_writing = False
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        _wake(self._writer)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
