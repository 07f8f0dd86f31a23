"""The parent of all workers: starts them, keeps them alive, tells them what is in force, stops them.

It handles no traffic. Of the stores it opens only the log of heads (`runtime/anchoring.py`). A reload is
all or nothing: rules are compiled here first, and settings take effect by a complete new set of workers
that are ready before the old ones drain. Whatever fails is logged with its diagnostics, and the last
good state stays.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.model.errors import ConfigError, Diagnostic, Severity, StoreDown
from gateway.policy.policy import Policy
from gateway.runtime.contracts import ContractWatch, contract_days
from gateway.runtime.metrics import Snapshot, ended, merge
from gateway.runtime.reload import fingerprint, keep_policy, today
from gateway.runtime.settings import Listener, Settings
from gateway.runtime.settings_egress import ingress_view
from gateway.runtime.sources import Sources, View
from gateway.workers.anchor_duty import AnchorDuty
from gateway.workers.condition import Condition
from gateway.workers.member import INGRESS, Crew
from gateway.workers.reservation import Reservation, StartupError, claim
from gateway.workers.seat import Seat

WATCH_SECONDS = 1.0


class Supervisor:
    """`settings_file` is watched together with the rules; without it the settings stay as given.

    `view` makes of what that file says the settings of workers of this kind, as `settings` have been made already.
    """

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        log: Any,
        *,
        settings_file: Path | None = None,
        crew: Crew = INGRESS,
        view: View = ingress_view,
    ) -> None:
        self.settings = settings
        self.listeners: tuple[Listener, ...] = ()
        self.date = today()
        self._policy = policy
        self._log = log
        self._sources = Sources(settings_file, view)
        self._crew = crew
        self._seats: list[Seat] = []
        self._leaving: dict[asyncio.Task[None], Seat] = {}
        self._past = Snapshot()
        self._past_restarts = 0
        self._reloads = {"accepted": 0, "refused": 0}
        self._clean = True
        self._anchoring = AnchorDuty(settings, log)
        self._contracts = ContractWatch(log)
        self._lock = -1
        self._reservation = Reservation([])
        self._reloading = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._known = self._sources.fingerprint(settings)
        self._authorities = fingerprint(settings.authority_paths())

    @property
    def policy(self) -> str:
        """Digest of the policy in force."""
        return self._policy.digest

    @property
    def routes(self) -> int:
        return len(self._policy.routes)

    @property
    def anchors(self) -> list[str]:
        """Where heads of the logs are kept."""
        return [each.name for each in self._anchoring.status().anchors]

    async def start(self) -> None:
        """Bind the listeners and start all workers; returns when every one is ready.

        Raises:
            StartupError: a worker cannot start.
            OSError: an address cannot be bound.
            StoreDown: the policy cannot be kept, or a log is not what its anchors say it was.
        """
        state = Path(self.settings.state)
        lock = claim(state, self._crew.name)
        if lock is None:
            raise StartupError("another gateway runs with this state directory")
        self._lock = lock
        try:
            keep_policy(state, self._policy)
            self._reservation = Reservation.take(self.settings.listeners)
            self.listeners = self._reservation.listeners
            await self._anchoring.start()
            self._seats = await self._open_seats(self.settings, self._reservation)
        except (StartupError, StoreDown, OSError):
            await self._anchoring.stop()
            self._reservation.close()
            os.close(self._lock)
            raise

    async def condition(self) -> Condition:
        """Ask every worker how it is, and wait two seconds at most."""
        seats = list(self._seats)
        statuses = await asyncio.gather(*(seat.report() for seat in seats))
        known = [*self._seats, *self._leaving.values()]
        return Condition(
            policy=self.policy,
            workers={seat.slot: status for seat, status in zip(seats, statuses, strict=True)},
            restarts=self._past_restarts + sum(seat.restarts for seat in known),
            reloads=dict(self._reloads),
            metrics=merge([self._past, *(seat.metrics for seat in known)]),
            anchoring=self._anchoring.status(),
            contracts=contract_days(self._policy),
        )

    async def run(self) -> bool:
        """Serve until a signal asks to stop, then drain; whether every worker came to a clean end."""
        watcher = asyncio.create_task(self._watch())
        self._anchoring.run()
        try:
            with self._signals():
                await self._stopping.wait()
                return await self._drain()
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher

    def stop(self) -> None:
        """Drain and end; called again, cut off what is still under way."""
        if self._stopping.is_set():
            for seat in (*self._seats, *self._leaving.values()):
                seat.hurry()
        self._stopping.set()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        reloads: set[asyncio.Task[bool]] = set()

        def hang_up() -> None:
            task = asyncio.create_task(self.reload())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _drain(self) -> bool:
        self._log.info("draining")
        async with self._reloading:
            seats, self._seats = self._seats, []
            for seat in seats:
                self._let_go(seat)
            await asyncio.gather(*self._leaving)
        self._clean = await self._anchoring.stop() and self._clean
        self._reservation.close()
        os.close(self._lock)
        self._log.info("stopped")
        return self._clean

    def _let_go(self, seat: Seat) -> None:
        self._leaving[asyncio.create_task(self._retire(seat))] = seat

    async def _retire(self, seat: Seat) -> None:
        """Wait for the seat's worker to drain; what it counted stays counted."""
        if not await seat.retire():
            self._clean = False
            self._log.error("worker had to be stopped", worker=seat.slot)
        self._past = merge([self._past, ended(seat.metrics)])
        self._past_restarts += seat.restarts
        task = asyncio.current_task()
        assert task is not None
        self._leaving.pop(task, None)

    async def _open_seats(self, settings: Settings, reservation: Reservation) -> list[Seat]:
        """A complete set of ready workers in slots that nobody uses, or StartupError and none."""
        bound = msgspec.structs.replace(settings, listeners=reservation.listeners)
        taken = {seat.slot for seat in (*self._seats, *self._leaving.values())}
        slots = [f"{self._crew.slots}{number}" for number in range(len(taken) + settings.workers)]
        free = [slot for slot in slots if slot not in taken]
        seats = [
            Seat(slot, bound, reservation, self, log=self._log, command=self._crew.command)
            for slot in free[: settings.workers]
        ]
        reasons = await asyncio.gather(*(seat.open() for seat in seats))
        why = next(filter(None, reasons), "")
        if why:
            await asyncio.gather(*(seat.retire() for seat in seats))
            raise StartupError(why)
        return seats

    async def reload(self) -> bool:
        """Read settings, rules and certificates again and put them in force; whether they were accepted."""
        async with self._reloading:
            if self._stopping.is_set():
                return False
            self._known = self._sources.fingerprint(self.settings)
            try:
                await self._reload()
            except ConfigError as error:
                self._show(error.diagnostics)
                self._log.error("reload refused", policy=self.policy, count=len(error.diagnostics))
            except (StartupError, StoreDown, OSError) as error:
                self._log.error("reload refused", policy=self.policy, cause=error)
            else:
                self._reloads["accepted"] += 1
                return True
            self._reloads["refused"] += 1
            return False

    async def _reload(self) -> None:
        settings, policy, warnings = await asyncio.to_thread(self._sources.read, self.settings, self._policy)
        keep_policy(Path(settings.state), policy)
        self._show(warnings)
        before = self._policy, self.date
        self._policy, self.date = policy, today()
        authorities = fingerprint(settings.authority_paths())
        same_tls = settings.tls_by_url(policy) == self.settings.tls_by_url(before[0])
        if settings == self.settings and same_tls and authorities == self._authorities:
            await self._adopt()
            await self._load_certificates()
            return
        try:
            await self._replace_workers(settings)
        except (StartupError, OSError):
            self._policy, self.date = before
            raise
        self._authorities = authorities
        self._log.info("settings in force", policy=self.policy, routes=self.routes, workers=settings.workers)

    async def _load_certificates(self) -> None:
        if self.settings.certificate_paths():
            loaded = await asyncio.gather(*(seat.load_certificates() for seat in self._seats))
            if not all(loaded):
                raise StartupError("the certificates cannot be used")

    def _show(self, diagnostics: list[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            write = self._log.error if diagnostic.severity is Severity.ERROR else self._log.warning
            write("diagnostic", code=diagnostic.code, diagnostic=diagnostic)

    async def _adopt(self) -> None:
        """Hand the policy to every worker that runs another one; one that cannot take it is asked again later."""
        behind = [seat for seat in self._seats if seat.policy != self.policy]
        if behind:
            adopted = await asyncio.gather(*(seat.adopt() for seat in behind))
            if all(adopted):
                self._log.info("policy in force", policy=self.policy, routes=self.routes)

    async def _replace_workers(self, settings: Settings) -> None:
        """A complete new set of workers first, then the old ones drain; on an error nothing has changed."""
        reservation = self._reservation.moved_to(settings.listeners)
        try:
            seats = await self._open_seats(settings, reservation)
        except StartupError:
            reservation.close(keeping=self._reservation)
            raise
        for seat in self._seats:
            self._let_go(seat)
        self._reservation.close(keeping=reservation)
        self._seats, self._reservation = seats, reservation
        self.settings, self.listeners = settings, reservation.listeners

    async def _watch(self) -> None:
        """Look at the files every second; act once they have stopped changing."""
        seen = self._known
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._contracts.look(self._policy)
            now = await asyncio.to_thread(self._sources.fingerprint, self.settings)
            if now != seen:
                seen = now
            elif now != self._known:
                await self.reload()
            elif any(seat.policy not in ("", self.policy) for seat in self._seats):
                async with self._reloading:
                    await self._adopt()
