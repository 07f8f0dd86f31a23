"""The register of legal requests in SQLite: append-only events, and apart from them whom a request names.

People stand there by handle and by the digest of their key, never by an identifier. An event is prepared, counts
for nothing until its record is durable in the ledger, and is then settled. Nobody can change or delete a settled
event through SQL, since triggers forbid it; whom a request names goes with the person's key.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.model.words import LegalStatus
from gateway.stores.consent_schema import stays
from gateway.stores.down import down, store_down
from gateway.stores.legal_request import LegalEvent, Person, Standing, fold_requests
from gateway.stores.sqlite import open_database, transaction

REGISTER = "disclosures.sqlite"
"""The file's name in the state directory."""

_APPLICATION_ID = 0x70677736  # "pgw6"
_UNREADABLE = "the register of legal requests cannot be read"
_UNWRITABLE = "the register of legal requests cannot be written"
_MIGRATIONS = (
    (
        """CREATE TABLE legal_event (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            request TEXT NOT NULL,
            content BLOB NOT NULL
        )""",
        *stays("legal_event", "events of legal requests"),
        # `stays` looks at ids: a row is not to be put in the place of another one by its number either.
        """CREATE TRIGGER legal_event_is_last BEFORE INSERT ON legal_event
            WHEN EXISTS (SELECT 1 FROM legal_event WHERE number = NEW.number)
            BEGIN SELECT RAISE(ABORT, 'events of legal requests are append-only'); END""",
        "CREATE TABLE legal_prepared (id TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID",
        """CREATE TABLE legal_person (
            request TEXT NOT NULL,
            place INTEGER NOT NULL,
            handle TEXT NOT NULL,
            digest BLOB NOT NULL,
            PRIMARY KEY (request, place)
        ) WITHOUT ROWID""",
        "CREATE INDEX legal_person_by_digest ON legal_person (digest)",
    ),
)


class SqliteDisclosureStore:
    """A connection for one thread. `busy_timeout`: seconds to wait for another process's lock.

    Raises:
        StoreDown: CONSENT_STORE_DOWN, from every call, whenever the file cannot be read or written.
    """

    def __init__(self, path: Path, *, busy_timeout: float = 1.0) -> None:
        with store_down("the register of legal requests cannot be opened"):
            self._connection = open_database(
                path, application_id=_APPLICATION_ID, migrations=_MIGRATIONS, busy_timeout=busy_timeout
            )
            # Whom a request named is not to be found in the file after an erasure.
            self._connection.execute("PRAGMA secure_delete = ON")

    def prepare(self, event: LegalEvent, people: Sequence[Person] = ()) -> None:
        """Keep an event durably, and whom its request names; it counts for nothing until it is settled."""
        rows = [(event.request, person.place, person.handle, person.digest) for person in people]
        with store_down(_UNWRITABLE), transaction(self._connection):
            content = msgspec.json.encode(event)
            self._connection.execute("INSERT INTO legal_prepared VALUES (?, ?)", (event.id, content))
            self._connection.executemany("INSERT INTO legal_person VALUES (?, ?, ?, ?)", rows)

    def settle(self, event: LegalEvent) -> None:
        """The event's record is durable: it counts from now on."""
        insert = "INSERT INTO legal_event (id, request, content) SELECT id, ?, content FROM legal_prepared WHERE id = ?"
        with store_down(_UNWRITABLE), transaction(self._connection):
            self._connection.execute(insert, (event.request, event.id))
            self._connection.execute("DELETE FROM legal_prepared WHERE id = ?", (event.id,))

    def drop(self, event: LegalEvent) -> None:
        """The event has no record and will not get one: it never was, nor the request if it was to begin it."""
        with store_down(_UNWRITABLE), transaction(self._connection):
            self._connection.execute("DELETE FROM legal_prepared WHERE id = ?", (event.id,))
            if event.status is LegalStatus.REGISTERED:
                self._connection.execute("DELETE FROM legal_person WHERE request = ?", (event.request,))

    def prepared(self) -> list[LegalEvent]:
        """Events whose record may be missing."""
        with store_down(_UNREADABLE):
            rows = self._connection.execute("SELECT content FROM legal_prepared ORDER BY id").fetchall()
        return [_event(content) for (content,) in rows]

    def requests(self) -> dict[str, Standing]:
        """Every request as it stands, by its id, the oldest first."""
        with store_down(_UNREADABLE):
            rows = self._connection.execute("SELECT content FROM legal_event ORDER BY number").fetchall()
        return fold_requests(_event(content) for (content,) in rows)

    def find(self, request: str) -> Standing | None:
        """One request as it stands; None where there is none of this id."""
        query = "SELECT content FROM legal_event WHERE request = ? ORDER BY number"
        with store_down(_UNREADABLE):
            rows = self._connection.execute(query, (request,)).fetchall()
        return fold_requests(_event(content) for (content,) in rows).get(request)

    def people(self, request: str) -> list[Person]:
        """Whom a request names, by their places; those who were erased since are not among them."""
        query = "SELECT place, handle, digest FROM legal_person WHERE request = ? ORDER BY place"
        with store_down(_UNREADABLE):
            return [Person(*row) for row in self._connection.execute(query, (request,)).fetchall()]

    def naming(self, digest: bytes) -> list[str]:
        """The ids of the requests that name the person whose key has this digest."""
        query = "SELECT DISTINCT request FROM legal_person WHERE digest = ? ORDER BY request"
        with store_down(_UNREADABLE):
            return [request for (request,) in self._connection.execute(query, (digest,)).fetchall()]

    def forget(self, digests: Sequence[bytes]) -> None:
        """Nothing leads any more from a request to the people with these keys."""
        with store_down(_UNWRITABLE), transaction(self._connection):
            self._connection.executemany("DELETE FROM legal_person WHERE digest = ?", [(each,) for each in digests])

    def close(self) -> None:
        self._connection.close()


def _event(content: bytes) -> LegalEvent:
    try:
        return msgspec.json.decode(content, type=LegalEvent)
    except msgspec.DecodeError:
        # Its text may repeat what stands in the row.
        why = "the register of legal requests holds an event that this version cannot read"
        raise down(why) from None
