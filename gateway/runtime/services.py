"""The stores of one worker, opened together and closed in order: what the pure engine is given to work with."""

import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from gateway.audit.ledger import Ledger
from gateway.crypto.keyring import KeyRing
from gateway.engine.record import bare_entry
from gateway.model.errors import StoreDown
from gateway.model.limits import Limits
from gateway.model.words import Kind
from gateway.policy.policy import Policy
from gateway.runtime.consents import complete
from gateway.runtime.cookie_memory import CookieMemory
from gateway.runtime.decisions import Decisions
from gateway.runtime.destination_map import DestinationMap
from gateway.runtime.identities import Identities, Tokens
from gateway.runtime.key_source import open_keys
from gateway.runtime.metrics import Metrics
from gateway.runtime.moments import Moments
from gateway.runtime.open_ledger import open_ledger
from gateway.runtime.open_people import open_people
from gateway.runtime.people import People
from gateway.runtime.sessions import Sessions
from gateway.runtime.settings_identity import IdentitySettings
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.runtime.visitors import Visitors
from gateway.stores.consent import CONSENTS, SqliteConsentStore
from gateway.stores.cookies import COOKIES
from gateway.stores.destinations import DESTINATIONS
from gateway.stores.keyfile import load_keyring
from gateway.stores.ports import ConsentStore
from gateway.stores.sessions import SESSIONS, SqliteSessionStore
from gateway.stores.subjects import SUBJECTS

COUNT_SECONDS = 60.0
_COUNTS_IN_A_RECORD = 400


class Services:
    """Keys, stores and counters of one worker. Without a ledger nothing is recorded: only benches do that.

    `receipts` asks that answers carry the place of their record.
    """

    def __init__(
        self,
        *,
        keys: KeyRing,
        people: People,
        consent: ConsentStore,
        decisions: Decisions,
        ledger: Ledger | None,
        metrics: Metrics,
        log: Any,
        limits: Limits,
        receipts: bool = False,
        identities: Identities | None = None,
        cookies: CookieMemory | None = None,
        destinations: DestinationMap | None = None,
    ) -> None:
        self.keys = keys
        self.people = people
        self.consent = consent
        self.decisions = decisions
        self.ledger = ledger
        self.metrics = metrics
        self.log = log
        self.limits = limits
        self.receipts = receipts
        self.identities = identities
        self.cookies = cookies or CookieMemory(None, metrics, log)
        self.destinations = destinations or DestinationMap(None, metrics, log)
        self._moments = Moments()
        self._counted: dict[str, int] = {}

    @classmethod
    def open(
        cls,
        state: Path,
        slot: str,
        *,
        origin: str,
        limits: Limits,
        log: Any,
        ledger: LedgerSettings = LedgerSettings(),  # noqa: B008 - frozen
        identity: IdentitySettings = IdentitySettings(),  # noqa: B008 - frozen
    ) -> "Services":
        """Open everything that the worker of this slot needs; must run inside its event loop.

        `origin` names the slot's log if this is its first use.

        Raises:
            ValueError, OSError: the file of the keys for tokens cannot be used.
            StoreDown: keys are missing or exposed, a store cannot be opened, or an older copy of the
                subject store was put back, with keys that were erased; nothing stays open.
        """
        keys = load_keyring(state)
        met_nobody = not (state / SUBJECTS).exists()
        with ExitStack() as stack:
            people = open_people(state, keys)
            stack.callback(people.close)
            consent = SqliteConsentStore(state / CONSENTS)
            stack.callback(consent.close)
            consent.announce(asyncio.get_running_loop().call_soon)
            if met_nobody and not consent.is_empty():
                log.warning("what people decided before matches nobody: subjects.sqlite is new or lost")
            metrics = Metrics()
            identities = open_identities(identity, metrics, log, keys)
            if identities is not None:
                stack.callback(identities.abandon)
            links = None if identity.session is None else SqliteSessionStore(state / SESSIONS)
            if links is not None:
                stack.callback(links.close)
            opened = open_ledger(state, slot, origin=origin, settings=ledger, timeout=limits.audit_timeout)
            # Its key gives the operators' log its name.
            _complete_consents(state, consent, log)
            decisions = Decisions(state, opened, log)
            if identities is not None and identity.session is not None and links is not None:
                identities.sessions = Sessions(
                    identity.session,
                    links,
                    partial(SqliteSessionStore, state / SESSIONS, busy_timeout=5.0),
                    keys=keys,
                    people=people,
                    decisions=decisions,
                    metrics=metrics,
                    limits=limits,
                )
            stack.pop_all()
        return cls(
            keys=keys,
            people=people,
            consent=consent,
            decisions=decisions,
            ledger=opened,
            metrics=metrics,
            log=log,
            limits=limits,
            receipts=ledger.receipts,
            identities=identities,
            cookies=CookieMemory(state / COOKIES, metrics, log),
            destinations=DestinationMap(state / DESTINATIONS, metrics, log),
        )

    @property
    def visitors(self) -> Visitors | None:
        """Makes and reads the cookies of visitors; None where the deployment has none."""
        return None if self.identities is None else self.identities.visitors

    async def record_policy(self, policy: Policy) -> None:
        """Record that this policy is in force from now on; durable when it returns.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; then the policy must not be put in force.
        """
        if self.ledger is not None:
            await self.ledger.commit(*bare_entry(self._moments.now(b""), kind=Kind.POLICY, policy=policy.digest))

    async def record_counts(self) -> None:
        """Record how many messages had no record of their own since the last time, by route and direction.

        Records and counts then add up to all that passed, so that an auditor can ask what was not recorded.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; the counts go into the next attempt.
        """
        if self.ledger is None:
            return
        unrecorded = self.metrics.unrecorded()
        news = {name: count - self._counted.get(name, 0) for name, count in unrecorded.items()}
        rows = [(name, count) for name, count in sorted(news.items()) if count]
        for start in range(0, len(rows), _COUNTS_IN_A_RECORD):
            counts = dict(rows[start : start + _COUNTS_IN_A_RECORD])
            await self.ledger.commit(*bare_entry(self._moments.now(b""), kind=Kind.COUNT, counts=counts))
            self._counted.update({name: unrecorded[name] for name in counts})

    async def keep_counting(self) -> None:
        """Record the counts every minute until cancelled."""
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            try:
                await self.record_counts()
            except StoreDown as error:
                self.log.error("counts not recorded", cause=error)  # noqa: TRY400 - no traceback, so no text of others

    def ledger_healthy(self) -> bool:
        return self.ledger is None or self.ledger.healthy()

    def consent_answers(self) -> bool:
        """Whether it can be told now who a person is and what they agreed to."""
        try:
            self.people.version()
            self.people.minted.version()
            self.consent.version()
        except StoreDown:
            return False
        return True

    async def close(self) -> None:
        """Close the ledger last, so that everything before it can still be recorded."""
        if self.identities is not None:
            await self.identities.close()
        await self.decisions.close()
        self.cookies.close()
        await self.destinations.close()
        self.people.close()
        self.consent.close()
        if self.ledger is not None:
            try:
                await self.record_counts()
            finally:
                await self.ledger.close()


def _complete_consents(state: Path, consent: SqliteConsentStore, log: Any) -> None:
    """Nothing that widens counts before its record, so a gateway can run with some still owed."""
    try:
        completed = complete(state, consent)
    except StoreDown as error:
        log.error("consent events wait for their records", cause=error)  # noqa: TRY400 - no traceback, so no text of others
        return
    if completed:
        log.info("consent events recorded that were owed to the ledger", count=completed)


def open_identities(settings: IdentitySettings, metrics: Metrics, log: Any, keys: KeyRing) -> Identities | None:
    """The sources of identity that are configured, for the running event loop; None where there are none.

    Raises:
        ValueError, OSError: the file of the keys, or of the authorities for their URL, cannot be used.
    """
    if not settings.any:
        return None
    tokens = Tokens(settings.token, open_keys(settings.token, metrics, log)) if settings.token is not None else None
    visitors = Visitors(keys, settings.visitor.days) if settings.visitor is not None else None
    return Identities(settings, tokens, metrics, visitors)
