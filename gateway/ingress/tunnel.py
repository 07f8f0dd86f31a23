"""WebSocket after the handshake: bytes both ways, unread.

The route has said that they may pass unread (`stream: [websocket]`). Frames are not parsed, so the
gateway neither checks that client frames are masked nor limits messages, and it ends a tunnel by
closing both connections, without a Close frame of its own.
"""

import asyncio
import base64
import contextlib
import hashlib
from typing import TYPE_CHECKING

from gateway.ingress.upload import ClientGoneError
from gateway.model.message import HeaderPairs
from gateway.upstream import Tunnel

if TYPE_CHECKING:
    from gateway.ingress.protocol import ClientConnection

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HIGH = 256 * 1024
_OWN = frozenset({b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-accept"})


def accept_of(key: bytes) -> bytes:
    """What a server that understood the handshake with this key answers (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def handshake_fields(headers: HeaderPairs, key: bytes) -> HeaderPairs:
    """The admitted fields with those that the handshake itself needs, whatever the rules list."""
    kept = tuple(line for line in headers if line[0].lower() not in _OWN)
    return (*kept, (b"Sec-WebSocket-Key", key), (b"Sec-WebSocket-Version", b"13"))


def acceptance_fields(headers: HeaderPairs, key: bytes) -> HeaderPairs:
    """The same for the answer."""
    kept = tuple(line for line in headers if line[0].lower() not in _OWN)
    return (*kept, (b"Sec-WebSocket-Accept", accept_of(key)))


class Inbound:
    """Takes the client's bytes in the place of aiohttp's parser, and holds the client back when full."""

    def __init__(self, connection: "ClientConnection") -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._ended = False
        self._paused = False
        self.last = asyncio.get_running_loop().time()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.touch()
        self._buffer += data
        self._arrived.set()
        transport = self._connection.transport
        if len(self._buffer) > _HIGH and not self._paused and transport is not None:
            self._paused = True
            transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        self._ended = True
        self._arrived.set()

    def touch(self) -> None:
        self.last = asyncio.get_running_loop().time()

    async def pump(self, tunnel: Tunnel) -> None:
        """Pass on what the client sends until it ends."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            data = bytes(self._buffer)
            self._buffer.clear()
            if data:
                tunnel.write(data)
                await tunnel.drain()
            transport = self._connection.transport
            if self._paused and transport is not None:
                self._paused = False
                transport.resume_reading()
            if self._ended:
                return


async def run_tunnel(connection: "ClientConnection", tunnel: Tunnel, idle_timeout: float) -> int:
    """Pass bytes both ways until one side closes or neither has sent anything for `idle_timeout` seconds.

    Returns the number of bytes that went to the client. The tunnel is closed afterwards.
    """
    inbound = Inbound(connection)
    connection.open_tunnel(inbound, lambda now: now - inbound.last > idle_timeout, tunnel.close)
    upwards = asyncio.create_task(inbound.pump(tunnel))
    upwards.add_done_callback(lambda task: tunnel.close() if not task.cancelled() and task.exception() else None)
    sent = 0
    try:
        with contextlib.suppress(ConnectionError, ClientGoneError):
            while data := await tunnel.read():
                inbound.touch()
                connection.send(data)
                sent += len(data)
                await connection.drain()
    finally:
        upwards.cancel()
        tunnel.close()
        connection.close_tunnel()
    return sent
