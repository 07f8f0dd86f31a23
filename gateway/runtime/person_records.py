"""All records of one person as files for the person's own use: decisions, notices shown, and what the ledger holds.

Both forms say the same: JSON with a list for each kind, CSV (RFC 4180) with a row for each decision, notice
and field. Times are UTC, people are handles, and there are no values, since no record holds one.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.audit.export import cell
from gateway.audit.reading import Entry
from gateway.model.words import TRAFFIC
from gateway.runtime.consents import moment_text, record_of
from gateway.runtime.record_reader import Found, RecordReader
from gateway.runtime.secrecy import INSTRUMENT
from gateway.stores.event import ConsentEvent, ServedNotice

MOST = 50_000
"""Records of the ledger in one file."""
COLUMNS = (
    "what", "time", "subject", "purpose", "recipient", "status", "valid_until", "method", "assurance", "by", "event",
    "notice", "notice_version", "notice_digest", "language", "direction", "route", "address", "class", "basis",
    "action", "reason", "count", "consent", "request", "origin", "index", "leaf",
    "instrument", "legal_basis",
)  # fmt: skip
_SHARED = ("time", "subject", "recipient", "direction", "route", "request", "legal_basis")
_OF_A_FIELD = ("purpose", "address", "class", "basis", "action", "reason", "count")


class Records(msgspec.Struct, frozen=True):
    """Everything of the person with these handles; `created` is UTC, as records write it."""

    handles: Sequence[str]
    created: str
    events: Sequence[ConsentEvent]
    served: Sequence[ServedNotice]
    found: Found

    @property
    def traffic(self) -> list[Entry]:
        """The ledger's records of data that was collected, disclosed or refused, the newest first."""
        return [entry for entry in self.found.entries if entry.record.get("kind") in TRAFFIC]


async def records_of(
    reader: RecordReader,
    handles: Sequence[str],
    events: Sequence[ConsentEvent],
    served: Sequence[ServedNotice],
    *,
    created: str,
) -> Records:
    """The records of one person, whose decisions and notices the caller has. Raises as `RecordReader.find`."""
    return Records(handles, created, events, served, await reader.find(handles, most=MOST))


def records_json(records: Records) -> bytes:
    """One object; `complete` is false where older records of the ledger were left out."""
    value = {
        "subjects": list(records.handles),
        "created": records.created,
        "as_of": records.found.as_of,
        "complete": records.found.complete,
        "decisions": [_decision(event) for event in records.events],
        "notices": [_notice(notice) for notice in records.served],
        "records": [
            {"origin": entry.origin, "index": entry.index, "leaf": entry.leaf, "record": entry.record}
            for entry in records.traffic
        ],
    }
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def records_csv(records: Records) -> bytes:
    """A header and a row for each; text that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in _rows(records):
        writer.writerow([cell(row.get(name)) for name in COLUMNS])
    return text.getvalue().encode()


def _rows(records: Records) -> Iterator[dict[str, Any]]:
    for event in records.events:
        yield {"what": "decision", "time": moment_text(event.at), **_decision(event)}
    for notice in records.served:
        yield {"what": "notice", "time": moment_text(notice.at), **_notice(notice)}
    for entry in records.traffic:
        record = entry.record
        shared = {name: record.get(name) for name in _SHARED} | {"consent": record.get("consent") or None}
        shared["instrument"] = record.get(INSTRUMENT, {}).get("kind")
        place = {"what": record["kind"], "origin": entry.origin, "index": entry.index, "leaf": entry.leaf}
        for field in record.get("fields") or [{"reason": record.get("reason")}]:
            yield {**place, **shared, **{name: field.get(name) for name in _OF_A_FIELD}}


def _decision(event: ConsentEvent) -> dict[str, object]:
    """As the ledger holds it."""
    return {name: value for name, value in record_of(event).items() if name != "kind"}


def _notice(served: ServedNotice) -> dict[str, object]:
    return {
        "at": moment_text(served.at),
        "subject": served.subject,
        "notice": served.notice,
        "notice_version": served.version,
        "notice_digest": served.digest,
        "language": served.language,
        "method": served.method,
    }
