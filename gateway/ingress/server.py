"""The data port of one worker: listeners, connections, exchanges, and an orderly end."""

import asyncio
import contextlib

from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler

from gateway.ingress.clients import Clients
from gateway.ingress.forward import Forwarder
from gateway.ingress.hop import Hop
from gateway.ingress.protocol import ClientConnection
from gateway.ingress.settings import IngressSettings
from gateway.runtime.gateway import Gateway
from gateway.runtime.own_pages import OwnPages
from gateway.workers.listeners import ListenerSet

_READ_BUFFER = 64 * 1024
"""Bytes of a body that wait unread on one connection; the transport pauses at twice that."""


class IngressServer:
    """Takes requests for `gateway` and sends what it admits as `hop` says; answers `own_pages` itself.

    `clients` are shared with other servers, whose limits then are the same. Lives in one event loop.
    """

    def __init__(
        self,
        gateway: Gateway,
        hop: Hop,
        settings: IngressSettings,
        own_pages: OwnPages | None = None,
        clients: Clients | None = None,
    ) -> None:
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise RuntimeError("aiohttp has no C parser here; the pure one is not trusted with framing")
        self._settings = settings
        self._listeners = ListenerSet(
            settings.listeners,
            settings.backlog,
            settings.descriptors,
            handshake_timeout=settings.limits.header_timeout,
        )
        self._clients = clients or Clients(gateway, settings.limits, settings.forwarding.trusts)
        self._forwarder = Forwarder(gateway, hop, settings, self._clients, own_pages)

    async def start(self) -> None:
        """Listen. Raises OSError as `ListenerSet.open`."""
        await self._listeners.open(_Server(self._forwarder, self._clients, self._settings))

    @property
    def addresses(self) -> list[tuple[str, int] | str]:
        """Where each listener really listens."""
        return self._listeners.addresses

    @property
    def in_flight(self) -> int:
        """Exchanges under way."""
        return self._clients.admission.under_way

    @property
    def connections(self) -> int:
        """Open client connections."""
        return len(self._clients.connections)

    def check_certificates(self) -> None:
        """As `ListenerSet.check`."""
        self._listeners.check()

    def reload_certificates(self) -> None:
        """As `ListenerSet.reload`."""
        self._listeners.reload()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the contract of graceful shutdown
        """Accept nothing more, let what is under way finish within `timeout` seconds, close the rest.

        Answers that begin from here on say `Connection: close`; idle connections and tunnels close now.
        """
        self._clients.draining = True
        self._listeners.close()
        for connection in list(self._clients.connections):
            connection.begin_drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._clients.quiet()
        await self.close()

    async def close(self) -> None:
        """Close everything at once."""
        self._listeners.close()
        await self._clients.abort()


async def _unused(_request: web.BaseRequest) -> web.StreamResponse:
    """Aiohttp's server asks for a handler; `ClientConnection.start` never calls it."""
    raise NotImplementedError


class _Server(web.Server):
    """aiohttp's low-level server with our protocol."""

    def __init__(self, forwarder: Forwarder, clients: Clients, settings: IngressSettings) -> None:
        super().__init__(_unused, handler_cancellation=True)
        self._handle = forwarder.handle
        self._clients = clients
        limits = settings.limits
        self._options = {
            "loop": self._loop,
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": limits.keepalive_timeout,
            "lingering_time": limits.lingering_time,
            "max_line_size": limits.request_line,
            "max_field_size": limits.header_field,
            "max_headers": limits.header_count,
            "read_bufsize": _READ_BUFFER,
        }

    def __call__(self) -> RequestHandler:
        return ClientConnection(self, self._clients, self._handle, **self._options)
