"""A ledger slot with the worker that fills it: started, restarted after a crash, retired in peace."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import Any, Protocol

from gateway.runtime.metrics import Snapshot, ended, merge
from gateway.runtime.settings import Settings
from gateway.workers.control import Adopt, Answer, Done, Drain, Failed, LoadCertificates, Report, Start, Status
from gateway.workers.member import INGRESS, Member
from gateway.workers.reservation import Reservation, StartupError

START_PATIENCE = 120.0  # seconds; a worker may have a long ledger to recover
ORDER_PATIENCE = 30.0
REPORT_PATIENCE = 2.0
CLOSING_PATIENCE = 10.0  # on top of limits.drain_timeout, for the ledger's last words
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 10.0
STEADY_SECONDS = 30.0  # a worker that lived this long restarts without delay


class Orders(Protocol):
    """What is in force: asked anew at each start of a worker."""

    @property
    def policy(self) -> str: ...
    @property
    def date(self) -> str: ...


class Seat:
    """Keeps one worker alive from `open` until `retire`."""

    def __init__(
        self,
        slot: str,
        settings: Settings,
        reservation: Reservation,
        orders: Orders,
        *,
        log: Any,
        command: Sequence[str] = INGRESS.command,
    ) -> None:
        self.slot = slot
        self.policy = ""
        self.restarts = 0
        self._settings = settings
        self._reservation = reservation
        self._orders = orders
        self._log = log.bind(worker=slot)
        self._command = command
        self._member: Member | None = None
        self._past = Snapshot()
        self._present = Snapshot()
        self._leaving = asyncio.Event()
        self._clean = True
        self._keeper: asyncio.Task[None] | None = None

    @property
    def metrics(self) -> Snapshot:
        """Counts of all workers that this seat has had, as far as they have reported them."""
        return merge([self._past, self._present])

    @property
    def process(self) -> int:
        """The id of the worker's process, 0 between two."""
        return self._member.process if self._member is not None else 0

    async def open(self) -> str:
        """Start the first worker; returns why it could not start, or an empty text."""
        why = await self._start()
        if not why:
            self._keeper = asyncio.create_task(self._keep())
        return why

    async def _start(self) -> str:
        self.policy = ""
        try:
            member = await Member.spawn(self._reservation.descriptors, self._command)
        except OSError as error:
            return f"no process for a worker: {error.strerror}"
        self._member = member
        start = Start(self._settings, self.slot, self._orders.policy, self._orders.date)
        answer = await member.ask(start, START_PATIENCE)
        if isinstance(answer, Done):
            self.policy = answer.policy
            self._log.info("worker ready", process=member.process, policy=answer.policy)
            return ""
        await member.end_within(0 if answer is None else ORDER_PATIENCE)
        await member.exit_status()
        self._member = None
        return answer.why if isinstance(answer, Failed) else "a worker ended before it was ready"

    async def _keep(self) -> None:
        """Restart the worker whenever it ends, at growing intervals while it keeps ending early."""
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF
        while self._member is not None:
            started = loop.time()
            status = await self._member.exit_status()
            self._count_out(self._member.unasked)
            self._member = None
            if self._leaving.is_set():
                self._clean = self._clean and status == 0
                return
            self._log.error("worker ended", exit_status=status)
            backoff = FIRST_BACKOFF if loop.time() - started > STEADY_SECONDS else min(backoff * 2, LONGEST_BACKOFF)
            backoff = await self._restart(backoff)

    async def _restart(self, backoff: float) -> float:
        """Try until there is a worker or the seat is given up; returns the interval it came to."""
        while self._member is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), backoff)
            if self._leaving.is_set():
                break
            self.restarts += 1
            why = await self._start()
            if why:
                self._log.error("worker cannot start", cause=StartupError(why), count=self.restarts)
                backoff = min(backoff * 2, LONGEST_BACKOFF)
        return backoff

    def _count_out(self, last: Answer | None) -> None:
        if isinstance(last, Status):
            self._present = last.metrics
        self._past = merge([self._past, ended(self._present)])
        self._present = Snapshot()
        self.policy = ""

    async def report(self) -> Status | None:
        """How the worker is now; None if there is none that answers."""
        member = self._member
        answer = await member.ask(Report(), REPORT_PATIENCE) if member is not None else None
        if not isinstance(answer, Status) or member is not self._member:
            return None
        self._present = answer.metrics
        return answer

    async def adopt(self) -> bool:
        """Put the supervisor's policy in force here; False if the worker goes on with its old one."""
        member = self._member
        if member is None:
            return False
        answer = await member.ask(Adopt(self._orders.policy, self._orders.date), ORDER_PATIENCE)
        if isinstance(answer, Done):
            self.policy = answer.policy
            return True
        self._log.error("policy not adopted", policy=self._orders.policy)
        return False

    async def load_certificates(self) -> bool:
        """Let the worker read its certificates again; False if it goes on with the old ones."""
        member = self._member
        answer = await member.ask(LoadCertificates(), ORDER_PATIENCE) if member is not None else None
        return isinstance(answer, Done)

    async def retire(self) -> bool:
        """Drain the worker and wait for its end; whether it came to a clean end in time."""
        self._leaving.set()
        member = self._member
        if member is not None:
            patience = self._settings.limits.drain_timeout + CLOSING_PATIENCE
            last = await member.ask(Drain(), patience)
            if isinstance(last, Status):
                self._present = last.metrics
            self._clean = await member.end_within(CLOSING_PATIENCE)
        if self._keeper is not None:
            await self._keeper
        return self._clean

    def hurry(self) -> None:
        """Let the worker cut off what is under way."""
        if self._member is not None:
            self._member.send_signal(signal.SIGTERM)
