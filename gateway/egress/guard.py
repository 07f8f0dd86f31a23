"""The only add-on that mitmproxy has: whatever fails in a hook becomes a refusal.

`AddonManager` logs what a hook raises and lets the flow go on as it stood. So no hook of ours is called by it: the
guard is, and it answers for a hook that raises with what closes: a request gets the gateway's own 500, a connection
is closed, a connection to a partner (there is none) is refused.
"""

import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from mitmproxy import connection, http
from mitmproxy.proxy import commands, events, layer, server_hooks
from mitmproxy.tls import ClientHelloData, TlsData

from gateway.egress.client_side import NEVER_CONNECTED

_LOG = logging.getLogger("gateway.egress")

HOOKS = (
    "client_connected",
    "next_layer",
    "tls_clienthello",
    "tls_start_client",
    "tls_established_client",
    "tls_failed_client",
    "http_connect",
    "requestheaders",
    "request",
    "responseheaders",
    "response",
    "error",
    "server_connect",
)
"""What mitmproxy asks on the way of a request, in order."""

NEVER = (
    "tls_start_server",
    "server_connected",
    "tcp_start",
    "tcp_message",
    "udp_start",
    "udp_message",
    "dns_request",
    "websocket_start",
    "websocket_message",
    "socks5_auth",
    "quic_start_client",
    "quic_start_server",
)
"""What it would ask on ways that are closed; who is met there is turned back."""


class Guarded(Protocol):
    """What the hooks do; each of `HOOKS` is a method of that name with one argument."""

    def failed(self, flow: http.HTTPFlow) -> http.Response:
        """The answer to a request whose hook failed."""

    def close(self, client: connection.Client) -> None:
        """Close the connection at once."""

    def count(self, code: str) -> None:
        """Count what was closed."""


class Guard:
    """Calls the hooks of `guarded`, and stands in for those that fail."""

    name = "privacy_gateway"

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        if name in HOOKS:
            return partial(self._ask, name)
        if name in NEVER:
            return self._turn_back
        raise AttributeError(name)

    async def _ask(self, name: str, data: Any) -> None:
        try:
            result = getattr(self._guarded, name)(data)
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - the adapter's guard: a failure of ours never forwards anything
            _LOG.error("hook failed", exc_info=error)
            self._guarded.count("internal_error")
            self._close(data)

    def _turn_back(self, data: Any) -> None:
        self._guarded.count("not_http")
        self._close(data)

    def _close(self, data: Any) -> None:
        """Leave nothing behind that could go on."""
        if isinstance(data, http.HTTPFlow):
            data.response = self._guarded.failed(data)
            return
        client = _client_of(data)
        if isinstance(data, server_hooks.ServerConnectionHookData):
            data.server.error = NEVER_CONNECTED
        if isinstance(data, layer.NextLayer):
            data.layer = Closed(data.context)
        if isinstance(data, connection.Client):
            data.error = "closed"
        if client is not None:
            self._guarded.close(client)


def _client_of(data: Any) -> connection.Client | None:
    """Whose connection a hook is about."""
    match data:
        case connection.Client():
            return data
        case server_hooks.ServerConnectionHookData():
            return data.client
        case layer.NextLayer() | ClientHelloData() | TlsData():
            return data.context.client
        case _:
            client = getattr(data, "client_conn", None)
            return client if isinstance(client, connection.Client) else None


class Closed(layer.Layer):
    """The end of a connection that speaks what may not pass."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:  # noqa: ARG002 - whatever comes
        yield commands.CloseConnection(self.context.client)
        self._handle_event = self._ignore  # type: ignore[method-assign, assignment]

    def _ignore(self, _event: events.Event) -> layer.CommandGenerator[None]:
        yield from ()
