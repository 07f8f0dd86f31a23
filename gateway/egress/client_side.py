"""One connection of a client: mitmproxy reads it and writes to it, and connects to nobody for it.

mitmproxy's own handler has no bound but ten minutes of silence. Here a deadline stands for each thing that is waited
for: a head, a handshake, a body, the next request. `ClientSides` looks at them all, once in a while.
"""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import msgspec
from mitmproxy import http
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer, mode_specs
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.server import LiveConnectionHandler

from gateway.egress.translate import Destination, Tunnel
from gateway.model.limits import Limits
from gateway.upstream import UpstreamPool

if TYPE_CHECKING:
    from gateway.egress.client_sides import ClientSides

_REGULAR = mode_specs.ProxyMode.parse("regular")
NEVER_CONNECTED = "the gateway connects to partners itself"


class Doorway(msgspec.Struct, frozen=True):
    """What a listener stands for. `pool` finds the connections to a partner by URL and recipient.

    `fixed` is the partner that clients take the port for, and `tunnel` the same as a host and a port.
    """

    pool: Callable[[str, str], UpstreamPool]
    fixed: Destination | None = None
    tunnel: Tunnel | None = None


class Door(layer.Layer):
    """What stands below everything else: the first bytes decide what comes next."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        inner = layer.NextLayer(self.context)
        self._handle_event = inner.handle_event  # type: ignore[method-assign]
        yield from inner.handle_event(event)


class ClientSide(LiveConnectionHandler):
    """`tunnel` and `authorization` are those of a CONNECT; at a port with a fixed partner, `tunnel` leads to it.

    `under_way` are the requests that have begun and not been answered, `uploads` those whose bodies are awaited, with
    the time at which that began.
    """

    def __init__(
        self,
        master: Master,
        options: Options,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        sides: "ClientSides",
        doorway: Doorway,
    ) -> None:
        super().__init__(*streams, options, _REGULAR)
        self.layer = Door(Context(self.client, options))
        if doorway.tunnel is not None:
            self.layer.context.server.address = (doorway.tunnel.name, doorway.tunnel.port)
        # mitmproxy's own clock does not tell what it waits for; ours is stricter in every case.
        self.timeout_watchdog.timeout = 3600
        self.pool = doorway.pool
        self.fixed = doorway.fixed
        self.tunnel = doorway.tunnel
        self.authorization: tuple[bytes, ...] = ()
        self.under_way: dict[str, http.HTTPFlow] = {}
        self.uploads: dict[str, float] = {}
        self.refused = False
        self.served = 0
        self._master = master
        self._sides = sides
        self._limits: Limits = sides.limits
        self._writer = streams[1]
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._received = 0
        self._unwritten = 0
        self._idle = False

    @property
    def peer(self) -> str:
        """The address of the client, without port or zone."""
        return str(self.client.peername[0]).partition("%")[0]

    # What mitmproxy asks for

    async def open_connection(self, command: commands.OpenConnection) -> None:
        """Refuse it: whatever asks for it, nothing of mitmproxy reaches a partner."""
        self._sides.count("own_connection_refused")
        command.connection.error = NEVER_CONNECTED
        await self.server_event(events.OpenConnectionCompleted(command, NEVER_CONNECTED))

    async def handle_hook(self, hook: commands.StartHook) -> None:
        await self._master.addons.trigger_event(hook)

    async def server_event(self, event: events.Event) -> None:
        if isinstance(event, events.DataReceived) and event.connection is self.client:
            self._note(len(event.data))
        await super().server_event(event)

    def log(
        self,
        message: str,  # noqa: ARG002 - it quotes what clients send
        level: int = logging.INFO,
        exc_info: Literal[True]
        | tuple[type[BaseException], BaseException, TracebackType | None]
        | BaseException
        | None = None,
    ) -> None:
        """Keep nothing of what mitmproxy has to say; where a part of it failed, end the connection."""
        if level >= logging.ERROR and exc_info is not None:
            self._sides.crashed(exc_info)
            self.abort()

    # Time

    def await_head(self) -> None:
        """A new beginning: the first request, or the handshake, of a tunnel."""
        self._since = self._loop.time()
        self._idle = False

    def begin(self, flow: http.HTTPFlow, *, uploads: bool) -> None:
        """A request's head is here."""
        self.under_way[flow.id] = flow
        self._since, self._received, self._idle = self._loop.time(), 0, False
        if uploads:
            self.uploads[flow.id] = self._since

    def uploaded(self, flow: http.HTTPFlow) -> None:
        """A request's body is here, or is not wanted any more."""
        self.uploads.pop(flow.id, None)

    def end(self, flow: http.HTTPFlow) -> None:
        """A request was answered, or broke off."""
        self.uploads.pop(flow.id, None)
        if self.under_way.pop(flow.id, None) is not None:
            self.served += 1
            self._since, self._idle = self._loop.time(), True

    def _note(self, size: int) -> None:
        self._received += size
        now = self._loop.time()
        if self.uploads or self.client.alpn == b"h2":
            self._since = now
        elif self._idle and not self.under_way:
            self._since, self._idle = now, False

    def overdue(self, now: float) -> bool:
        """Whether the client has been waited for too long."""
        limits = self._limits
        unwritten = self._writer.transport.get_write_buffer_size()
        if unwritten and unwritten != self._unwritten:
            self._since = now
        self._unwritten = unwritten
        waited = now - self._since
        if self.uploads:
            return waited > limits.body_idle_timeout or self._slow(now)
        if unwritten:
            return waited > limits.body_idle_timeout
        if self.under_way:
            return False
        return waited > (limits.keepalive_timeout if self._idle else limits.header_timeout)

    def _slow(self, now: float) -> bool:
        took = now - min(self.uploads.values())
        return took > self._limits.body_idle_timeout and self._received < took * self._limits.body_minimum_rate

    # Ends

    async def run(self) -> None:
        """Serve until the connection ends."""
        try:
            await self.handle_client()
        finally:
            self._sides.forget(self)

    def refuse(self, reason: str) -> None:
        """End a connection that cannot be answered, for a reason that is counted."""
        self.refused = True
        self._sides.count(reason)
        self.finish()

    def finish(self) -> None:
        """Send what is written, then close."""
        self._writer.close()

    def abort(self) -> None:
        """Close at once."""
        self.refused = True
        self._writer.transport.abort()
