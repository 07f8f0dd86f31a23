"""Copies of the log for other tools. Views, never the evidence: each row keeps origin, index and leaf hash."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from gateway.audit.export_events import to_cloudevents, to_ocsf
from gateway.audit.reading import Entry

_RECORD_COLUMNS = (
    "time",
    "kind",
    "direction",
    "method",
    "route",
    "recipient",
    "caller",
    "subject",
    "consent",
    "mode",
    "reason",
    "status",
    "policy",
    "request",
)
_FIELD_COLUMNS = ("address", "class", "purpose", "basis", "action", "reason", "count")
COLUMNS = (
    "origin",
    "index",
    "leaf",
    *_RECORD_COLUMNS,
    *(f"field_{name}" for name in _FIELD_COLUMNS),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_jsonl(entries: Iterable[Entry]) -> Iterator[str]:
    """One object a line: `origin, index, leaf, record`."""
    for entry in entries:
        row = {"origin": entry.origin, "index": entry.index, "leaf": entry.leaf, "record": entry.record}
        yield msgspec.json.encode(row).decode() + "\n"


def to_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """RFC 4180 with a header; one row for each field of a record, one row for a record without any."""
    yield _row(COLUMNS)
    for entry in entries:
        record = entry.record
        start = [entry.origin, entry.index, entry.leaf, *(record.get(name) for name in _RECORD_COLUMNS)]
        for field in record.get("fields") or [{}]:
            yield _row([*start, *(field.get(name) for name in _FIELD_COLUMNS)])


LineForm: TypeAlias = Callable[[Iterable[Entry]], Iterator[str]]
LINE_FORMS: Mapping[str, LineForm] = {
    "jsonl": to_jsonl,
    "csv": to_csv,
    "ocsf": to_ocsf,
    "cloudevents": to_cloudevents,
}
"""Forms that are text, by the name that `audit export --format` gives them."""


def _row(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([cell(each) for each in cells])
    return line.getvalue()


def cell(value: object) -> str:
    """Text that a spreadsheet shows and does not run: what looks like a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        value = msgspec.json.encode(value).decode()
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int) else text
