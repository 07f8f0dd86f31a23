"""A look at the index that never takes long, for a page whose reader waits beside traffic that does not.

What little the log has grown by is indexed on the way. Where that is much, or somebody else is at it, the
index answers as it is and says how far it reaches.
"""

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gateway.audit.index import Index, InUse, NotBuilt
from gateway.audit.index_file import connect
from gateway.audit.index_fill import Slot
from gateway.audit.index_lines import INDEX_BITS
from gateway.audit.lines import timestamp
from gateway.audit.reading import origin_of, segments_of, slots_of
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

PATIENCE = 0.5
"""Seconds to wait for another process that is indexing."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Look(msgspec.Struct, frozen=True):
    """An open index. What was durable by `as_of` (UTC, as records write it) is in it; `behind`: not all of the log."""

    index: Index
    as_of: str
    behind: bool


def look(home: Path, *, most: int) -> Look:
    """Open the index of the slots in `home`, after reading at most `most` bytes of the log.

    Raises:
        NotBuilt: AUDIT_UNAVAILABLE; there is no index yet that covers every log: it has to be built first.
        StoreDown: AUDIT_UNAVAILABLE; it cannot be opened, or the log cannot be read.
    """
    before = timestamp()
    try:
        index = Index.open(home, most=most, patience=PATIENCE)
    except InUse:
        return _as_it_is(home)
    if not index.behind:
        return Look(index, before, behind=False)
    index.close()
    return _as_it_is(home)


def _as_it_is(home: Path) -> Look:
    """The index without a change, while another process may be changing it."""
    with contextlib.ExitStack() as undo:
        try:
            connection = connect(home)
            if connection is None:
                raise _not_built()
            undo.callback(connection.close)
            slots, reached = _reach(connection, home)
        except (OSError, sqlite3.Error) as error:
            why = f"the index cannot be read ({error}): run `privacy-gateway audit index --rebuild`"
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, why) from None
        undo.pop_all()
    return Look(Index(home, connection, slots, 0), reached, behind=True)


def _reach(connection: sqlite3.Connection, home: Path) -> tuple[dict[int, Slot], str]:
    """The logs, and the earliest time up to which one that may have grown is indexed. Raises NotBuilt."""
    slots: dict[int, Slot] = {}
    reached = timestamp()
    for path in slots_of(home):
        row = connection.execute("SELECT id, origin FROM slot WHERE name = ?", (path.name,)).fetchone()
        if row is None or row[1] != origin_of(path):
            raise _not_built()
        slots[row[0]] = Slot(row[0], path, row[1])
        if not _is_complete(connection, row[0], path):
            reached = min(reached, _newest(connection, row[0]))
    return slots, reached


def _is_complete(connection: sqlite3.Connection, slot: int, path: Path) -> bool:
    """Whether all segments are sealed and were read to their ends, so that the log has nothing that is not indexed."""
    read = {
        first for (first,) in connection.execute("SELECT first FROM segment WHERE slot = ? AND sealed = 1", (slot,))
    }
    return all(segment.parent.name == "sealed" and first in read for first, segment in segments_of(path))


def _newest(connection: sqlite3.Connection, slot: int) -> str:
    bounds = (slot << INDEX_BITS, (slot + 1) << INDEX_BITS)
    newest = "SELECT time FROM record WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"
    row = connection.execute(newest, bounds).fetchone()
    if row is None:
        raise _not_built()
    return (_EPOCH + timedelta(microseconds=row[0])).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _not_built() -> NotBuilt:
    return NotBuilt(
        Posture.AUDIT_UNAVAILABLE, "the index of the log is not built yet: run `privacy-gateway audit index`"
    )
