"""One worker process: opens its slot's stores, serves its listeners, and does what its supervisor says.

The end of the control channel means that the supervisor is gone; the worker then drains by itself,
so that no orphan goes on serving rules that nobody can change any more.
"""

import asyncio
import gc
import ipaddress
import signal
import socket
from pathlib import Path
from typing import Any

import uvloop

from gateway.ingress.control import (
    Adopt,
    Answer,
    Channel,
    Done,
    Drain,
    Failed,
    LoadCertificates,
    Order,
    Report,
    Start,
    Status,
)
from gateway.ingress.hops import ForwardedFields, ForwardedMode, Forwarding
from gateway.ingress.server import IngressServer
from gateway.ingress.settings import IngressSettings
from gateway.ingress.upstream import UpstreamPools, UpstreamTls
from gateway.model.errors import ConfigError, StoreDown
from gateway.policy.observe import observe_policy
from gateway.policy.policy import Policy
from gateway.runtime import telemetry
from gateway.runtime.gateway import Gateway
from gateway.runtime.own_pages import OpenOwnPages
from gateway.runtime.reload import load_kept
from gateway.runtime.services import Services
from gateway.runtime.settings import Forwarded, Settings


def run_worker(descriptor: int, own_pages: OpenOwnPages) -> int:
    """Serve until told to stop; `descriptor` is the inherited end of the control channel.

    `own_pages` makes the pages that the worker answers itself.

    Returns:
        The exit status: 0 after a clean end, 1 where the worker could not start or close its ledger.
    """
    # A terminal sends these to the whole group: only the supervisor is to act on them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return uvloop.run(_work(socket.socket(fileno=descriptor), own_pages))


async def _work(end: socket.socket, own_pages: OpenOwnPages) -> int:
    channel = await Channel.open(end)
    start = await channel.order()
    if not isinstance(start, Start):
        return 1
    log = telemetry.configure(start.settings.log_level, worker=start.slot)
    try:
        worker = await Worker.open(start, log, own_pages)
    except (StoreDown, ConfigError, OSError, ValueError) as error:
        await channel.send(Failed(_why(error)))
        await channel.close()
        return 1
    # What start-up made lives as long as the worker: no collection needs to look at it again.
    gc.collect()
    gc.freeze()
    await channel.send(Done(start.policy))
    return await worker.serve(channel)


def _why(error: StoreDown | ConfigError | OSError | ValueError) -> str:
    if isinstance(error, StoreDown):
        return error.why
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return str(error)


class Worker:
    """The running parts of one worker: stores, gateway, server."""

    def __init__(
        self, settings: Settings, services: Services, gateway: Gateway, log: Any, own_pages: OpenOwnPages
    ) -> None:
        limits = settings.limits
        self._settings = settings
        self._services = services
        self._gateway = gateway
        self._log = log
        self._tls = upstream_tls(settings, gateway.policy)
        self._pools = UpstreamPools(limits, self._tls)
        self._own_pages = own_pages(settings, gateway)
        self._server = IngressServer(
            gateway,
            self._pools,
            IngressSettings(
                listeners=settings.listeners,
                limits=limits,
                forwarding=forwarding(settings.forwarded),
                via=settings.deployment,
                descriptors=tuple(listener.descriptor for listener in settings.listeners),
            ),
            self._own_pages,
        )
        self._draining = asyncio.Event()
        self._cut_off = asyncio.Event()

    @classmethod
    async def open(cls, start: Start, log: Any, own_pages: OpenOwnPages) -> "Worker":
        """Open the stores, record the policy, listen.

        Raises:
            StoreDown: keys or stores cannot be opened, or the policy cannot be recorded.
            ConfigError: the kept rules do not compile.
            OSError: a listener cannot be opened.
            ValueError: a TLS file towards an upstream cannot be used.
        """
        settings = start.settings
        policy = await _policy(settings, start.policy, start.date)
        services = Services.open(
            Path(settings.state),
            start.slot,
            origin=settings.origin(start.slot),
            limits=settings.limits,
            log=log,
            ledger=settings.ledger,
            identity=settings.identity,
        )
        try:
            await services.record_policy(policy)
            portal = settings.portal.prefix if settings.portal is not None else ""
            worker = cls(settings, services, Gateway(policy, services, portal), log, own_pages)
            await worker.listen()
        except (StoreDown, OSError, ValueError):
            await services.close()
            raise
        return worker

    async def listen(self) -> None:
        """Take traffic from now on.

        Raises:
            OSError: a listener cannot be opened.
            ValueError: a TLS file towards an upstream cannot be used.
        """
        for recipient in self._gateway.policy.recipients.values():
            if recipient.upstream is not None:
                # Pools are made when first asked for; unusable TLS files are to show before that.
                self._pools.of(recipient.upstream)
        await self._server.start()

    async def serve(self, channel: Channel) -> int:
        """Follow orders until one says to drain, the channel ends, or SIGTERM comes; then drain."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._on_terminate)
        orders = asyncio.create_task(self._follow(channel))
        asked = asyncio.create_task(self._draining.wait())
        counting = asyncio.create_task(self._services.keep_counting())
        await asyncio.wait((orders, asked), return_when=asyncio.FIRST_COMPLETED)
        self._draining.set()
        for task in (orders, asked, counting):
            task.cancel()
        await asyncio.gather(orders, asked, counting, return_exceptions=True)
        clean = await self._drain()
        await channel.send(self._status())
        await channel.close()
        return 0 if clean else 1

    def _on_terminate(self) -> None:
        if self._draining.is_set():
            self._cut_off.set()
        self._draining.set()

    async def _follow(self, channel: Channel) -> None:
        while True:
            order = await channel.order()
            if order is None or isinstance(order, Drain):
                return
            await channel.send(await self._carry_out(order))

    async def _carry_out(self, order: Order) -> Answer:
        match order:
            case Report():
                return self._status()
            case Adopt():
                return await self._adopt(order)
            case LoadCertificates():
                return self._load_certificates()
            case _:
                return Failed("no order for a worker that runs")

    async def _adopt(self, order: Adopt) -> Answer:
        """Swap the policy once its record is durable; on any failure the old one stays in force."""
        try:
            policy = await _policy(self._settings, order.policy, order.date)
            await self._services.record_policy(policy)
        except (StoreDown, ConfigError) as error:
            self._log.error("policy not adopted", policy=order.policy, cause=error)
            return Failed(_why(error))
        self._tls.update(upstream_tls(self._settings, policy))
        self._gateway.swap(policy)
        self._log.info("policy in force", policy=policy.digest, routes=len(policy.routes))
        return Done(policy.digest)

    def _load_certificates(self) -> Answer:
        try:
            self._server.reload_certificates()
        except OSError as error:
            self._log.error("certificates refused", cause=error)
            return Failed("the certificates cannot be used")
        return Done(self._gateway.policy.digest)

    def _status(self) -> Status:
        services = self._services
        return Status(
            policy=self._gateway.policy.digest,
            ledger=services.ledger_healthy(),
            consent=services.consent_answers(),
            records=services.ledger.records if services.ledger is not None else 0,
            metrics=services.metrics.snapshot(),
        )

    async def _drain(self) -> bool:
        """Finish what is under way within the limit, then close the stores, the ledger last."""
        drain = asyncio.create_task(self._server.drain(self._settings.limits.drain_timeout))
        cut_off = asyncio.create_task(self._cut_off.wait())
        await asyncio.wait((drain, cut_off), return_when=asyncio.FIRST_COMPLETED)
        cut_off.cancel()
        if not drain.done():
            drain.cancel()
            await self._server.close()
        await asyncio.gather(drain, cut_off, return_exceptions=True)
        self._pools.abort()
        if self._own_pages is not None:
            self._own_pages.close()
        try:
            await self._services.close()
        except StoreDown as error:
            self._log.error("ledger not closed", cause=error)
            return False
        return True


def forwarding(forwarded: Forwarded) -> Forwarding:
    """The settings' words as the ingress needs them."""
    return Forwarding(
        mode=ForwardedMode(forwarded.mode),
        fields=ForwardedFields(forwarded.fields),
        trusted=tuple(ipaddress.ip_network(network) for network in forwarded.trusted),
        hide_client=forwarded.hide_client,
    )


async def _policy(settings: Settings, digest: str, date: str) -> Policy:
    """The kept policy of that digest; compiled in a thread, since traffic goes on meanwhile."""
    if settings.upstream is not None:
        return observe_policy(settings.upstream)
    return await asyncio.to_thread(load_kept, Path(settings.state), digest, date)


def upstream_tls(settings: Settings, policy: Policy) -> dict[str, UpstreamTls]:
    """TLS files by the URL of the upstream that they are for."""
    return {
        url: UpstreamTls(ca=_as_path(files.ca), certificate=_as_path(files.certificate), key=_as_path(files.key))
        for url, files in settings.tls_by_url(policy).items()
    }


def _as_path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None
