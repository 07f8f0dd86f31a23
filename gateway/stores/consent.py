"""Consent events in SQLite: append-only, one file for all workers of a host.

Guarantee: `version`, `state` and `history` see every event that any process committed before the
call; an event is durable when `append` returns. Nobody can change or delete an event through SQL,
since triggers forbid it. Only keyed handles of people are stored.
"""

import sqlite3
import time
from pathlib import Path
from typing import Any

from gateway.model.facts import SubjectState
from gateway.model.words import ConsentStatus
from gateway.stores.down import down, store_down
from gateway.stores.event import ConsentEvent
from gateway.stores.fold import fold, in_order
from gateway.stores.generation import Generation
from gateway.stores.sqlite import identity, open_database, transaction

_APPLICATION_ID = 0x70677731  # "pgw1"
_CACHED_SUBJECTS = 10_000
_LOOK_EVERY = 1.0

_MIGRATIONS = (
    (
        """CREATE TABLE consent_event (
            id TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            purpose TEXT NOT NULL,
            recipient TEXT NOT NULL,
            status TEXT NOT NULL,
            at INTEGER NOT NULL,
            valid_until INTEGER,
            method TEXT NOT NULL,
            notice TEXT,
            notice_digest TEXT,
            actor TEXT
        ) WITHOUT ROWID""",
        "CREATE INDEX consent_event_of_subject ON consent_event (subject, purpose, recipient, at)",
        """CREATE TRIGGER consent_event_stays BEFORE UPDATE ON consent_event
            BEGIN SELECT RAISE(ABORT, 'consent events are append-only'); END""",
        """CREATE TRIGGER consent_event_remains BEFORE DELETE ON consent_event
            BEGIN SELECT RAISE(ABORT, 'consent events are append-only'); END""",
        # INSERT OR REPLACE deletes without asking the trigger above.
        """CREATE TRIGGER consent_event_is_new BEFORE INSERT ON consent_event
            WHEN EXISTS (SELECT 1 FROM consent_event WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, 'consent events are append-only'); END""",
    ),
)

_COLUMNS = ConsentEvent.__struct_fields__
_INSERT = f"INSERT INTO consent_event ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own column names
_HISTORY = f"SELECT {', '.join(_COLUMNS)} FROM consent_event WHERE subject = ?1"  # noqa: S608 - our own column names
# Only events of the latest moment can count (fold.py), so a long history costs a scan of the index alone.
_LATEST = (
    f"SELECT {', '.join('e.' + name for name in _COLUMNS)} FROM "  # noqa: S608 - our own column names
    "(SELECT purpose, recipient, max(at) AS at FROM consent_event WHERE subject = ?1 GROUP BY purpose, recipient) last "
    "CROSS JOIN consent_event e "
    "ON e.subject = ?1 AND e.purpose = last.purpose AND e.recipient = last.recipient AND e.at = last.at"
)


class SqliteConsentStore:
    """A connection for one thread. `busy_timeout`: seconds to wait for another process's lock.

    Every process of a host that writes goes through this class. What another program writes to the
    file is noticed within a second.

    Raises:
        StoreDown: CONSENT_STORE_DOWN, from every call, whenever the file cannot be read or written.
    """

    def __init__(self, path: Path, *, busy_timeout: float = 1.0) -> None:
        self._path = path
        self._cached_version = -1
        self._cache: dict[str, SubjectState] = {}
        self._others = 0
        self._looked_at = -1
        self._look_again_at = 0.0
        with store_down("the consent store cannot be opened"):
            self._connection = open_database(
                path, application_id=_APPLICATION_ID, migrations=_MIGRATIONS, busy_timeout=busy_timeout
            )
            self._file = identity(path)
            self._generation = Generation(path.with_suffix(".generation"))

    def version(self) -> int:
        """A number that differs from the last one whenever any process has committed an event since.

        Raises:
            StoreDown: also where the file was moved away or replaced, since nothing that is
                written to the new one would be seen here.
        """
        try:
            started, settled = self._generation.read()
            if not settled or started != self._looked_at or time.monotonic() >= self._look_again_at:
                self._look()
                self._looked_at = started
        except (sqlite3.Error, OSError) as problem:
            raise down("the consent store cannot be read") from problem
        # Finishing is a change of its own: the commit came after a look at an unfinished write.
        return (started << 1 | settled) << 32 | self._others

    def state(self, subject: str) -> SubjectState:
        """All standings of a person; folded again only after some event was committed."""
        version = self.version()
        if version != self._cached_version or len(self._cache) >= _CACHED_SUBJECTS:
            self._cache.clear()
            self._cached_version = version
        state = self._cache.get(subject)
        if state is None:
            state = self._cache[subject] = fold(self._events(_LATEST, subject))
        return state

    def append(self, event: ConsentEvent) -> str:
        """Store an event durably and return its id.

        Raises:
            ValueError: an event with this id is there already.
        """
        with store_down("the consent store cannot be written"):
            try:
                self._insert(event)
            except sqlite3.IntegrityError:
                raise ValueError("an event with this id is recorded already") from None
        return event.id

    def is_empty(self) -> bool:
        """Whether nobody ever decided anything."""
        with store_down("the consent store cannot be read"):
            return self._connection.execute("SELECT 1 FROM consent_event LIMIT 1").fetchone() is None

    def history(self, subject: str) -> list[ConsentEvent]:
        """Every event of a person in the order in which they count."""
        return in_order(self._events(_HISTORY, subject))

    def close(self) -> None:
        self._generation.close()
        self._connection.close()

    def _look(self) -> None:
        if identity(self._path) != self._file:
            raise FileNotFoundError("the consent store was replaced")
        # SQLite changes this number for commits of other connections.
        (self._others,) = self._connection.execute("PRAGMA data_version").fetchone()
        self._look_again_at = time.monotonic() + _LOOK_EVERY

    def _insert(self, event: ConsentEvent) -> None:
        # Where this raises, the number stays unfinished: readers ask the database until the next write.
        with transaction(self._connection):
            number = self._generation.begin()
            self._connection.execute(_INSERT, [getattr(event, name) for name in _COLUMNS])
        self._generation.end(number)

    def _events(self, query: str, subject: str) -> list[ConsentEvent]:
        with store_down("the consent store cannot be read"):
            rows = self._connection.execute(query, (subject,)).fetchall()
        try:
            return [_event(row) for row in rows]
        except ValueError:
            # Its text may repeat what stands in the row.
            why = "the consent store holds an event that this version cannot read"
            raise down(why) from None


def _event(row: tuple[Any, ...]) -> ConsentEvent:
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["status"] = ConsentStatus(fields["status"])
    return ConsentEvent(**fields)
