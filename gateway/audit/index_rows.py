"""The rows of the index that a query asks for, newest first, and how many there are."""

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from gateway.audit.index_lines import INDEX_BITS, micros, word_hash
from gateway.audit.index_records import Place, stale
from gateway.audit.search import Query, says

PAGE = 1024
_END = 1 << 62
_SELECT = "SELECT time, id, form, segment, offset, length, leaf FROM record WHERE "


class Rows:
    """Reads only. Every method raises sqlite3.Error, and StoreDown where a row is none that the index writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._forms: dict[int, dict[str, Any]] = {}

    def places(self, query: Query) -> Iterator[Place]:
        """Where matching records stand, newest first."""
        if query.request:
            where, values = _conditions(query)
            found: Iterable[Place] = sorted(self._select(_SELECT + where, values), reverse=True)
        elif query.subject:
            found = self._pages("subject", word_hash(query.subject), query, query.limit or PAGE)
        else:
            forms = self._matching_forms(query)
            first = max(4, (query.limit or PAGE) // max(len(forms), 1))
            yield from heapq.merge(*(self._pages("form", form, query, first) for form in forms), reverse=True)
            return
        for place in found:
            if says(self.form(place.form), query):
                yield place

    def place(self, slot: int, index: int) -> Place | None:
        """Where a leaf stands."""
        found = self._select(_SELECT + "id = ?", ((slot << INDEX_BITS) | index,))
        return found[0] if found else None

    def _pages(self, column: str, value: int, query: Query, size: int) -> Iterator[Place]:
        """Rows with one value of a column, newest first. Nothing is locked between two pages."""
        since = micros(query.since) if query.since else -_END
        time, number = micros(query.until) if query.until else _END, -1
        size = min(size, PAGE)
        statement = (
            f"{_SELECT}{column} = ? AND time >= ? AND time <= ? AND (time, id) < (?, ?)"
            " ORDER BY time DESC, id DESC LIMIT ?"
        )
        while True:
            page = self._select(statement, (value, since, time, time, number, size))
            yield from page
            if len(page) < size:
                return
            time, number = page[-1].time, page[-1].id
            size = min(2 * size, PAGE)

    def _select(self, statement: str, values: tuple[int, ...]) -> list[Place]:
        rows = self._connection.execute(statement, values).fetchall()
        for row in rows:
            if tuple(map(type, row)) != (int, int, int, int, int, int, bytes):
                raise stale()
        return [Place(*row) for row in rows]

    def _matching_forms(self, query: Query) -> list[int]:
        self._forms |= {
            number: _read_form(text) for number, text in self._connection.execute("SELECT id, says FROM form")
        }
        return [number for number, form in self._forms.items() if says(form, query)]

    def form(self, number: int) -> dict[str, Any]:
        found = self._forms.get(number)
        if found is None:
            row = self._connection.execute("SELECT says FROM form WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise stale()
            found = self._forms[number] = _read_form(row[0])
        return found

    def counts(self, query: Query) -> Iterator[tuple[int, int]]:
        where, values = _conditions(query)
        if query.request or query.subject:
            rows = self._connection.execute(f"SELECT form, count(*) FROM record WHERE {where} GROUP BY form", values)  # noqa: S608
            yield from ((form, count) for form, count in rows if says(self.form(form), query))
            return
        for form in self._matching_forms(query):
            statement = f"SELECT count(*) FROM record WHERE form = ? AND {where}"  # noqa: S608
            (count,) = self._connection.execute(statement, (form, *values)).fetchone()
            if count:
                yield form, count


def _conditions(query: Query) -> tuple[str, tuple[int, ...]]:
    """What a row must be for a query, but for its form."""
    parts, values = ["TRUE"], []
    for column, word in (("request", query.request), ("subject", query.subject)):
        if word:
            parts.append(f"{column} = ?")
            values.append(word_hash(word))
    if query.since:
        parts.append("time >= ?")
        values.append(micros(query.since))
    if query.until:
        parts.append("time < ?")
        values.append(micros(query.until))
    return " AND ".join(parts), tuple(values)


def _read_form(text: object) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text if isinstance(text, str) else b"", type=dict[str, Any])
    except msgspec.MsgspecError:
        raise stale() from None
