"""One random key for each person, in SQLite: what joins a person's records, and what erasing destroys.

A row leads from HMAC(root key, identifier) to the person's key, wrapped under the root key. The handle
in records and consents comes from that key alone, so once the row is gone nothing joins the two again,
and the same identifier gets another key.

Guarantee: a person's key is durable before its handle is given out, and `known` never gives a handle
whose key any process erased before the call.
"""

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

import msgspec

from gateway.crypto.keyring import SUBJECT_KEY_SIZE, KeyRing, handle_of_key
from gateway.model.errors import StoreDown
from gateway.stores.down import down, store_down
from gateway.stores.generation import Generation
from gateway.stores.root_mark import ROOT_TABLE, check_root
from gateway.stores.sqlite import identity, open_database, transaction

SUBJECTS = "subjects.sqlite"
"""The file's name in the state directory."""

_APPLICATION_ID = 0x70677732  # "pgw2"
_CACHED = 65_536
_LOOK_EVERY = 1.0
_ASKED_AT_ONCE = 30_000
"""Fewer than the variables that one statement may have (SQLITE_MAX_VARIABLE_NUMBER)."""
_PIECE = 1 << 20
_UNREADABLE = "the subject store cannot be read"

_MIGRATIONS = (
    (
        """CREATE TABLE subject (
            person BLOB PRIMARY KEY,
            key BLOB NOT NULL,
            digest BLOB NOT NULL UNIQUE,
            since INTEGER NOT NULL
        ) WITHOUT ROWID""",
        ROOT_TABLE,
    ),
)


class Subject(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256 of the person's key; `since` is in microseconds since the epoch."""

    handle: str
    digest: bytes
    since: int


class SqliteSubjectStore:
    """A connection for one thread. `busy_timeout`: seconds to wait for another process's lock.

    `erased` are digests of keys that were destroyed: where one of them is here again, an older copy
    of the file was put back, and nothing is answered from it.

    Raises:
        StoreDown: CONSENT_STORE_DOWN, from every call, whenever the file cannot be read or written:
            without a handle nobody can say what a person agreed to.
    """

    def __init__(self, path: Path, keys: KeyRing, *, erased: Iterable[bytes] = (), busy_timeout: float = 1.0) -> None:
        self._path = path
        self._keys = keys
        self._cache: OrderedDict[bytes, str] = OrderedDict()
        self._cached_version = -1
        self._look_again_at = 0.0
        with store_down("the subject store cannot be opened"):
            self._connection = open_database(
                path, application_id=_APPLICATION_ID, migrations=_MIGRATIONS, busy_timeout=busy_timeout
            )
            try:
                # Freed bytes are overwritten, by every connection, so that no copy of a row is left in a page.
                self._connection.execute("PRAGMA secure_delete = ON")
                self._connection.execute("PRAGMA temp_store = MEMORY")
                self._file = identity(path)
                self._generation = Generation(path.with_suffix(".generation"))
                check_root(self._connection, path, keys.subject_root())
                self._refuse_erased(erased)
            except (sqlite3.Error, OSError, StoreDown):
                self._connection.close()
                raise

    def known(self, identifier: str) -> str | None:
        """The handle of a person who was met lately; None says nothing. Asks no database.

        Raises:
            ValueError: the identifier names nobody.
        """
        index = self._keys.subject_index(identifier)
        if self._settled() is None:
            return None
        handle = self._cache.get(index)
        if handle is not None:
            self._cache.move_to_end(index)
        return handle

    def handle(self, identifier: str) -> str:
        """The person's handle; whoever is met for the first time gets a key, durable when this returns.

        Raises:
            ValueError: the identifier names nobody.
        """
        handle = self.known(identifier)
        if handle is None:
            version = self._settled()
            (handle,) = self.handles([self._keys.subject_index(identifier)])
            self.remember(identifier, handle, version)
        return handle

    def handles(self, indexes: Sequence[bytes]) -> list[str]:
        """The handles of the people at these indexes (`KeyRing.subject_index`), new ones in one transaction."""
        self._settled()
        found = {index: subject.handle for index, subject in self._all_at(indexes)}
        new = [index for index in dict.fromkeys(indexes) if index not in found]
        if new:
            with store_down("the subject store cannot be written"), transaction(self._connection):
                # Inside the write lock: another process may have met some of them in the meantime.
                found |= {index: subject.handle for index, subject in self._all_at(new)}
                found |= self._insert([index for index in new if index not in found])
        return [found[index] for index in indexes]

    def known_of(self, identifiers: Iterable[str]) -> dict[str, str | None]:
        """The handles of people who were met lately, None for all others; whose identifier names nobody is left out."""
        if self._settled() is None:
            self._cache.clear()
        found = {}
        for identifier in identifiers:
            with suppress(ValueError):
                found[identifier] = self._cache.get(self._keys.subject_index(identifier))
        return found

    def remember(self, identifier: str, handle: str, version: int | None) -> None:
        """Let `known` give this answer, if nothing was erased since `version` was asked, before the answer was."""
        if version is None or version != self._settled():
            return
        if len(self._cache) >= _CACHED:
            self._cache.popitem(last=False)
        self._cache[self._keys.subject_index(identifier)] = handle

    def find(self, identifier: str) -> Subject | None:
        """What is kept of a person, None where there is no key. Never makes one.

        Raises:
            ValueError: the identifier names nobody.
        """
        self._settled()
        return self._at(self._keys.subject_index(identifier))

    def at(self, indexes: Sequence[bytes]) -> dict[bytes, Subject]:
        """What is kept of the people at these indexes, without those who have no key."""
        self._settled()
        return dict(self._all_at(indexes))

    def with_keys(self, digests: Iterable[bytes]) -> list[Subject]:
        """What is kept of the people with these keys, by digest, without those who were erased."""
        self._settled()
        with store_down(_UNREADABLE):
            query = "SELECT person, key, digest, since FROM subject WHERE digest = ?"
            rows = [self._connection.execute(query, (digest,)).fetchone() for digest in digests]
        return [self._subject(*row) for row in rows if row is not None]

    def version(self) -> int | None:
        """A number that changes with every erasure in any process; None while one is under way, or died halfway."""
        return self._settled()

    def holds(self, digests: Iterable[bytes]) -> list[bytes]:
        """Those of the keys, by digest, that are here."""
        with store_down(_UNREADABLE):
            query = "SELECT 1 FROM subject WHERE digest = ?"
            return [digest for digest in digests if self._connection.execute(query, (digest,)).fetchone()]

    def erase(self, digests: Sequence[bytes]) -> None:
        """Destroy these keys, in every page of the file; done when this returns, however often it is repeated.

        No other connection of this process may be in a transaction. What a file system keeps of blocks
        that a journal gave back is beyond its reach.
        """
        with store_down("the subject store cannot be written"):
            rows = [self._wrapped(digest) for digest in digests]
            with transaction(self._connection):
                number = self._generation.begin()
                self._connection.executemany("DELETE FROM subject WHERE digest = ?", [(digest,) for digest in digests])
            self._generation.end(number)
            # Without a row, an erasure that died after its commit left unknown what to look for.
            if None in rows or self._still_holds([row for row in rows if row is not None]):
                self._connection.execute("VACUUM")

    def close(self) -> None:
        self._generation.close()
        self._connection.close()

    def _settled(self) -> int | None:
        """The erasures so far; None while the last one is not finished. Forgets what an erasure made invalid."""
        try:
            started, settled = self._generation.read()
            if started != self._cached_version:
                self._cache.clear()
                self._cached_version = started
            if time.monotonic() >= self._look_again_at:
                if identity(self._path) != self._file:
                    raise FileNotFoundError("the subject store was replaced")
                self._look_again_at = time.monotonic() + _LOOK_EVERY
        except OSError as problem:
            # Once a request: the context manager for this would cost half as much again.
            raise down(_UNREADABLE) from problem
        return started if settled else None

    def _at(self, index: bytes) -> Subject | None:
        return next((subject for _, subject in self._all_at([index])), None)

    def _all_at(self, indexes: Sequence[bytes]) -> Iterator[tuple[bytes, Subject]]:
        """Those of the people who have a key, in one question to the database for each `_ASKED_AT_ONCE` of them."""
        for start in range(0, len(indexes), _ASKED_AT_ONCE):
            asked = indexes[start : start + _ASKED_AT_ONCE]
            marks = ", ".join("?" * len(asked))
            query = f"SELECT person, key, digest, since FROM subject WHERE person IN ({marks})"  # noqa: S608
            with store_down(_UNREADABLE):
                rows = self._connection.execute(query, asked).fetchall()
            for index, *row in rows:
                yield index, self._subject(index, *row)

    def _subject(self, index: bytes, wrapped: bytes, digest: bytes, since: int) -> Subject:
        try:
            key = self._keys.unwrap_subject_key(index, wrapped)
        except ValueError as problem:
            raise down(f"{problem}: restore keys/root.key and subjects.sqlite of one time") from None
        # The digest is what an erased key is known by: a row that hides behind another one is not used.
        if sha256(key).digest() != digest:
            raise down("the subject store holds a row that was changed: restore subjects.sqlite from a backup")
        return Subject(handle_of_key(key), digest, since)

    def _insert(self, indexes: Iterable[bytes]) -> dict[bytes, str]:
        keys = {index: token_bytes(SUBJECT_KEY_SIZE) for index in indexes}
        rows = [
            (index, self._keys.wrap_subject_key(index, key), sha256(key).digest(), time.time_ns() // 1000)
            for index, key in keys.items()
        ]
        self._connection.executemany("INSERT INTO subject (person, key, digest, since) VALUES (?, ?, ?, ?)", rows)
        return {index: handle_of_key(key) for index, key in keys.items()}

    def _wrapped(self, digest: bytes) -> bytes | None:
        row = self._connection.execute("SELECT key FROM subject WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else row[0]

    def _still_holds(self, wrapped: Sequence[bytes]) -> bool:
        """Whether one of these is still somewhere in the file; asked outside a transaction (sqlite.py says why)."""
        kept = b""
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE):
                if any(each in kept + piece for each in wrapped):
                    return True
                kept = piece[-len(wrapped[0]) :] if wrapped else b""
        return False

    def _refuse_erased(self, erased: Iterable[bytes]) -> None:
        back = self.holds(erased)
        if back:
            which = ", ".join(digest.hex()[:16] for digest in back[:3]) + (", …" if len(back) > 3 else "")
            raise down(
                f"subjects.sqlite holds {len(back)} key(s) that were erased ({which}): an older copy was restored; "
                "run `privacy-gateway subject erase --again --state DIR` to destroy them, and delete that copy"
            )
