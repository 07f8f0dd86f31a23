"""Bringing the index up to date: reads what the log has grown by since, and nothing else.

What is remembered of a segment is how far it was read and the hash of the last line before that place. A
segment whose line there is another one is read again, and so are those after it. A sealed segment is
final. What a segment holds after its last checkpoint is left for the next time; what is no longer there
is forgotten.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from gateway.audit.index_file import Foreign
from gateway.audit.index_lines import INDEX_BITS, LEAF_BYTES, Forms, LineReader
from gateway.audit.reading import end_of_groups, open_segment, origin_in, segments_of, slots_of

CHUNK = 4 * 1024 * 1024
LONGEST_LINE = 61_440
MOST_SLOTS = 1 << 22
LARGEST_GROUP = 64 * 1024 * 1024
"""Bytes that are looked through for the end of a group; a group is far smaller."""
COMMIT_ROWS = 50_000
"""Rows of one transaction: they fit into the page cache, so that readers wait for the commit only."""

Progress: TypeAlias = Callable[[int, int], None]
"""Is told bytes done and bytes in all."""


class Slot(NamedTuple):
    """A log as the directory has it now."""

    id: int
    path: Path
    origin: str


class _Known(NamedTuple):
    """A row of table `segment`."""

    id: int
    slot: int
    first: int
    sealed: int
    done: int
    next: int
    tail_at: int
    tail: bytes | None


class _Unread(NamedTuple):
    """A segment that may have grown; `known` is None where it is read from its start."""

    slot: int
    first: int
    path: Path
    known: _Known | None


class Survey(NamedTuple):
    """What the log has and the index has not, and the other way round. Sizes are in bytes."""

    slots: dict[int, Slot]
    gone: list[_Known]
    unread: list[_Unread]
    indexed: int
    pending: int


def survey(connection: sqlite3.Connection, home: Path) -> Survey:
    """Compare the index with the directory of the slots; new slots get their number here.

    Raises:
        sqlite3.Error: the index cannot be read or written.
        OSError: the log cannot be read.
    """
    known: dict[int, dict[int, _Known]] = {}
    for row in connection.execute("SELECT id, slot, first, sealed, done, next, tail_at, tail FROM segment"):
        known.setdefault(row[1], {})[row[2]] = _checked(row)
    found = Survey({}, [], [], 0, 0)
    indexed = pending = 0
    for path in slots_of(home):
        current = segments_of(path)
        if not current:
            continue  # all pruned since it was listed
        slot, other_log = _number(connection, path, origin_in(current[0][1]))
        found.slots[slot.id] = slot
        before = known.pop(slot.id, {})
        if other_log:
            found.gone.extend(before.values())
            before = {}
        indexed += sum(segment.done for segment in before.values())
        pending += _compare(slot, current, before, found)
    for segments in known.values():
        found.gone.extend(segments.values())
    return found._replace(indexed=indexed, pending=pending)


def _checked(row: tuple[object, ...]) -> _Known:
    """A row of the table as this module writes it. Raises Foreign."""
    known = _Known(*row)  # type: ignore[arg-type]
    right = all(type(number) is int and 0 <= number < 1 << 62 for number in row[:-1])
    if not right or type(known.tail) not in (bytes, type(None)) or known.slot >= MOST_SLOTS:
        raise Foreign("a segment of the index is none")
    if not (known.first <= known.next < 1 << INDEX_BITS and 0 <= known.done - known.tail_at <= LONGEST_LINE + 1):
        raise Foreign("a segment of the index is none")
    return known


def fill(connection: sqlite3.Connection, found: Survey, progress: Progress | None = None) -> int:
    """Bring the index to what `survey` found, in transactions; within one that the caller began, in that one.

    Returns:
        How many records were added.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; the log holds a line that is no record.
        sqlite3.Error: the index cannot be written.
        OSError: the log cannot be read.
    """
    batch = _Batch(connection)
    try:
        for segment in found.gone:
            batch.begin()
            base = segment.slot << INDEX_BITS
            bounds = (base | segment.first, base | segment.next, segment.id)
            connection.execute("DELETE FROM record WHERE id >= ? AND id < ? AND segment = ?", bounds)
            connection.execute("DELETE FROM segment WHERE id = ?", (segment.id,))
        reader = LineReader(Forms(_form_number(connection)))
        done = 0
        for unread in found.unread:
            for size in _read(connection, batch, reader, unread):
                done += size
                if progress is not None:
                    progress(done, found.pending)
        batch.commit()
    finally:
        batch.give_up()
    return batch.added


class _Batch:
    """Rows that are committed together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._outer = connection.in_transaction
        self._rows = 0
        self.added = 0

    def begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def count(self, rows: int) -> None:
        self.added += rows
        self._rows += rows
        if self._rows >= COMMIT_ROWS:
            self.commit()

    def commit(self) -> None:
        self._rows = 0
        if not self._outer and self._connection.in_transaction:
            self._connection.execute("COMMIT")

    def give_up(self) -> None:
        if not self._outer and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _number(connection: sqlite3.Connection, path: Path, origin: str) -> tuple[Slot, bool]:
    """The slot, and whether the log that was indexed under its name was another one."""
    row = connection.execute("SELECT id, origin FROM slot WHERE name = ?", (path.name,)).fetchone()
    if row is None:
        cursor = connection.execute("INSERT INTO slot (name, origin) VALUES (?, ?)", (path.name, origin))
        assert cursor.lastrowid is not None
        return Slot(cursor.lastrowid, path, origin), False
    if type(row[0]) is not int or not 0 <= row[0] < MOST_SLOTS:
        raise Foreign("a slot of the index is none")
    if row[1] != origin:
        connection.execute("UPDATE slot SET origin = ? WHERE id = ?", (origin, row[0]))
    return Slot(row[0], path, origin), row[1] != origin


def _compare(slot: Slot, current: list[tuple[int, Path]], known: dict[int, _Known], found: Survey) -> int:
    """Add to `found` what one log has lost and what it has gained; gives the bytes that are to be read."""
    here = {first for first, _ in current}
    found.gone.extend(segment for first, segment in known.items() if first not in here)
    pending, changed = 0, False
    for first, path in current:
        before = known.get(first)
        if before is not None and (changed or not _goes_on(path, before)):
            found.gone.append(before)
            changed, before = True, None
        if before is not None and before.sealed and path.parent.name == "sealed":
            continue
        found.unread.append(_Unread(slot.id, first, path, before))
        pending += _grown(path, before.done if before else 0)
    return pending


def size_of(home: Path) -> int:
    """The bytes of all logs below `home`."""
    return sum(_grown(path, 0) for slot in slots_of(home) for _, path in segments_of(slot))


def _goes_on(path: Path, known: _Known) -> bool:
    """Whether the segment still has what was indexed of it."""
    if known.sealed and path.parent.name == "sealed":
        return True
    if known.tail is None:
        return True
    try:
        with open_segment(path) as file:
            stored = os.pread(file.fileno(), known.done - known.tail_at, known.tail_at)
    except FileNotFoundError:
        return False
    return len(stored) == known.done - known.tail_at and _tail(stored) == known.tail


def _grown(path: Path, done: int) -> int:
    """How many bytes the segment holds after the first `done`, without the room that was put ahead."""
    try:
        with open_segment(path) as file:
            low, high = done, os.fstat(file.fileno()).st_size
            while low < high:  # no line holds a NUL, so all that follow the first one are room
                middle = (low + high) // 2
                if os.pread(file.fileno(), 1, middle) in (b"", b"\0"):
                    high = middle
                else:
                    low = middle + 1
    except FileNotFoundError:
        return 0
    return max(low - done, 0)


def _tail(line: bytes) -> bytes:
    return sha256(b"\x00" + line.removesuffix(b"\n")).digest()[:LEAF_BYTES]


def _read(connection: sqlite3.Connection, batch: _Batch, reader: LineReader, unread: _Unread) -> Iterator[int]:
    """Index what is new in one segment; yields the bytes of each step."""
    sealed = unread.path.parent.name == "sealed"
    known = unread.known
    done, index = (known.done, known.next) if known else (0, unread.first)
    try:
        file = open_segment(unread.path)
    except FileNotFoundError:
        return  # pruned since it was listed
    with file:
        if known and not sealed and os.pread(file.fileno(), 1, done) in (b"", b"\0"):
            return
        batch.begin()
        segment = known.id if known else _new_segment(connection, unread)
        for offset, data in _groups(file, done, sealed=sealed):
            batch.begin()
            rows, index = reader.rows(data, unread.slot, segment, offset, index)
            connection.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            last = data.rfind(b"\n", 0, -1) + 1
            connection.execute(
                "UPDATE segment SET done = ?, next = ?, tail_at = ?, tail = ? WHERE id = ?",
                (offset + len(data), index, offset + last, _tail(data[last:]), segment),
            )
            batch.count(len(rows))
            yield len(data)
        if sealed:
            batch.begin()
            connection.execute("UPDATE segment SET sealed = 1 WHERE id = ?", (segment,))


def _new_segment(connection: sqlite3.Connection, unread: _Unread) -> int:
    cursor = connection.execute(
        "INSERT INTO segment (slot, first, sealed, done, next, tail_at) VALUES (?, ?, 0, 0, ?, 0)",
        (unread.slot, unread.first, unread.first),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _groups(file: BinaryIO, offset: int, *, sealed: bool) -> Iterator[tuple[int, bytes]]:
    """Whole groups, some megabytes at a time, with the offset of each piece."""
    file.seek(offset)
    rest = b""
    while len(rest) < LARGEST_GROUP and (data := file.read(CHUNK)):
        data = rest + data
        end = end_of_groups(data, sealed=sealed)
        if end:
            yield offset, data[:end]
        offset += end
        rest = data[end:]
        if not sealed and b"\0" in rest:
            return


def _form_number(connection: sqlite3.Connection) -> Callable[[bytes], int]:
    def number(form: bytes) -> int:
        says = form.decode()
        connection.execute("INSERT OR IGNORE INTO form (says) VALUES (?)", (says,))
        (found,) = connection.execute("SELECT id FROM form WHERE says = ?", (says,)).fetchone()
        return int(found)

    return number
