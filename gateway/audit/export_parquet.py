"""Records as a Parquet file, for DuckDB and any other engine that reads columns. A view, never the evidence.

Importing this module needs pyarrow, which is optional.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gateway.audit.reading import Entry

ROW_GROUP = 10_000
"""Rows that are held in memory at a time."""

_TEXTS = (
    "kind",
    "direction",
    "method",
    "route",
    "recipient",
    "caller",
    "subject",
    "mode",
    "reason",
    "policy",
    "request",
)
_FIELD = (
    ("address", pa.string()),
    ("class", pa.string()),
    ("purpose", pa.string()),
    ("basis", pa.string()),
    ("action", pa.string()),
    ("reason", pa.string()),
    ("count", pa.int64()),
)
SCHEMA = pa.schema(
    [
        ("origin", pa.string()),
        ("index", pa.int64()),
        ("leaf", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        *((name, pa.string()) for name in _TEXTS),
        ("status", pa.int64()),
        ("consent", pa.list_(pa.string())),
        ("fields", pa.list_(pa.struct(_FIELD))),
        ("record", pa.string()),
    ]
)
"""One row for each record; `record` is the whole of it as JSON, for the keys that have no column."""


def write_parquet(entries: Iterable[Entry], file: BinaryIO) -> None:
    """Write all entries, a row group at a time.

    Raises:
        OSError: the file cannot be written.
    """
    rest = iter(entries)
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        while rows := [_row(entry) for entry in islice(rest, ROW_GROUP)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), row_group_size=ROW_GROUP)


def _row(entry: Entry) -> dict[str, Any]:
    record = entry.record
    fields, consent, status = record.get("fields"), record.get("consent"), record.get("status")
    return {
        "origin": entry.origin,
        "index": entry.index,
        "leaf": entry.leaf,
        "time": _moment(record.get("time")),
        **{name: _text(record.get(name)) for name in _TEXTS},
        "status": status if isinstance(status, int) else None,
        "consent": [_text(event) for event in consent] if isinstance(consent, list) else None,
        "fields": [_field(field) for field in fields] if isinstance(fields, list) else None,
        "record": msgspec.json.encode(record).decode(),
    }


def _field(field: dict[str, Any]) -> dict[str, Any]:
    count = field.get("count")
    texts = {name: _text(field.get(name)) for name, form in _FIELD if form == pa.string()}
    return texts | {"count": count if isinstance(count, int) else None}


def _moment(time: object) -> datetime | None:
    """Null for what no calendar has, such as a leap second; `record` keeps it as it was written."""
    try:
        return datetime.fromisoformat(str(time)).astimezone(UTC)
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
