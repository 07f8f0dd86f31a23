"""Find records by who, where, what, why and when."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from gateway.audit.reading import Entry, newest_first

_PLAIN = re.compile(r"[A-Za-z0-9 ._:*-]+")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; empty means any. `subject` is a handle; times are as records write them."""

    subject: str = ""
    recipient: str = ""
    route: str = ""
    data_class: str = ""
    purpose: str = ""
    reason: str = ""
    kind: str = ""
    direction: str = ""
    request: str = ""
    since: str = ""
    until: str = ""
    limit: int | None = None


def search(slots: list[Path], query: Query) -> Iterator[Entry]:
    """Matching records, newest first."""
    # A record that matches holds each of these as a whole JSON string.
    literals = [msgspec.json.encode(text) for text in _strings(query)]

    def choose(line: bytes) -> bool:
        return all(literal in line for literal in literals)

    found = (entry for entry in newest_first(slots, choose) if matches(entry, query))
    return islice(found, query.limit)


def matches(entry: Entry, query: Query) -> bool:
    record = entry.record
    for key in ("subject", "recipient", "route", "kind", "direction", "request"):
        wanted = getattr(query, key)
        if wanted and record.get(key) != wanted:
            return False
    time = record.get("time", "")
    if (query.since and time < query.since) or (query.until and time >= query.until):
        return False
    return _matches_fields(record.get("fields") or [], record.get("reason"), query)


def _matches_fields(fields: list[dict[str, object]], reason: object, query: Query) -> bool:
    """Class, purpose and reason have to meet in one field; a reason may also be the record's own."""
    if not (query.data_class or query.purpose or query.reason):
        return True
    for field in fields:
        if (
            _is_class(str(field.get("class") or ""), query.data_class)
            and query.purpose in ("", field.get("purpose"))
            and query.reason in ("", field.get("reason"), reason)
        ):
            return True
    return not (query.data_class or query.purpose) and reason == query.reason


def _is_class(found: str, wanted: str) -> bool:
    """A class includes those below it; `user.` may be left out, as in rules."""
    full = wanted if not wanted or wanted.split(".", maxsplit=1)[0] in ("user", "system") else f"user.{wanted}"
    return not full or found == full or found.startswith(full + ".")


def _strings(query: Query) -> list[str]:
    """Values that can only be written in one way in JSON, so that their bytes can be looked for."""
    exact = ("subject", "recipient", "route", "purpose", "reason", "kind", "direction", "request")
    values = (getattr(query, key) for key in exact)
    return [value for value in values if value and _PLAIN.fullmatch(value)]


def record_time(text: str) -> str:
    """A date or time of ISO 8601 as records write it; without an offset it is taken as UTC.

    Raises:
        ValueError: it is neither.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
