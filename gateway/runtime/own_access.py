"""The record of a person's look at what is kept of them: a disclosure like any other, to the person."""

from gateway.engine.record import bare_entry
from gateway.model.words import Basis, Direction, Kind, Mode, Role
from gateway.runtime.gateway import Gateway

RIGHTS = "rights"
"""The purpose of such a disclosure, which the law itself sets (GDPR Art. 15 and 20)."""
OWN = "own:"
"""How the address of what is shown begins."""
PREFERENCES = "user.privacy_preferences"
"""The class of what is kept of a person's decisions."""


async def record_access(
    gateway: Gateway, *, what: str, subject: str, caller: str, request_id: bytes, count: int = 1
) -> None:
    """Record that `what` (`disclosures`, `receipt`, `records`, `history`) goes to the person; durable when it returns.

    `subject` is the person's handle, `caller` as `caller_of` writes it, `count` the records that are shown.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; then nothing may be shown.
    """
    ledger = gateway.services.ledger
    if ledger is None:
        return
    field = {
        "action": "keep",
        "address": OWN + what,
        "basis": Basis.LEGAL_OBLIGATION,
        "class": PREFERENCES,
        "count": count,
        "purpose": RIGHTS,
        "reason": "listed",
    }
    entry = bare_entry(
        gateway.moments.now(request_id),
        kind=Kind.DISCLOSE,
        caller=caller,
        consent=[],
        direction=Direction.RESPONSE,
        fields=[field],
        method="GET",
        mode=Mode.ENFORCE,
        policy=gateway.policy.digest,
        recipient=Role.SUBJECT,
        route=f"own/{what}",
        status=200,
        subject=subject,
    )
    await ledger.commit(*entry)
