"""What one worker's pages tell a person from ledger and store: disclosures, the receipt, and all records.

Every look is recorded before its answer is given. A person may have several handles (as a visitor, and by
name): the first is the one whom the record names.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from gateway.audit.lines import timestamp
from gateway.portal.access_texts import say
from gateway.portal.disclosure_page import disclosures_context
from gateway.portal.disclosures import disclosures_of
from gateway.portal.receipt import Decided, Occasion, receipt_of
from gateway.runtime.gateway import Gateway
from gateway.runtime.own_access import record_access
from gateway.runtime.person_records import Records, records_csv, records_json, records_of
from gateway.runtime.receipt_key import ReceiptKey, public_keys, receipt_key
from gateway.runtime.record_reader import RecordReader
from gateway.stores.fold import in_order

SPANS = (30, 365, 0)
"""Days back that the page of disclosures offers; 0 is all time."""
FORMS: dict[str, Callable[[Records], bytes]] = {"json": records_json, "csv": records_csv}
_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


class Access:
    """For one event loop. All methods but `close` raise StoreDown where ledger, index or store do not answer."""

    def __init__(self, gateway: Gateway, state: Path) -> None:
        self._gateway = gateway
        self._state = state
        self._key: ReceiptKey | None = None
        self._reader = RecordReader(state)

    async def disclosures(
        self, handles: Sequence[str], *, caller: str, language: str, days: int, link: Callable[[int], str]
    ) -> dict[str, Any]:
        """What `templates/disclosures.html` takes, for the last `days` (one of `SPANS`; else all time).

        `caller` is as `caller_of` writes it; `link` gives the way to this page for so many days.
        """
        policy = self._gateway.policy
        days = days if days in SPANS else 0
        since = (datetime.now(UTC) - timedelta(days=days)).strftime(_FORM) if days else ""
        roles = {name: recipient.role for name, recipient in policy.recipients.items()}
        view = await disclosures_of(self._reader, handles, roles, since=since)
        await self._record("disclosures", handles, caller, view.records)
        spans = [(say(language, f"disclosures.span_{each}"), link(each), each == days) for each in SPANS]
        return disclosures_context(view, language, policy) | {"spans": spans}

    async def receipt_page(
        self, handles: Sequence[str], *, language: str, link: Callable[[str], str]
    ) -> dict[str, Any]:
        """What `templates/receipt.html` takes; it shows nothing of the person but whether anything was decided.

        `link` gives the way to `receipt`, `json` and `csv`.
        """
        decided = await self._decided(handles)
        keys = await asyncio.to_thread(public_keys, self._state, self._gateway.services.keys)
        return {
            "access": lambda key: say(language, key),
            "decided": bool(decided.events),
            "keys": [key.vkey for key in keys],
            "places": {name: link(name) for name in ("receipt", *FORMS)},
        }

    async def receipt(self, handles: Sequence[str], *, caller: str, where: str) -> bytes | None:
        """The signed receipt (`application/ld+json`); None where nothing was decided. `where` is the pages' URL."""
        decided = await self._decided(handles)
        if not decided.events:
            return None
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        occasion = Occasion(identifier=str(uuid4()), created=created, where=where)
        if self._key is None:
            self._key = await asyncio.to_thread(receipt_key, self._state, self._gateway.services.keys)
        made = await receipt_of(self._reader, decided, self._gateway.policy, occasion, self._key)
        await self._record("receipt", handles, caller, len(decided.events))
        return made

    async def records(self, handles: Sequence[str], *, caller: str, form: str) -> bytes:
        """All records as a file; `form` is one of `FORMS`."""
        decided = await self._decided(handles)
        records = await records_of(self._reader, handles, decided.events, decided.served, created=timestamp())
        made = await asyncio.to_thread(FORMS[form], records)
        await self._record("records", handles, caller, len(decided.events) + len(decided.served) + len(records.traffic))
        return made

    def close(self) -> None:
        """Give up what is being read, as `RecordReader.close`."""
        self._reader.close()

    async def _decided(self, handles: Sequence[str]) -> Decided:
        decisions = self._gateway.services.decisions
        events = [event for handle in dict.fromkeys(handles) for event in await decisions.history(handle)]
        served = [notice for handle in dict.fromkeys(handles) for notice in await decisions.served(handle)]
        return Decided(in_order(events), served)

    async def _record(self, what: str, handles: Sequence[str], caller: str, count: int) -> None:
        gateway = self._gateway
        request_id = gateway.moments.request_id()
        await record_access(gateway, what=what, subject=handles[0], caller=caller, request_id=request_id, count=count)
