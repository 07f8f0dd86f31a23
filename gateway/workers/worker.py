"""One worker process: opens its slot's stores, serves its data port, and does what its supervisor says.

The end of the control channel means that the supervisor is gone; the worker then drains by itself,
so that no orphan goes on serving rules that nobody can change any more.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import uvloop

from gateway.model.errors import ConfigError, StoreDown
from gateway.policy.observe import observe_policy
from gateway.policy.policy import Policy
from gateway.runtime import telemetry
from gateway.runtime.gateway import Gateway
from gateway.runtime.reload import load_kept
from gateway.runtime.services import Services
from gateway.runtime.settings import Settings
from gateway.workers.control import (
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


class DataPort(Protocol):
    """What a worker serves: its listeners, and what stands behind them."""

    async def listen(self) -> None:
        """Take traffic from now on.

        Raises:
            OSError: a listener cannot be opened.
            ValueError: a TLS file towards an upstream cannot be used.
        """

    def adopt(self, policy: Policy) -> None:
        """Make ready for requests that will meet this policy; called before it is swapped in."""

    def reload_certificates(self) -> None:
        """Use the certificates that the files hold now. Raises OSError, and then the old ones stay."""

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the contract of graceful shutdown
        """Accept nothing more, let what is under way finish within `timeout` seconds, close the rest."""

    async def close(self) -> None:
        """Close everything at once."""

    def abandon(self) -> None:
        """Give up what is behind the listeners, after `drain` or `close`."""


OpenDataPort: TypeAlias = Callable[[Settings, Gateway, Any], DataPort]
"""Makes the data port of one worker; the last argument is its log. Raises ValueError for files that cannot be used."""


def run_worker(descriptor: int, open_port: OpenDataPort, *, outgoing: bool = False) -> int:
    """Serve until told to stop; `descriptor` is the inherited end of the control channel.

    `outgoing` says that what comes are calls that go out, as `Gateway` takes them.

    Returns:
        The exit status: 0 after a clean end, 1 where the worker could not start or close its ledger.
    """
    # A terminal sends these to the whole group: only the supervisor is to act on them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return uvloop.run(_work(socket.socket(fileno=descriptor), open_port, outgoing=outgoing))


async def _work(end: socket.socket, open_port: OpenDataPort, *, outgoing: bool) -> int:
    channel = await Channel.open(end)
    start = await channel.order()
    if not isinstance(start, Start):
        return 1
    log = telemetry.configure(start.settings.log_level, worker=start.slot)
    try:
        worker = await Worker.open(start, log, open_port, outgoing=outgoing)
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
    """The running parts of one worker: stores, gateway, data port."""

    def __init__(self, settings: Settings, services: Services, gateway: Gateway, log: Any, port: DataPort) -> None:
        self._settings = settings
        self._services = services
        self._gateway = gateway
        self._log = log
        self._port = port
        self._draining = asyncio.Event()
        self._cut_off = asyncio.Event()

    @classmethod
    async def open(cls, start: Start, log: Any, open_port: OpenDataPort, *, outgoing: bool = False) -> "Worker":
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
            gateway = Gateway(policy, services, portal, outgoing=outgoing)
            port = open_port(settings, gateway, log)
            await port.listen()
        except (StoreDown, OSError, ValueError):
            await services.close()
            raise
        return cls(settings, services, gateway, log, port)

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
        self._port.adopt(policy)
        self._gateway.swap(policy)
        self._log.info("policy in force", policy=policy.digest, routes=len(policy.routes))
        return Done(policy.digest)

    def _load_certificates(self) -> Answer:
        try:
            self._port.reload_certificates()
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
        drain = asyncio.create_task(self._port.drain(self._settings.limits.drain_timeout))
        cut_off = asyncio.create_task(self._cut_off.wait())
        await asyncio.wait((drain, cut_off), return_when=asyncio.FIRST_COMPLETED)
        cut_off.cancel()
        if not drain.done():
            drain.cancel()
            await self._port.close()
        await asyncio.gather(drain, cut_off, return_exceptions=True)
        self._port.abandon()
        try:
            await self._services.close()
        except StoreDown as error:
            self._log.error("ledger not closed", cause=error)
            return False
        return True


async def _policy(settings: Settings, digest: str, date: str) -> Policy:
    """The kept policy of that digest; compiled in a thread, since traffic goes on meanwhile."""
    if settings.upstream is not None:
        return observe_policy(settings.upstream)
    return await asyncio.to_thread(load_kept, Path(settings.state), digest, date)
