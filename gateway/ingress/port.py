"""The data port in front of applications: a server, the pools to their upstreams, pages of its own."""

import ipaddress
from pathlib import Path

from gateway.ingress.hop import ServiceHop
from gateway.ingress.server import IngressServer
from gateway.ingress.settings import IngressSettings
from gateway.policy.policy import Policy
from gateway.runtime.gateway import Gateway
from gateway.runtime.own_pages import OpenOwnPages
from gateway.runtime.settings import Forwarded, Settings
from gateway.upstream import UpstreamPools, UpstreamTls
from gateway.upstream.hops import ForwardedFields, ForwardedMode, Forwarding


class IngressPort:
    """Serves the listeners of the settings. `own_pages` makes the pages that the worker answers itself."""

    def __init__(self, settings: Settings, gateway: Gateway, own_pages: OpenOwnPages) -> None:
        self._settings = settings
        self._gateway = gateway
        self._tls = upstream_tls(settings, gateway.policy)
        self._pools = UpstreamPools(settings.limits, self._tls)
        self._own_pages = own_pages(settings, gateway)
        own = IngressSettings(
            listeners=settings.listeners,
            limits=settings.limits,
            forwarding=forwarding(settings.forwarded),
            via=settings.deployment,
            descriptors=tuple(listener.descriptor for listener in settings.listeners),
        )
        self._server = IngressServer(gateway, ServiceHop(gateway, self._pools, own), own, self._own_pages)

    async def listen(self) -> None:
        for recipient in self._gateway.policy.recipients.values():
            if recipient.upstream is not None:
                # Pools are made when first asked for; unusable TLS files are to show before that.
                self._pools.of(recipient.upstream)
        await self._server.start()

    def adopt(self, policy: Policy) -> None:
        self._tls.update(upstream_tls(self._settings, policy))

    def reload_certificates(self) -> None:
        self._server.reload_certificates()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the contract of graceful shutdown
        await self._server.drain(timeout)

    async def close(self) -> None:
        await self._server.close()

    def abandon(self) -> None:
        self._pools.abort()
        if self._own_pages is not None:
            self._own_pages.close()


def forwarding(forwarded: Forwarded) -> Forwarding:
    """The settings' words as the ingress needs them."""
    return Forwarding(
        mode=ForwardedMode(forwarded.mode),
        fields=ForwardedFields(forwarded.fields),
        trusted=tuple(ipaddress.ip_network(network) for network in forwarded.trusted),
        hide_client=forwarded.hide_client,
    )


def upstream_tls(settings: Settings, policy: Policy) -> dict[str, UpstreamTls]:
    """TLS files by the URL of the upstream that they are for."""
    return {
        url: UpstreamTls(ca=_as_path(files.ca), certificate=_as_path(files.certificate), key=_as_path(files.key))
        for url, files in settings.tls_by_url(policy).items()
    }


def _as_path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None
