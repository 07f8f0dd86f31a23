"""Which records of what authorities were given a person may see: those of requests that are secret no more.

Nothing is shown unless the register says that it may be: where there is no register, or it does not know the
request, the record stays hidden.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gateway.audit.lines import timestamp
from gateway.model.words import LegalStatus
from gateway.stores.disclosures import REGISTER, SqliteDisclosureStore
from gateway.stores.legal_request import is_secret

INSTRUMENT = "instrument"
"""The key that only records of what was given to an authority have."""


def shown_requests(state: Path) -> frozenset[str]:
    """The ids of the legal requests whose secrecy has ended by now.

    Raises:
        StoreDown: CONSENT_STORE_DOWN; the register cannot be read.
    """
    if not (state / REGISTER).exists():
        return frozenset()
    store = SqliteDisclosureStore(state / REGISTER)
    try:
        # What is about to be kept secret for longer is so already; what is to be lifted, not yet.
        extended = {event.request for event in store.prepared() if event.status is LegalStatus.SECRECY_EXTENDED}
        now = timestamp()
        return frozenset(
            request
            for request, standing in store.requests().items()
            if request not in extended and not is_secret(standing.secret_until, now)
        )
    finally:
        store.close()


def may_be_shown(record: Mapping[str, Any], requests: Collection[str]) -> bool:
    """Whether the person may see this record; `requests` are those of `shown_requests`."""
    return INSTRUMENT not in record or record.get("request") in requests
