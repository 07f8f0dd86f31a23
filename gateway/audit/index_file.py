"""The file of the index: its tables, who may write it, and how it is replaced.

`audit/index.sqlite` is a view that can be made again from the log at any time. One process writes it at
a time and holds `audit/index.lock` meanwhile. Built from nothing it is a file of another name, renamed
into place when it is whole; brought up to date it is changed in transactions. A file that is not exactly
what this version makes is never read.
"""

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.audit.segment import sync_directory

NAME = "index.sqlite"
LOCK = "index.lock"
BUILDING = "index.sqlite.building"
APPLICATION_ID = 0x50474958
VERSION = 2
BUSY_SECONDS = 10.0
"""How long another process may take to bring the index up to date before one looks elsewhere."""
BUILDING_SECONDS = 1.0
"""The same where it is being built, which takes seconds or minutes."""

# Of a segment `done` bytes are indexed; `next` is the leaf after them, and `tail` the hash of their last line, which
# begins at `tail_at`.
_SEGMENT = (
    "CREATE TABLE segment (id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, first INTEGER NOT NULL,"
    " sealed INTEGER NOT NULL, done INTEGER NOT NULL, next INTEGER NOT NULL, tail_at INTEGER NOT NULL, tail BLOB)"
)
_RECORD = (
    "CREATE TABLE record (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, subject INTEGER, request INTEGER,"
    " form INTEGER NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,"
    " leaf BLOB NOT NULL)"
)
TABLES = (
    "CREATE TABLE slot (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, origin TEXT NOT NULL)",
    _SEGMENT,
    "CREATE TABLE form (id INTEGER PRIMARY KEY, says TEXT NOT NULL UNIQUE)",
    _RECORD,
)
INDEXES = (
    "CREATE INDEX record_subject ON record (subject, time) WHERE subject IS NOT NULL",
    "CREATE INDEX record_request ON record (request) WHERE request IS NOT NULL",
    "CREATE INDEX record_form ON record (form, time)",
)


_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


class Foreign(sqlite3.DatabaseError):
    """The file holds what this version never writes."""


class Busy(Exception):  # noqa: N818 - a state of the file, not an error of the program
    """Another process is writing the index. The text says what it does."""


def is_passing(error: sqlite3.Error) -> bool:
    """Whether the failure says nothing against the file itself, so that building it anew would not help."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING


@contextlib.contextmanager
def writing(home: Path, *, patience: float | None = None) -> Iterator[None]:
    """Hold the lock of the index. It ends with the process, whatever happens.

    `patience` is the seconds to wait for another process that holds it, in place of `BUSY_SECONDS`.

    Raises:
        Busy: another process has not finished in `BUILDING_SECONDS`, or in `patience`.
        OSError: the lock cannot be made, as in a directory that cannot be written.
    """
    fd = _create(home, LOCK, os.O_NOFOLLOW)
    try:
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                now = time.monotonic()
                if now - started >= BUILDING_SECONDS and (home / BUILDING).exists():
                    raise Busy("another process is building the index") from None
                if now - started >= (BUSY_SECONDS if patience is None else patience):
                    raise Busy("another process has been writing the index for too long") from None
                time.sleep(0.005)
        yield
    finally:
        os.close(fd)


def connect(home: Path) -> sqlite3.Connection | None:
    """The index as it is; None if there is none that this version may read.

    Raises:
        OSError: the directory cannot be read.
        sqlite3.Error: another process keeps it locked.
    """
    path = home / NAME
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    ours = (os.geteuid(), home.stat().st_uid)
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or status.st_uid not in ours
    if others or not stat.S_ISREG(status.st_mode):
        return None
    connection = _open(path)
    try:
        if _is_ours(connection):
            return connection
    except sqlite3.DatabaseError as error:
        if is_passing(error):
            connection.close()
            raise
    connection.close()
    return None


@contextlib.contextmanager
def building(home: Path) -> Iterator[sqlite3.Connection]:
    """An empty index that takes the place of the old one at the end of the block. The caller holds the lock.

    Raises:
        OSError: it cannot be made, or not put in place.
        sqlite3.Error: the disk is full, or the like.
    """
    path = home / BUILDING
    path.unlink(missing_ok=True)
    os.close(_create(home, BUILDING, os.O_EXCL))
    try:
        connection = _open(path)
        try:
            connection.execute("PRAGMA journal_mode = OFF")  # a file that is not whole is thrown away
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("BEGIN")
            for statement in TABLES:
                connection.execute(statement)
            yield connection
            for statement in INDEXES:
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        finally:
            connection.close()
        _put_in_place(path, home)
    finally:
        path.unlink(missing_ok=True)


def _create(home: Path, name: str, flags: int) -> int:
    """A private file that belongs to whom the logs belong to, also where root searches them."""
    fd = os.open(home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    try:
        owner = home.stat()
        if os.geteuid() == 0 and os.fstat(fd).st_uid != owner.st_uid:
            os.fchown(fd, owner.st_uid, owner.st_gid)
    except OSError:
        os.close(fd)
        raise
    return fd


def _open(path: Path) -> sqlite3.Connection:
    place = path.absolute().as_uri() + "?mode=rw"  # never one that SQLite makes itself, with a mode of its own
    connection = sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _is_ours(connection: sqlite3.Connection) -> bool:
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (identity, version) != (APPLICATION_ID, VERSION):
        return False
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    return found == {*TABLES, *INDEXES}


def _put_in_place(path: Path, home: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    # The journal of a writer that died would be played back into the new file.
    (home / f"{NAME}-journal").unlink(missing_ok=True)
    path.rename(home / NAME)
    sync_directory(home)
