"""Whether the host's clock can be believed enough to delete by it.

A clock that jumped ahead would make everything look old. A jump that a log noticed stands until an
operator confirmed it; what no log can have noticed shows as records from the future, or as a time in
which nothing at all was recorded.
"""

import mmap
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.operator_log import OPERATOR, OperatorLog, operator_records
from gateway.audit.reading import newest_first, slots_of
from gateway.audit.segment import SEALED, segments_in
from gateway.model.words import Kind

AHEAD = timedelta(minutes=1)
"""How far a record may lie in the future: a step that is no jump (FORMAT.md, kind `clock`)."""
SILENCE = timedelta(days=7)
"""A gateway that runs records something each minute."""

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_CLOCK = b'"kind":"clock"'


class Jump(msgspec.Struct, frozen=True):
    """A `clock` record that nobody confirmed."""

    slot: str
    origin: str
    index: int
    was: str
    time: str


def doubts(audit: Path, now: datetime) -> list[str]:
    """Why nothing should be deleted by this clock; empty if it can be believed. `now` is in UTC.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; a log cannot be read.
    """
    found = [
        f"the clock jumped from {jump.was} to {jump.time} ({jump.slot}, index {jump.index})" for jump in jumps(audit)
    ]
    times = {slot.name: _newest(slot) for slot in slots_of(audit)}
    ahead = (now + AHEAD).strftime(_TIME)
    found += [
        f"the newest record of {slot} is of {time}: in the future" for slot, time in times.items() if time > ahead
    ]
    last = max((time for slot, time in times.items() if slot != OPERATOR), default="")
    if last and last < (now - SILENCE).strftime(_TIME):
        found.append(f"nothing was recorded since {last}: the gateway was off, or the clock jumped")
    return found


def jumps(audit: Path) -> list[Jump]:
    """The `clock` records of all logs that no operator confirmed."""
    confirmed: dict[str, int] = {}
    for _, record in operator_records(audit, Kind.CLOCK):
        confirmed |= {each["origin"]: each["index"] for each in record.get("confirmed") or []}
    found = []
    for slot in slots_of(audit):
        for record, origin in _clock_records(slot):
            if record["index"] > confirmed.get(origin, -1) and "confirmed" not in record:
                found.append(Jump(slot.name, origin, record["index"], str(record.get("was")), record["time"]))
    return found


def confirm(audit: Path, log: OperatorLog, *, by: str, now: datetime) -> None:
    """Record that the clock is right; every jump so far counts as confirmed. Raises StoreDown."""
    newest: dict[str, int] = {}
    for jump in jumps(audit):
        newest[jump.origin] = max(jump.index, newest.get(jump.origin, -1))
    confirmed = [{"index": index, "origin": origin} for origin, index in sorted(newest.items())]
    log.append([{"by": by, "confirmed": confirmed, "kind": Kind.CLOCK, "was": now.strftime(_TIME)}])


def _newest(slot: Path) -> str:
    return next((str(entry.record.get("time", "")) for entry in newest_first([slot])), "")


def _clock_records(slot: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The `clock` records of a log, with its origin. Most segments hold none, and are only searched for the word."""
    if not any(_holds(path) for _, path in segments_in(slot) + segments_in(slot / SEALED)):
        return
    for entry in newest_first([slot], lambda line: _CLOCK in line):
        yield entry.record, entry.origin


def _holds(path: Path) -> bool:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(_CLOCK) >= 0
