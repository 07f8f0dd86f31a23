"""By what a store knows the root key that it was made under: with another one it would know nobody."""

import sqlite3
from pathlib import Path

from gateway.stores.down import down
from gateway.stores.sqlite import transaction

ROOT_TABLE = "CREATE TABLE root (mark BLOB NOT NULL)"


def check_root(connection: sqlite3.Connection, path: Path, mark: bytes) -> None:
    """Leave the mark in a new store (its table is `ROOT_TABLE`), and compare it in an old one.

    Raises:
        StoreDown: CONSENT_STORE_DOWN; the store was made under another root key.
        sqlite3.Error: it cannot be read or written.
    """
    found = connection.execute("SELECT mark FROM root").fetchone()
    if found is None:
        with transaction(connection):
            connection.execute("INSERT INTO root SELECT ? WHERE NOT EXISTS (SELECT 1 FROM root)", (mark,))
        found = connection.execute("SELECT mark FROM root").fetchone()
    if found != (mark,):
        raise down(f"{path.name} was made under another root key: restore keys/root.key from your backup")
