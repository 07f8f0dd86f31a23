"""What people decide on a running worker: recorded in the consent store, and in this worker's own log.

The steps are those of `consents.py`, and so is the promise. What narrows counts at once, and its record follows;
what widens counts once its record is durable. What a worker that dies leaves owed, whoever records
next alone completes: a command, or the next start. A worker whose log fails and recovers does it itself.

The store is asked in a thread with a connection of its own, so that no decision holds up the loop. A decision
that has begun is carried through, even if whoever asked for it goes away.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.audit.ledger import Ledger
from gateway.audit.operator_log import halves
from gateway.model.errors import StoreDown
from gateway.model.words import Assurance, ConsentStatus
from gateway.runtime.carry_over import carried_over
from gateway.runtime.consent_turns import together
from gateway.runtime.consents import KEPT, complete, record_of
from gateway.runtime.store_thread import StoreThread
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.event import (
    ANY_RECIPIENT,
    MICROSECONDS,
    ConsentEvent,
    EventRefused,
    ServedNotice,
    new_event_id,
    now_microseconds,
)

SERVED_AGAIN = 3600 * MICROSECONDS
"""The same notice that is shown to the same person within this time is not recorded as shown once more."""
PATIENCE = 5.0
"""Seconds to wait for a command that is recording."""

_T = TypeVar("_T")
_ANY_TIME = 2**62


class Choice(msgspec.Struct, frozen=True):
    """One answer. `valid_until` (microseconds since the epoch) is the first moment that consent no longer covers."""

    purpose: str
    status: ConsentStatus
    recipient: str = ANY_RECIPIENT
    valid_until: int | None = None


class Decisions:
    """For one event loop. Without a ledger, as benches are, what is decided counts and has no record.

    `log` takes what goes wrong after the person was answered. All methods raise StoreDown
    (CONSENT_STORE_DOWN) where the store cannot be read or written.
    """

    def __init__(self, state: Path, ledger: Ledger | None, log: Any) -> None:
        self._state = state
        self._ledger = ledger
        self._log = log
        self._asking = StoreThread("decisions", lambda: SqliteConsentStore(state / CONSENTS, busy_timeout=PATIENCE))
        self._under_way: set[asyncio.Task[Any]] = set()
        self._behind = False

    async def serve(self, notice: ServedNotice) -> None:
        """Keep that a notice was shown; durable when this returns.

        A showing of the same notice, version and digest within the hour before stands for this one.
        """
        await self._whole(self._asking.ask(lambda store: _serve(store, notice)))

    async def decide(
        self,
        subject: str,
        choices: Sequence[Choice],
        *,
        method: str,
        assurance: Assurance,
        notice: ServedNotice | None = None,
    ) -> list[ConsentEvent]:
        """Record what a person (by handle) decided now; it counts when this returns. Gives the events.

        What narrows counts together, before its record; what widens counts together, after its record is
        durable. `notice` is what the person was shown. Where only what narrows is decided, a log
        that cannot be written raises nothing: its record follows.

        Raises:
            StoreDown: what widens does not count, and with CONSENT_STORE_DOWN perhaps nothing does;
                AUDIT_UNAVAILABLE, where the log cannot be written or a command goes on recording: what narrows counts.
            EventRefused: `notice_not_served`, as the store says: nothing that widens counts; or `chosen_twice`:
                there are two answers to one question, and none of them counts.
            ValueError: consent is to end before it begins, or something else than consent has an end.
        """
        asked = [(choice.purpose, choice.recipient) for choice in choices]
        if len(set(asked)) != len(asked):
            raise EventRefused("chosen_twice", "a purpose and recipient are answered twice in one decision")
        if not choices:
            return []
        return await self._whole(self._decide(subject, choices, method, assurance, notice))

    async def carry(self, visitor: str, person: str) -> list[ConsentEvent]:
        """Make what a visitor decided the person's (both by handle), as `carried_over` says. Gives the events.

        Raises StoreDown as `decide`; what was carried before is not carried again.
        """
        return await self._whole(self._carry(visitor, person))

    async def history(self, subject: str) -> list[ConsentEvent]:
        """Every event of a person in the order in which they count."""
        return await self._asking.ask(lambda store: store.history(subject))

    async def served(self, subject: str) -> list[ServedNotice]:
        """Every notice that was shown to a person, the oldest first."""
        return await self._asking.ask(lambda store: store.served(subject))

    async def last_served(self, subject: str, notice: str) -> ServedNotice | None:
        """The last time that this notice was shown to the person, in whichever version."""
        return await self._asking.ask(lambda store: store.voucher(subject, notice, _ANY_TIME))

    async def close(self) -> None:
        """Wait for what has begun, then close the store. To be called before the ledger is closed."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)
        self._asking.close()

    async def _decide(
        self,
        subject: str,
        choices: Sequence[Choice],
        method: str,
        assurance: Assurance,
        notice: ServedNotice | None,
    ) -> list[ConsentEvent]:
        last = await self._asking.ask(lambda store: store.last_moment(subject))
        # Under a clock that was set back, a withdrawal would else count as older than the consent.
        at = now_microseconds() if last is None else max(now_microseconds(), last + 1)
        shown = {}
        if notice is not None:
            shown = {
                "notice": notice.notice,
                "notice_version": notice.version,
                "notice_digest": notice.digest,
            }
        events = [
            ConsentEvent(
                id=new_event_id(at),
                subject=subject,
                purpose=choice.purpose,
                recipient=choice.recipient,
                status=choice.status,
                at=at,
                valid_until=choice.valid_until,
                method=method,
                assurance=assurance,
                **shown,
            )
            for choice in choices
        ]
        await self._record(events)
        return events

    async def _carry(self, visitor: str, person: str) -> list[ConsentEvent]:
        events, served = await self._asking.ask(lambda store: carried_over(store, visitor, person))
        if events:
            await self._record(events, served)
        return events

    async def _record(self, events: Sequence[ConsentEvent], served: Iterable[ServedNotice] = ()) -> None:
        narrowing = [event for event in events if event.status.narrows]
        widening = [event for event in events if not event.status.narrows]
        if narrowing:
            await self._asking.ask(lambda store: store.append_all(narrowing))
        try:
            async with together(self._state, PATIENCE):
                if widening:
                    await self._asking.ask(lambda store: store.prepare(widening, served))
                await self._commit(events, {event.id for event in widening})
        except StoreDown as problem:
            self._behind = self._behind or bool(narrowing)
            if widening:
                raise
            self._log.warning("what was decided counts, and its record follows", cause=problem)
            return
        await self._catch_up()

    async def _commit(self, events: Sequence[ConsentEvent], prepared: set[str]) -> None:
        """Make the records durable and settle the events; only while nobody records alone."""
        owed = {event.id for event in await self._asking.ask(SqliteConsentStore.owed)} | prepared
        # What narrows may have been completed by a command between its step and this one.
        mine = [event for event in events if event.id in owed]
        if self._ledger is not None and mine:
            futures = [self._ledger.commit(*halves(record_of(event))) for event in mine]
            await asyncio.wait(futures)
            problem = next(filter(None, [future.exception() for future in futures]), None)
            if isinstance(problem, StoreDown):
                self._behind = True
                raise StoreDown(problem.posture, problem.why + (KEPT if prepared else "")) from problem
        await self._asking.ask(lambda store: store.settle([event.id for event in mine]))

    async def _catch_up(self) -> None:
        """After the log came back: complete what it could not take."""
        if not self._behind:
            return
        self._behind = False
        try:
            count = await self._asking.ask(lambda store: complete(self._state, store, patience=0))
        except StoreDown as problem:
            self._behind = True
            self._log.warning("consent events wait for their records", cause=problem)
            return
        self._log.info("consent events recorded that were owed to the ledger", count=count)

    async def _whole(self, work: Coroutine[Any, Any, _T]) -> _T:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            task.exception()  # one that nobody waits for any more is no news for the log


def _serve(store: SqliteConsentStore, notice: ServedNotice) -> None:
    last = store.voucher(notice.subject, notice.notice, notice.at, version=notice.version, digest=notice.digest)
    if last is None or last.at < notice.at - SERVED_AGAIN:
        store.serve(notice)
