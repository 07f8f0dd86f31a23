"""The stores of one worker, opened together and closed in order: what the pure engine is given to work with."""

from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.audit.ledger import Ledger
from gateway.crypto.keyring import KeyRing
from gateway.engine.record import bare_entry
from gateway.model.errors import StoreDown
from gateway.model.limits import Limits
from gateway.model.words import Kind
from gateway.policy.policy import Policy
from gateway.runtime.metrics import Metrics
from gateway.runtime.moments import Moments
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.keyfile import load_keyring, load_signing_key
from gateway.stores.ports import ConsentStore


class Services:
    """Keys, stores and counters of one worker. Without a ledger nothing is recorded: only benches do that."""

    def __init__(
        self, *, keys: KeyRing, consent: ConsentStore, ledger: Ledger | None, metrics: Metrics, log: Any, limits: Limits
    ) -> None:
        self.keys = keys
        self.consent = consent
        self.ledger = ledger
        self.metrics = metrics
        self.log = log
        self.limits = limits
        self._moments = Moments()

    @classmethod
    def open(cls, state: Path, slot: str, *, origin: str, limits: Limits, log: Any) -> "Services":
        """Open everything that the worker of this slot needs; must run inside its event loop.

        `origin` names the slot's log if this is its first use.

        Raises:
            StoreDown: keys are missing or exposed, or a store cannot be opened; nothing stays open.
        """
        keys = load_keyring(state)
        signer = load_signing_key(state, slot, name=origin)
        consent = SqliteConsentStore(state / "consent.sqlite")
        try:
            ledger = Ledger.open(
                state / "audit" / slot,
                origin=signer.name,
                signer=signer,
                opened={"program": __version__, "slot": slot},
                timeout=limits.audit_timeout,
            )
        except StoreDown:
            consent.close()
            raise
        return cls(keys=keys, consent=consent, ledger=ledger, metrics=Metrics(), log=log, limits=limits)

    async def record_policy(self, policy: Policy) -> None:
        """Record that this policy is in force from now on; durable when it returns.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; then the policy must not be put in force.
        """
        if self.ledger is not None:
            await self.ledger.commit(*bare_entry(self._moments.now(b""), kind=Kind.POLICY, policy=policy.digest))

    def ledger_healthy(self) -> bool:
        return self.ledger is None or self.ledger.healthy()

    def consent_answers(self) -> bool:
        """Whether the consent store can be read now."""
        try:
            self.consent.version()
        except StoreDown:
            return False
        return True

    async def close(self) -> None:
        """Close the ledger last, so that everything before it can still be recorded."""
        self.consent.close()
        if self.ledger is not None:
            await self.ledger.close()
