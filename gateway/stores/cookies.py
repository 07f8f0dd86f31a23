"""Under which Domain and Path cookies were set, in SQLite, shared by the workers of a host.

A row says which host (or domain, for a cookie that goes to all hosts below it) set a cookie that the
rules list, by the name or pattern that lists it. No value, and nothing about anybody.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from gateway.stores.sqlite import open_database, transaction

COOKIES = "cookies.sqlite"
"""The file's name in the state directory."""

ROWS_AT_MOST = 8192
"""Of all hosts; what was learned first goes first."""
PLACES_AT_MOST = 16
"""Of one cookie of one host."""

Row: TypeAlias = tuple[str, str, str, str]
"""Host or domain, name or pattern, Domain (empty: of the host alone), Path."""

_APPLICATION_ID = 0x70677734  # "pgw4"
_MIGRATIONS = (
    (
        """CREATE TABLE placed (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            host TEXT NOT NULL,
            name TEXT NOT NULL,
            domain TEXT NOT NULL,
            path TEXT NOT NULL,
            UNIQUE (host, name, domain, path)
        )""",
    ),
)


class SqliteCookieStore:
    """For the thread that opens it.

    Raises:
        sqlite3.Error, OSError: from every method, where the file cannot be used or is locked for
            longer than `busy_timeout` seconds.
    """

    def __init__(self, path: Path, *, busy_timeout: float) -> None:
        self._connection = open_database(
            path, application_id=_APPLICATION_ID, migrations=_MIGRATIONS, busy_timeout=busy_timeout
        )

    def add(self, rows: Iterable[Row]) -> None:
        """Keep those that are not yet known, as far as there is room for them."""
        new = [row for row in rows if self._has_room(row)]
        if not new:
            return
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR IGNORE INTO placed (host, name, domain, path) VALUES (?, ?, ?, ?)", new
            )
            self._connection.execute(
                "DELETE FROM placed WHERE number <= (SELECT max(number) FROM placed) - ?", (ROWS_AT_MOST,)
            )

    def after(self, number: int) -> list[tuple[int, Row]]:
        """The rows that came after the one of this number (0: all), each with its own, in that order."""
        found = self._connection.execute(
            "SELECT number, host, name, domain, path FROM placed WHERE number > ? ORDER BY number", (number,)
        )
        return [(each[0], each[1:]) for each in found]

    def close(self) -> None:
        self._connection.close()

    def _has_room(self, row: Row) -> bool:
        known = self._connection.execute("SELECT domain, path FROM placed WHERE host = ? AND name = ?", row[:2])
        places = known.fetchall()
        return row[2:] not in places and len(places) < PLACES_AT_MOST
