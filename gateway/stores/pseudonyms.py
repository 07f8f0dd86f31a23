"""Whom the pseudonyms that were given out stand for, in SQLite: one file for all workers of a host.

A row leads from HMAC(root key, pseudonym) to the digest of the person's key (`subjects.py`), and so to the
person for as long as that key is there. Neither the pseudonym, nor an identifier, nor a handle is stored.

Two people can have one pseudonym where the class of the field takes their identifiers for one value, as two
spellings of a telephone number. Both rows stay, for whoever asks to see that it names nobody for certain.

Guarantee: what any process committed before the call is seen by `persons`; it is durable when the call that
wrote it returns.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.crypto.keyring import KeyRing
from gateway.model.errors import StoreDown
from gateway.stores.down import store_down
from gateway.stores.root_mark import ROOT_TABLE, check_root
from gateway.stores.sqlite import open_database, transaction
from gateway.stores.watched import Watched

PSEUDONYMS = "pseudonyms.sqlite"
"""The file's name in the state directory."""

_APPLICATION_ID = 0x70677770  # "pgwp"
_UNREADABLE = "the pseudonym store cannot be read"
_UNWRITABLE = "the pseudonym store cannot be written"

_MIGRATIONS = (
    (
        """CREATE TABLE minted (
            pseudonym BLOB NOT NULL,
            person BLOB NOT NULL,
            PRIMARY KEY (pseudonym, person)
        ) WITHOUT ROWID""",
        "CREATE INDEX minted_of_person ON minted (person)",
        ROOT_TABLE,
    ),
)
_HERE = "SELECT 1 FROM minted WHERE pseudonym = ? AND person = ?"


class MintedRow(msgspec.Struct, frozen=True):
    """A pseudonym by its index (`KeyRing.pseudonym_index`), and the digest of the key of whom it stands for."""

    pseudonym: bytes
    person: bytes


class SqlitePseudonymStore:
    """A connection for one thread. `busy_timeout`: seconds to wait for another process's lock.

    Raises:
        StoreDown: CONSENT_STORE_DOWN, from every call, whenever the file cannot be read or written: nobody can
            say who a person is. From the start, too, where it was made under another root key.
    """

    def __init__(self, path: Path, keys: KeyRing, *, busy_timeout: float = 1.0) -> None:
        with store_down("the pseudonym store cannot be opened"):
            self._connection = open_database(
                path, application_id=_APPLICATION_ID, migrations=_MIGRATIONS, busy_timeout=busy_timeout
            )
            try:
                self._connection.execute("PRAGMA secure_delete = ON")
                check_root(self._connection, path, keys.subject_root())
                self._watched = Watched(path, _UNREADABLE)
            except (sqlite3.Error, OSError, StoreDown):
                self._connection.close()
                raise

    def version(self) -> int | None:
        """A number that changes with every write, by any process, after which an earlier answer of `persons` is wrong.

        None while one is under way, or died halfway. An answer that was nobody may have become somebody since.
        """
        return self._watched.version()

    def persons(self, pseudonym: bytes) -> list[bytes]:
        """The digests of the keys of all whom the pseudonym stands for, those erased meanwhile among them."""
        self.version()
        with store_down(_UNREADABLE):
            query = "SELECT person FROM minted WHERE pseudonym = ?"
            return [person for (person,) in self._connection.execute(query, (pseudonym,)).fetchall()]

    def keep(self, rows: Sequence[MintedRow]) -> None:
        """Add rows, durable when this returns; those that are here already cost a look and no write."""
        self.version()
        with store_down(_UNREADABLE):
            new = [row for row in rows if not self._is_here(row)]
        if not new:
            return
        with store_down(_UNWRITABLE):
            number = None
            with transaction(self._connection):
                shared = [self._insert(row) for row in new]
                if any(shared):
                    number = self._watched.generation.begin()
            if number is not None:
                self._watched.generation.end(number)

    def forget(self, persons: Sequence[bytes]) -> None:
        """Delete every row of these people, by the digests of their keys."""
        with store_down(_UNWRITABLE):
            with transaction(self._connection):
                number = self._watched.generation.begin()
                deleting = "DELETE FROM minted WHERE person = ?"
                self._connection.executemany(deleting, [(person,) for person in persons])
            self._watched.generation.end(number)

    def count(self, person: bytes) -> int:
        """How many pseudonyms lead to one person."""
        with store_down(_UNREADABLE):
            query = "SELECT count(*) FROM minted WHERE person = ?"
            return int(self._connection.execute(query, (person,)).fetchone()[0])

    def close(self) -> None:
        self._watched.generation.close()
        self._connection.close()

    def _is_here(self, row: MintedRow) -> bool:
        return self._connection.execute(_HERE, (row.pseudonym, row.person)).fetchone() is not None

    def _insert(self, row: MintedRow) -> bool:
        """Add a row; whether the pseudonym stood for somebody else before."""
        values = (row.pseudonym, row.person)
        self._connection.execute("INSERT OR IGNORE INTO minted (pseudonym, person) VALUES (?, ?)", values)
        others = "SELECT 1 FROM minted WHERE pseudonym = ? AND person != ?"
        return self._connection.execute(others, values).fetchone() is not None
