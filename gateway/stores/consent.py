"""Consent events in SQLite: append-only, one file for all workers of a host.

Guarantee: `version`, `state` and `history` see every event that any process committed before the
call; an event is durable when `append` returns. Nobody can change or delete an event through SQL,
since triggers forbid it. Only keyed handles of people are stored.

Every event is also a record of the ledger, which is written elsewhere: `owed` are the events whose
record may be missing there, `settle` says that they are not. What widens is prepared and counts once
it is settled; what narrows is appended, and counts before.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from gateway.model.facts import SubjectState
from gateway.model.words import Assurance, ConsentStatus
from gateway.stores import consent_schema as schema
from gateway.stores.down import down, store_down
from gateway.stores.event import ConsentEvent, EventRefused, ServedNotice
from gateway.stores.fold import fold, in_order
from gateway.stores.generation import Generation
from gateway.stores.readers import Reader, wait_for_readers
from gateway.stores.sqlite import identity, open_database, transaction

CONSENTS = "consent.sqlite"
"""The file's name in the state directory."""

_Kept = TypeVar("_Kept", ConsentEvent, ServedNotice)
_CACHED_SUBJECTS = 10_000
_LOOK_EVERY = 1.0
_PATIENCE = 1.0
"""Seconds for readers to act on what they read; one that takes longer than a turn of its loop does not serve either."""
_UNREADABLE = "the consent store cannot be read"
_UNWRITABLE = "the consent store cannot be written"


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
                path, application_id=schema.APPLICATION_ID, migrations=schema.MIGRATIONS, busy_timeout=busy_timeout
            )
            # A long import must not lock readers out before it commits.
            self._connection.execute("PRAGMA cache_spill = OFF")
            self._file = identity(path)
            self._generation = Generation(path.with_suffix(".generation"))
        self._readers = path.with_suffix(".readers")
        self._reader: Reader | None = None

    def announce(self, later: Callable[[Callable[[], None]], object]) -> None:
        """From now on writers wait until what was read here has been acted upon; `later` is the loop's `call_soon`."""
        with store_down("the consent store cannot be opened"):
            self._reader = Reader(self._readers, later)

    def version(self) -> int:
        """A number that differs from the last one whenever any process has committed an event since.

        Raises:
            StoreDown: also where the file was moved away or replaced, since nothing that is
                written to the new one would be seen here.
        """
        if self._reader is not None:
            self._reader.look()
        try:
            started, settled = self._generation.read()
            if not settled or started != self._looked_at or time.monotonic() >= self._look_again_at:
                self._look()
                self._looked_at = started
        except (sqlite3.Error, OSError) as problem:
            raise down(_UNREADABLE) from problem
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
            state = self._cache[subject] = fold(self._events(schema.LATEST, subject))
        return state

    def states(self, subjects: Sequence[str]) -> dict[str, SubjectState]:
        """All standings of many people; one question to the database for all that are not in memory."""
        version = self.version()
        if version != self._cached_version:
            self._cache.clear()
            self._cached_version = version
        cache = self._cache
        found = {subject: cache[subject] for subject in subjects if subject in cache}
        missing = [subject for subject in dict.fromkeys(subjects) if subject not in found]
        if missing:
            events: dict[str, list[ConsentEvent]] = {subject: [] for subject in missing}
            for event in self._rows(schema.LATEST_OF_MANY, json.dumps(missing)):
                events[event.subject].append(event)
            read = {subject: fold(theirs) for subject, theirs in events.items()}
            if len(cache) + len(read) > _CACHED_SUBJECTS:
                cache.clear()
            cache.update(islice(read.items(), _CACHED_SUBJECTS))
            found.update(read)
        return found

    def append(self, event: ConsentEvent) -> str:
        """Store an event durably and return its id; it counts from now on, and its record is owed.

        Raises:
            ValueError: an event with this id is there already.
            EventRefused: `notice_not_served`; it grants consent, and cites a notice that was never shown.
        """
        self.append_all([event])
        return event.id

    def append_all(self, events: Sequence[ConsentEvent]) -> None:
        """Store events durably, all or none; they count from now on, and their records are owed. Raises as `append`."""
        # Where this raises, the number stays unfinished: readers ask the database until the next write.
        with store_down(_UNWRITABLE), _new_id(), transaction(self._connection):
            number = self._generation.begin()
            self._insert(schema.INSERT, events)
            self._connection.executemany("INSERT INTO consent_owed VALUES (?)", [(event.id,) for event in events])
        self._generation.end(number)
        self._wait_for_readers()

    def prepare(self, events: Sequence[ConsentEvent], served: Iterable[ServedNotice] = ()) -> None:
        """Keep events durably, all or none, and the notices that they may cite; they count once they are settled.

        Raises:
            ValueError: an event with one of these ids is there already.
            EventRefused: `notice_not_served`, as `append`.
        """
        with store_down(_UNWRITABLE), _new_id(), transaction(self._connection):
            self._serve(served)
            self._insert(schema.PREPARE, events)

    def owed(self) -> list[ConsentEvent]:
        """Events whose record may be missing in the log, prepared ones among them."""
        return list(self._rows(schema.OWED))

    def settle(self, ids: Sequence[str]) -> None:
        """The records of these events are durable: those that were prepared count from now on, all at once."""
        keys = [(each,) for each in ids]
        with store_down(_UNWRITABLE):
            with transaction(self._connection):
                number = self._generation.begin()
                self._connection.executemany(schema.COUNT, keys)
                self._connection.executemany("DELETE FROM consent_prepared WHERE id = ?", keys)
                self._connection.executemany("DELETE FROM consent_owed WHERE id = ?", keys)
            self._generation.end(number)
        self._wait_for_readers()

    def serve(self, notice: ServedNotice) -> None:
        """Store durably that a notice was shown. Raises ValueError where its id is taken."""
        with store_down(_UNWRITABLE), _new_id(), transaction(self._connection):
            self._serve([notice])

    def served(self, subject: str) -> list[ServedNotice]:
        """Every notice that was shown to a person, the oldest first."""
        with store_down(_UNREADABLE):
            rows = self._connection.execute(schema.SERVED, (subject,)).fetchall()
        return [_read(_notice, row) for row in rows]

    def voucher(
        self, subject: str, notice: str, at: int, *, version: str | None = None, digest: str | None = None
    ) -> ServedNotice | None:
        """The last time that this notice was shown to the person by `at`; of any version or digest if none is given."""
        with store_down(_UNREADABLE):
            row = self._connection.execute(schema.VOUCHER, (subject, notice, at, version, digest)).fetchone()
        return None if row is None else _read(_notice, row)

    def last_moment(self, subject: str) -> int | None:
        """The time of the person's latest event, prepared ones among them; None without any."""
        with store_down(_UNREADABLE):
            (at,) = self._connection.execute(schema.LAST_MOMENT, (subject,)).fetchone()
        return None if at is None else int(at)

    def find(self, event_id: str) -> ConsentEvent | None:
        """The event of this id, prepared or counting; None where there is none."""
        return next(self._rows(schema.ONE, event_id), None)

    def every(self) -> Iterator[ConsentEvent]:
        """Every event that counts, of all people, by id; of those committed meanwhile some."""
        last = ""
        # Page by page: a reader that lingers would keep every writer out.
        while page := list(self._rows(schema.PAGE, last)):
            yield from page
            last = page[-1].id

    def count(self) -> int:
        """How many events count."""
        with store_down(_UNREADABLE):
            (count,) = self._connection.execute("SELECT count(*) FROM consent_event").fetchone()
        return int(count)

    def is_empty(self) -> bool:
        """Whether nobody ever decided anything."""
        with store_down(_UNREADABLE):
            return self._connection.execute("SELECT 1 FROM consent_event LIMIT 1").fetchone() is None

    def history(self, subject: str) -> list[ConsentEvent]:
        """Every event of a person in the order in which they count."""
        return in_order(self._events(schema.HISTORY, subject))

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        self._generation.close()
        self._connection.close()

    def _look(self) -> None:
        if identity(self._path) != self._file:
            raise FileNotFoundError("the consent store was replaced")
        # SQLite changes this number for commits of other connections.
        (self._others,) = self._connection.execute("PRAGMA data_version").fetchone()
        self._look_again_at = time.monotonic() + _LOOK_EVERY

    def _wait_for_readers(self) -> None:
        # The events count already, whatever can be told of the readers.
        with suppress(OSError):
            own = "" if self._reader is None else self._reader.name
            wait_for_readers(self._readers, patience=_PATIENCE, but=own)

    def _insert(self, statement: str, events: Sequence[ConsentEvent]) -> None:
        for event in events:
            if event.notice is not None and event.status.allows and self._vouched(event) is None:
                why = "the notice that this consent cites was never shown to this person before"
                raise EventRefused("notice_not_served", why)
        if statement is schema.PREPARE:
            # No trigger of `consent_prepared` knows the ids that count already.
            taken = "SELECT 1 FROM consent_event WHERE id = ?"
            if any(self._connection.execute(taken, (event.id,)).fetchone() for event in events):
                raise sqlite3.IntegrityError
        rows = ([getattr(event, name) for name in schema.COLUMNS] for event in events)
        self._connection.executemany(statement, rows)

    def _vouched(self, event: ConsentEvent) -> ServedNotice | None:
        assert event.notice is not None
        return self.voucher(
            event.subject, event.notice, event.at, version=event.notice_version, digest=event.notice_digest
        )

    def _serve(self, notices: Iterable[ServedNotice]) -> None:
        rows = ([getattr(notice, name) for name in schema.NOTICE_COLUMNS] for notice in notices)
        self._connection.executemany(schema.SERVE, rows)

    def _events(self, query: str, subject: str) -> list[ConsentEvent]:
        return list(self._rows(query, subject))

    def _rows(self, query: str, *values: str) -> Iterator[ConsentEvent]:
        with store_down(_UNREADABLE):
            rows = self._connection.execute(query, values).fetchall()
        for row in rows:
            yield _read(_event, row)


@contextmanager
def _new_id() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise ValueError("an event with this id is recorded already") from None


def _read(make: Callable[[tuple[Any, ...]], _Kept], row: tuple[Any, ...]) -> _Kept:
    try:
        return make(row)
    except ValueError:
        # Its text may repeat what stands in the row.
        why = "the consent store holds an event that this version cannot read"
        raise down(why) from None


def _event(row: tuple[Any, ...]) -> ConsentEvent:
    fields = dict(zip(schema.COLUMNS, row, strict=True))
    fields["status"] = ConsentStatus(fields["status"])
    if fields["assurance"] is not None:
        fields["assurance"] = Assurance(fields["assurance"])
    return ConsentEvent(**fields)


def _notice(row: tuple[Any, ...]) -> ServedNotice:
    return ServedNotice(**dict(zip(schema.NOTICE_COLUMNS, row, strict=True)))
