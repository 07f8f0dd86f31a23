"""The data port of proxies: our listeners, mitmproxy between them and the gateway, our pools to the partners.

>>> port = ProxyPort(settings, gateway, calls)
>>> await port.listen()
"""

import asyncio
import logging
from functools import partial
from pathlib import Path

from mitmproxy.master import Master
from mitmproxy.net.http import http1
from mitmproxy.options import Options

from gateway.egress.authority import load_authority
from gateway.egress.client_side import ClientSide, Doorway
from gateway.egress.client_sides import ClientSides
from gateway.egress.guard import Guard
from gateway.egress.interceptor import Interceptor
from gateway.egress.leaves import Leaves
from gateway.egress.pinned import pinned_options
from gateway.egress.translate import Tunnel, refusal_response
from gateway.engine.refusals import refusal
from gateway.policy.policy import Policy
from gateway.runtime.gateway import Gateway
from gateway.runtime.outgoing import OutgoingCalls
from gateway.runtime.settings import Settings
from gateway.runtime.settings_egress import EgressSettings, ProxyListener
from gateway.stores.secret_file import read_credentials
from gateway.upstream import PartnerPools, parse_parent, parse_upstream
from gateway.workers.listeners import ListenerSet

PSEUDONYM = "-egress"
"""Behind the deployment's name in Via: a request that came in through `serve` has passed there, and not here."""
_BACKLOG = 4096
_UNREAD_AT_MOST = 64 * 1024
_TALKATIVE = ("mitmproxy", "h2", "hpack", "hyperframe")


class ProxyPort:
    """Serves the proxy listeners of the settings; connections to all of them count against one set of limits.

    Raises:
        ValueError: files towards partners or a parent are missing or unusable.
    """

    def __init__(self, settings: Settings, gateway: Gateway, calls: OutgoingCalls) -> None:
        assert settings.egress is not None
        self._egress: EgressSettings = settings.egress.bound_to(settings.listeners)
        self._limits = settings.limits
        self._via = (settings.deployment + PSEUDONYM).encode()
        self._gateway = gateway
        self._calls = calls
        self._pools: list[PartnerPools] = []
        self._doorways = [self._doorway(proxy, settings) for proxy in self._egress.proxies]
        self._listeners = [
            ListenerSet(
                (proxy.listener,),
                _BACKLOG,
                (proxy.listener.descriptor,),
                handshake_timeout=settings.limits.header_timeout,
            )
            for proxy in self._egress.proxies
        ]
        self.sides = ClientSides(settings.limits, gateway.services.metrics.refusal)
        self.master: Master
        self._options: Options

    def _doorway(self, proxy: ProxyListener, settings: Settings) -> Doorway:
        parent = None
        if proxy.parent is not None:
            credentials = read_credentials(Path(proxy.parent_secret)) if proxy.parent_secret else ""
            parent = parse_parent(proxy.parent, credentials)
        pools = PartnerPools.open(settings, parent)
        self._pools.append(pools)
        if proxy.to is None:
            return Doorway(pools.of)
        upstream = parse_upstream(proxy.to)
        tunnel = Tunnel(upstream.host, upstream.port)
        return Doorway(pools.of, tunnel.over(upstream.scheme), tunnel)

    @property
    def addresses(self) -> list[tuple[str, int] | str]:
        """Where each listener really listens, in the order of the settings."""
        return [address for listeners in self._listeners for address in listeners.addresses]

    async def listen(self) -> None:
        """As `DataPort.listen`.

        Raises:
            StoreDown: KEY_PROVIDER_DOWN; the authority for interception cannot be used.
            OSError: a listener cannot be opened.
        """
        silence()
        leaves = Leaves.of(load_authority(Path(self._egress.ca)).pem_for_mitmproxy())
        self._options = pinned_options(self._limits, Path(self._egress.ca))
        self.master = Master(self._options, event_loop=asyncio.get_running_loop())
        # It would make a second kind of log, in which everything stands that mitmproxy says.
        self.master._legacy_log_events.uninstall()  # noqa: SLF001
        interceptor = Interceptor(self._gateway, self._calls, leaves, self.sides, self._via)
        self.sides.ended = interceptor.over
        self.master.addons.add(Guard(interceptor))
        for listeners, doorway in zip(self._listeners, self._doorways, strict=True):
            await listeners.open(partial(self._accept, doorway))

    def _accept(self, doorway: Doorway) -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=_UNREAD_AT_MOST)
        return asyncio.StreamReaderProtocol(reader, partial(self._connected, doorway))

    def _connected(self, doorway: Doorway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side = ClientSide(self.master, self._options, (reader, writer), self.sides, doorway)
        code = self.sides.turned_away(side.peer)
        if code is None:
            self.sides.serve(side)
            return
        self._gateway.services.metrics.refusal(code)
        if doorway.fixed is None:
            writer.write(http1.assemble_response(refusal_response(refusal(code, close=True))))
        writer.close()

    def adopt(self, policy: Policy) -> None:
        """Nothing to do: whose a host is, is looked up by policy."""

    def reload_certificates(self) -> None:
        for listeners in self._listeners:
            listeners.reload()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the contract of graceful shutdown
        for listeners in self._listeners:
            listeners.close()
        await self.sides.drain(timeout)

    async def close(self) -> None:
        for listeners in self._listeners:
            listeners.close()
        await self.sides.close()

    def abandon(self) -> None:
        for pools in self._pools:
            pools.abort()


def silence() -> None:
    """Keep what mitmproxy and its parsers would log, which quotes what clients send, out of every log."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
