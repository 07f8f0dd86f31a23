"""Whose sessions are whose, in SQLite: one file for all workers of a host.

A *link* leads from HMAC(root key, value of the application's session cookie) to the handle of whoever signed in
with it. Neither the value nor an identifier is stored. `person` is the digest of the person's key (`subjects.py`): a
link counts only as long as that key is there, and goes with it. All links that came from one sign-in share its
number, so that they end together.

A visitor who signed in is *spent*: that browser's decisions are the person's now, and its cookie names nobody.

Guarantee: what any process committed before the call is seen by `find` and `is_spent`; it is durable when the
call that wrote it returns.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes

import msgspec

from gateway.stores.down import store_down
from gateway.stores.sqlite import open_database, transaction
from gateway.stores.watched import Watched

SESSIONS = "sessions.sqlite"
"""The file's name in the state directory."""

_APPLICATION_ID = 0x70677735  # "pgw5"
_CACHED = 65_536
_UNREADABLE = "the session store cannot be read"
_UNWRITABLE = "the session store cannot be written"

_MIGRATIONS = (
    (
        """CREATE TABLE link (
            session BLOB PRIMARY KEY,
            person BLOB NOT NULL,
            handle TEXT NOT NULL,
            sign_in BLOB NOT NULL,
            until INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX link_of_person ON link (person)",
        "CREATE INDEX link_of_sign_in ON link (sign_in)",
        "CREATE INDEX link_until ON link (until)",
        "CREATE TABLE spent (visitor BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX spent_until ON spent (until)",
    ),
)
_END = "DELETE FROM link WHERE sign_in IN (SELECT sign_in FROM link WHERE session = ?)"


class Link(msgspec.Struct, frozen=True):
    """A session (by index) and whose it is, before `until` (whole seconds since the epoch)."""

    session: bytes
    person: bytes
    handle: str
    until: int


class SqliteSessionStore:
    """A connection for one thread. `busy_timeout`: seconds to wait for another process's lock.

    Raises:
        StoreDown: CONSENT_STORE_DOWN, from every call, whenever the file cannot be read or written:
            nobody can say who a person is.
    """

    def __init__(self, path: Path, *, busy_timeout: float = 1.0) -> None:
        self._cache: OrderedDict[bytes, Link | bool | None] = OrderedDict()
        self._cached_version = -1
        with store_down("the session store cannot be opened"):
            self._connection = open_database(
                path, application_id=_APPLICATION_ID, migrations=_MIGRATIONS, busy_timeout=busy_timeout
            )
            self._connection.execute("PRAGMA secure_delete = ON")
            self._watched = Watched(path, _UNREADABLE)

    def version(self) -> int | None:
        """A number that changes with every write of any process; None while one is under way, or died halfway."""
        return self._watched.version()

    def find(self, session: bytes) -> Link | None:
        """The link of a session, whatever its end; None without one."""
        found = self._remembered(b"l" + session, lambda: self._link(session))
        return found if isinstance(found, Link) else None

    def is_spent(self, visitor: bytes) -> bool:
        """Whether this visitor has become somebody."""
        return self._remembered(b"v" + visitor, lambda: self._spent(visitor)) is True

    def sign_in(
        self, link: Link, now: int, *, ends: Sequence[bytes] = (), spends: bytes | None = None, spent_until: int = 0
    ) -> bool:
        """Link a new session; the sign-ins behind the sessions in `ends` end, and the visitor is spent.

        False, and nobody is linked, where the session is linked already: then it was not made for this
        sign-in, and whose it was ends too.
        """
        with self._write():
            self._connection.execute("DELETE FROM link WHERE until <= ?", (now,))
            self._connection.execute("DELETE FROM spent WHERE until <= ?", (now,))
            self._connection.executemany(_END, [(session,) for session in ends])
            if spends is not None:
                row = (spends, spent_until)
                self._connection.execute("INSERT OR IGNORE INTO spent (visitor, until) VALUES (?, ?)", row)
            if self._connection.execute(_END, (link.session,)).rowcount:
                return False
            self._insert(link, token_bytes(16))
        return True

    def rotate(self, old: bytes, new: bytes, now: int, grace: int) -> bool:
        """Link a new session to whose the old one is, which then ends within `grace` seconds.

        False, and nobody is linked, where the old one is nobody's (any more), or the new one is linked to another
        sign-in: then that one ends.
        """
        with self._write():
            query = "SELECT person, handle, until, sign_in FROM link WHERE session = ? AND until > ?"
            row = self._connection.execute(query, (old, now)).fetchone()
            query = "SELECT sign_in FROM link WHERE session = ?"
            taken = self._connection.execute(query, (new,)).fetchone()
            if taken is not None and (row is None or taken[0] != row[3]):
                self._connection.execute(_END, (new,))
                return False
            if row is None:
                return False
            person, handle, until, sign_in = row
            self._connection.execute("DELETE FROM link WHERE until <= ? OR session = ?", (now, new))
            self._connection.execute("UPDATE link SET until = min(until, ?) WHERE session = ?", (now + grace, old))
            self._insert(Link(new, person, handle, until), sign_in)
        return True

    def end(self, sessions: Sequence[bytes]) -> None:
        """End the sign-ins behind these sessions, whatever value their cookies have meanwhile."""
        with self._write():
            self._connection.executemany(_END, [(session,) for session in sessions])

    def forget(self, persons: Sequence[bytes]) -> None:
        """Delete every link of these people (by the digests of their keys)."""
        with self._write():
            self._connection.executemany("DELETE FROM link WHERE person = ?", [(person,) for person in persons])

    def count(self, person: bytes) -> int:
        """How many links are kept of one person."""
        with store_down(_UNREADABLE):
            query = "SELECT count(*) FROM link WHERE person = ?"
            return int(self._connection.execute(query, (person,)).fetchone()[0])

    def close(self) -> None:
        self._watched.generation.close()
        self._connection.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        # Where this raises, the number stays unfinished: readers ask the database until the next write.
        with store_down(_UNWRITABLE):
            with transaction(self._connection):
                number = self._watched.generation.begin()
                yield
            self._watched.generation.end(number)

    def _insert(self, link: Link, sign_in: bytes) -> None:
        self._connection.execute(
            "INSERT INTO link (session, person, handle, sign_in, until) VALUES (?, ?, ?, ?, ?)",
            (link.session, link.person, link.handle, sign_in, link.until),
        )

    def _link(self, session: bytes) -> Link | None:
        with store_down(_UNREADABLE):
            query = "SELECT session, person, handle, until FROM link WHERE session = ?"
            row = self._connection.execute(query, (session,)).fetchone()
        return None if row is None else Link(*row)

    def _spent(self, visitor: bytes) -> bool:
        with store_down(_UNREADABLE):
            return self._connection.execute("SELECT 1 FROM spent WHERE visitor = ?", (visitor,)).fetchone() is not None

    def _remembered(self, key: bytes, look: Callable[[], Link | bool | None]) -> Link | bool | None:
        version = self.version()
        if version is None:
            return look()
        if version != self._cached_version:
            self._cache.clear()
            self._cached_version = version
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        found = look()
        # What was read is of this version or of a later one, which then is seen with the next call.
        self._cache[key] = found
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return found
