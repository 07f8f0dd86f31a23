"""Find records by who, where, what, why and when, by reading the log itself."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

import msgspec

from gateway.audit.reading import Entry, Head, head_of, newest_first
from gateway.model.identity import APPLICATION_CALLER
from gateway.model.words import Kind

_PLAIN = re.compile(r"[A-Za-z0-9 ._:*-]+")

Group: TypeAlias = Literal["recipient", "route", "kind", "purpose", "class", "caller"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""What records can be counted by; callers as `caller_group` tells them apart."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; empty means any. `subject` is a handle; times are as records write them.

    `caller` is `application:NAME`, or the handle of a verified person, by whichever source.
    """

    subject: str = ""
    caller: str = ""
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

    @property
    def needs_log(self) -> bool:
        """Whether only the log itself can answer: the index does not know the people who called."""
        return bool(self.caller) and not self.caller.startswith(APPLICATION_CALLER)


class Counts(msgspec.Struct):
    """How many records match; `values` says how many of them hold each value, the most frequent first."""

    records: int
    values: dict[str, int]

    @classmethod
    def of(cls, records: int, values: Counter[str]) -> Self:
        return cls(records, dict(sorted(values.items(), key=lambda item: (-item[1], item[0]))))


class Scan:
    """Answers by reading every line of the log: slow, and in need of nothing but the log."""

    def __init__(self, slots: list[Path]) -> None:
        self._slots = {slot.name: slot for slot in slots}

    def search(self, query: Query) -> Iterator[Entry]:
        """As `search`."""
        return search(list(self._slots.values()), query)

    def count(self, query: Query, by: Group | None = None) -> Counts:
        """Count what matches, whatever `query.limit` says; by "" is counted what says nothing of it."""
        records, values = 0, Counter[str]()
        for entry in search(list(self._slots.values()), msgspec.structs.replace(query, limit=None)):
            records += 1
            values.update(values_of(entry.record, query, by))
        return Counts.of(records, values)

    def head(self, entry: Entry) -> Head | None:
        """The first checkpoint that covers the entry."""
        return head_of(self._slots[entry.slot], entry)


def search(slots: list[Path], query: Query) -> Iterator[Entry]:
    """Matching records, newest first."""
    # A record that matches holds each of these as a whole JSON string.
    literals = [msgspec.json.encode(text) for text in _strings(query)]
    if query.needs_log:
        literals.append(_calls(query).encode())

    def choose(line: bytes) -> bool:
        return all(literal in line for literal in literals)

    found = (entry for entry in newest_first(slots, choose) if matches(entry, query))
    return islice(found, query.limit)


def matches(entry: Entry, query: Query) -> bool:
    record = entry.record
    for key in ("subject", "request"):
        wanted = getattr(query, key)
        if wanted and record.get(key) != wanted:
            return False
    if query.needs_log and not _word(record.get("caller")).endswith(_calls(query)):
        return False
    time = record.get("time", "")
    if (query.since and time < query.since) or (query.until and time >= query.until):
        return False
    return says(record, query)


def _calls(query: Query) -> str:
    """How the text of a person who called ends: before it stands the source that vouched."""
    return f":{query.caller}"


def says(record: Mapping[str, Any], query: Query) -> bool:
    """Whether all that many records share is as asked for: route, recipient, kind, direction, application and fields.

    The heads of every minute are found only by their kind.
    """
    if not query.kind and record.get("kind") == Kind.HEADS:
        return False
    for key in ("recipient", "route", "kind", "direction"):
        wanted = getattr(query, key)
        if wanted and record.get(key) != wanted:
            return False
    if query.caller and not query.needs_log and record.get("caller") != query.caller:
        return False
    if not (query.data_class or query.purpose or query.reason):
        return True
    if any(True for _ in _fields(record, query)):
        return True
    return not (query.data_class or query.purpose) and record.get("reason") == query.reason


def values_of(record: Mapping[str, Any], query: Query, by: Group | None) -> set[str]:
    """Under which values a matching record is counted; of its fields those that match are looked at."""
    if by is None:
        return set()
    if by in ("purpose", "class"):
        return {_word(field.get(by)) for field in _fields(record, query)} or {""}
    if by == "caller":
        return {caller_group(_word(record.get(by)))}
    return {_word(record.get(by))}


def caller_group(caller: str) -> str:
    """Under what a caller is counted: an application by its name, people by the source that vouched for them."""
    return caller if caller.startswith(APPLICATION_CALLER) else caller.partition(":")[0]


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _fields(record: Mapping[str, Any], query: Query) -> Iterator[Mapping[str, Any]]:
    """Class, purpose and reason have to meet in one field; a reason may also be the record's own.

    A record of consent has no fields and a purpose of its own.
    """
    own = [{"purpose": record["purpose"]}] if record.get("purpose") else ()
    for field in record.get("fields") or own:
        if (
            is_class(_word(field.get("class")), query.data_class)
            and query.purpose in ("", field.get("purpose"))
            and query.reason in ("", field.get("reason"), record.get("reason"))
        ):
            yield field


def is_class(found: str, wanted: str) -> bool:
    """A class includes those below it; `user.` may be left out, as in rules."""
    full = wanted if not wanted or wanted.split(".", maxsplit=1)[0] in ("user", "system") else f"user.{wanted}"
    return not full or found == full or found.startswith(full + ".")


def _strings(query: Query) -> list[str]:
    """Values that can only be written in one way in JSON, so that their bytes can be looked for."""
    exact = ("subject", "recipient", "route", "purpose", "reason", "kind", "direction", "request")
    values = [getattr(query, key) for key in exact]
    values += [query.caller] if not query.needs_log else []
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
