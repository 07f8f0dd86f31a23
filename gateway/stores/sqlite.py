"""Opening a SQLite file of ours: private, recognised, brought to the newest schema.

The journal is a rollback journal. Write-ahead logging has a corruption bug with several
connections from SQLite 3.7.0 up to 3.51.2 (https://www.sqlite.org/changes.html, 3.51.3), and
Python ships with many of those.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Unusable(sqlite3.DatabaseError):
    """The file opens, but is not one that this version may use; the text says why."""


def open_database(
    path: Path, *, application_id: int, migrations: Sequence[Sequence[str]], busy_timeout: float
) -> sqlite3.Connection:
    """Open or create the file for the calling thread; `migrations[n]` leads from schema n to n + 1.

    Statements run in autocommit mode; whoever writes does it in a `transaction`. `busy_timeout` is in
    seconds.

    Raises:
        sqlite3.Error: not a database, damaged, locked too long, or `Unusable`.
        OSError: the file or its directory cannot be made or read.
    """
    _create_private(path)
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None)
    try:
        _configure(connection)
        _migrate(connection, application_id, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock, and commit at the end of the block; whatever it raises rolls back.

    Raises:
        sqlite3.Error: locked too long, or not committed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def identity(path: Path) -> tuple[int, int]:
    """What tells a file from another one of the same name. Raises OSError where there is none."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _create_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # SQLite gives its journal the mode of the database, so setting one sets both.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Not opened to look: closing any descriptor of the file would drop this process's locks on it.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise Unusable("not a regular file") from None
        if mode & OTHERS_MAY_WRITE:
            raise Unusable("other users may write it") from None


def _configure(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
    if mode != "truncate":
        raise Unusable("the journal mode cannot be set")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def _migrate(connection: sqlite3.Connection, application_id: int, migrations: Sequence[Sequence[str]]) -> None:
    newest = len(migrations)
    if _schema_of(connection, application_id, newest) == newest:
        return
    with transaction(connection):
        # Another process may have migrated while this one waited for the lock.
        for statements in migrations[_schema_of(connection, application_id, newest) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute(f"PRAGMA user_version = {newest}")


def _schema_of(connection: sqlite3.Connection, application_id: int, newest: int) -> int:
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if identity != application_id and (tables or schema or identity):
        raise Unusable("a database of something else")
    if schema > newest:
        raise Unusable("made by a newer version of the gateway")
    return int(schema)
