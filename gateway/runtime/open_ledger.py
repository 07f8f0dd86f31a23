"""The log of one slot, opened with the slot's key; a rotation that was cut off comes to its end here."""

from pathlib import Path

from gateway import __version__
from gateway.audit.interval import kind_of
from gateway.audit.ledger import Ledger
from gateway.model.limits import MIB
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.stores.keyfile import adopt_next_signing_key, load_signing_key, next_signing_key


def open_ledger(state: Path, slot: str, *, origin: str, settings: LedgerSettings, timeout: float) -> Ledger:
    """Open the slot's log; must run where the event loop is that it will belong to.

    `origin` names the log if this is its first use.

    Raises:
        StoreDown: the key is missing or exposed, or the log cannot be opened.
    """
    signer = load_signing_key(state, slot, name=origin)
    following = next_signing_key(state, slot)
    terms = settings.terms(slot)
    ledger = kind_of(terms).open(
        state / "audit" / slot,
        origin=signer.name,
        signer=signer,
        next_signer=following,
        opened={"program": __version__, "slot": slot},
        segment_bytes=settings.segment_mib * MIB,
        segment_seconds=settings.segment_minutes * 60,
        timeout=timeout,
        terms=terms,
    )
    if following is not None and ledger.vkey == following.vkey:
        adopt_next_signing_key(state, slot)
    return ledger
