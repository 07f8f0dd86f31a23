"""The data port of relays: a server for each listener, pools to the partners behind them all."""

import asyncio

from gateway.ingress.clients import Clients
from gateway.ingress.partner import PartnerMap
from gateway.ingress.relay import RelayHop
from gateway.ingress.server import IngressServer
from gateway.ingress.settings import IngressSettings
from gateway.policy.policy import Policy
from gateway.runtime.gateway import Gateway
from gateway.runtime.outgoing import OutgoingCalls
from gateway.runtime.settings import Settings
from gateway.upstream import PartnerPools

PSEUDONYM = "-egress"
"""Behind the deployment's name in Via: a request that came in through `serve` has passed there, and not here."""


class RelayPort:
    """Serves the relay listeners of the settings; connections to all of them count against one set of limits.

    Raises:
        ValueError: as `PartnerPools`.
    """

    def __init__(self, settings: Settings, gateway: Gateway, calls: OutgoingCalls) -> None:
        assert settings.egress is not None
        self._pools = PartnerPools.open(settings)
        clients = Clients(gateway, settings.limits, lambda _peer: False)
        self._servers: list[IngressServer] = []
        for relay in settings.egress.bound_to(settings.listeners).relays:
            own = IngressSettings(
                listeners=(relay.listener,),
                limits=settings.limits,
                via=settings.deployment + PSEUDONYM,
                descriptors=(relay.listener.descriptor,),
            )
            hop = RelayHop(PartnerMap(relay.to), calls, self._pools)
            self._servers.append(IngressServer(gateway, hop, own, clients=clients))

    @property
    def servers(self) -> list[IngressServer]:
        """In the order of the settings."""
        return self._servers

    async def listen(self) -> None:
        for server in self._servers:
            await server.start()

    def adopt(self, policy: Policy) -> None:
        """Nothing to do: partners stand in the settings, and whose their hosts are is looked up by policy."""

    def reload_certificates(self) -> None:
        for server in self._servers:
            server.check_certificates()
        for server in self._servers:
            server.reload_certificates()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the contract of graceful shutdown
        await asyncio.gather(*(server.drain(timeout) for server in self._servers))

    async def close(self) -> None:
        for server in self._servers:
            await server.close()

    def abandon(self) -> None:
        self._pools.abort()
