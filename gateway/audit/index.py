"""The index of the log: answers in milliseconds what reading the log answers in minutes.

A view and never the evidence: it can be removed at any time and is then made again. Each record that it
finds is read from the log and compared (`index_records`), so a damaged or forged index shows no record
that the log does not hold; counts are the index's own. Records come by their time, which is the order
of the log unless the clock was set back.

    >>> with Index.open(state / "audit") as index:
    ...     newest = next(index.search(Query(subject=handle)))
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.audit.index_file import NAME, Busy, building, connect, is_passing, writing
from gateway.audit.index_fill import Progress, Slot, fill, size_of, survey
from gateway.audit.index_records import Records, stale
from gateway.audit.index_rows import Rows
from gateway.audit.reading import Entry, Head
from gateway.audit.search import Counts, Group, Query, matches, values_of
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

ANEW_BYTES = 256 * 1024 * 1024
"""Where more than this, and more than is indexed, is to be read, building from nothing is faster."""


class InUse(StoreDown):
    """Another process is writing the index."""


class NotBuilt(StoreDown):
    """There is no index yet, and more to be read for one than was allowed."""


class Damaged(StoreDown):
    """The file of the index cannot be read through; building it anew helps."""


class Index:
    """The index as it was when it was opened. Not for several threads."""

    def __init__(
        self, home: Path, connection: sqlite3.Connection, slots: dict[int, Slot], added: int, behind: int = 0
    ) -> None:
        self.path = home / NAME
        self.added = added
        """Records that opening it has added."""
        self.behind = behind
        """Bytes of the log that it does not cover."""
        self._connection = connection
        self._slots = slots
        self._rows = Rows(connection)

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        rebuild: bool = False,
        progress: Progress | None = None,
        most: int | None = None,
        patience: float | None = None,
    ) -> Self:
        """Bring the index of the slots in `home` up to date, or build it, and open it.

        Where more than `most` bytes of the log are to be read for that, it is opened as it is. `patience` is
        as for `writing`.

        Raises:
            InUse: AUDIT_UNAVAILABLE; another process is making it.
            NotBuilt: AUDIT_UNAVAILABLE; there is none, and more than `most` bytes are to be read.
            StoreDown: AUDIT_UNAVAILABLE; it cannot be made. The log can still be read itself (`search.Scan`).
        """
        try:
            with writing(home, patience=patience):
                return cls._bring_up(home, rebuild=rebuild, progress=progress, most=most)
        except Busy as busy:
            raise InUse(Posture.AUDIT_UNAVAILABLE, str(busy)) from None
        except OSError as error:
            raise _down(f"the index cannot be written ({error.strerror})") from None
        except sqlite3.Error as error:
            raise _down(f"the index cannot be written ({error})") from None

    @classmethod
    def _bring_up(cls, home: Path, *, rebuild: bool, progress: Progress | None, most: int | None) -> Self:
        if not rebuild:
            opened = cls._go_on(home, progress, most)
            if opened is not None:
                return opened
        if most is not None and size_of(home) > most:
            raise NotBuilt(
                Posture.AUDIT_UNAVAILABLE, "there is no index of the log yet: run `privacy-gateway audit index`"
            )
        with building(home) as fresh:
            found = survey(fresh, home)
            added = fill(fresh, found, progress)
        connection = connect(home)
        if connection is None:
            raise _down("the index was replaced while it was put in place")
        return cls(home, connection, found.slots, added)

    @classmethod
    def _go_on(cls, home: Path, progress: Progress | None, most: int | None) -> Self | None:
        """The index that is there, brought up to date; None where it has to be built."""
        with contextlib.ExitStack() as undo:
            try:
                connection = connect(home)
                if connection is None:
                    return None
                undo.callback(connection.close)
                found = survey(connection, home)
                if most is not None and found.pending > most:
                    undo.pop_all()
                    return cls(home, connection, found.slots, 0, found.pending)
                if found.pending > max(ANEW_BYTES, found.indexed):
                    return None
                added = fill(connection, found, progress)
            except sqlite3.DatabaseError as error:
                if is_passing(error):
                    raise
                return None
            except StoreDown as down:
                raise _down(f"{down.why}, then `privacy-gateway audit index --rebuild`") from None
            undo.pop_all()
        return cls(home, connection, found.slots, added)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def records(self) -> int:
        """How many records it has. Looks through a part of the file.

        Raises:
            Damaged, Stale: as `search`.
        """
        with _read_errors():
            return int(self._connection.execute("SELECT count(*) FROM record").fetchone()[0])

    def search(self, query: Query) -> Iterator[Entry]:
        """Matching records, newest first.

        Raises:
            Damaged: AUDIT_UNAVAILABLE; the index cannot be read.
            Stale: AUDIT_UNAVAILABLE; the index says other than the log.
        """
        return islice(self._search(query), query.limit)

    def _search(self, query: Query) -> Iterator[Entry]:
        with _read_errors(), closing(self._reader()) as records:
            for place in self._rows.places(query):
                entry = records.read(place)
                if entry is None:
                    continue
                if not matches(entry, query):
                    raise stale()
                yield entry

    def count(self, query: Query, by: Group | None = None) -> Counts:
        """As `search.Scan.count`, from the index alone.

        Raises:
            Damaged, Stale: as `search`.
        """
        total, values = 0, Counter[str]()
        with _read_errors():
            for form, records in self._rows.counts(query):
                total += records
                for value in values_of(self._rows.form(form), query, by):
                    values[value] += records
        return Counts.of(total, values)

    def head(self, entry: Entry) -> Head | None:
        """The first checkpoint that covers the entry; None where its segment was pruned meanwhile.

        Raises:
            Damaged, Stale: as `search`.
        """
        numbers = [slot.id for slot in self._slots.values() if slot.path.name == entry.slot]
        with _read_errors(), closing(self._reader()) as records:
            place = self._rows.place(numbers[0], entry.index) if numbers else None
            return records.head(place) if place is not None and records.read(place) is not None else None

    def _reader(self) -> Records:
        rows = self._connection.execute("SELECT id, slot, first FROM segment").fetchall()
        return Records(self._slots, {number: (slot, first) for number, slot, first in rows})


@contextlib.contextmanager
def _read_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        why = f"the index cannot be read ({error}): run `privacy-gateway audit index --rebuild`"
        raise Damaged(Posture.AUDIT_UNAVAILABLE, why) from None


def _down(why: str) -> StoreDown:
    return StoreDown(Posture.AUDIT_UNAVAILABLE, why)
