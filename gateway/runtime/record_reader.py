"""The records of one person, for an event loop that must not wait: read in a thread, bounded, and said as of when.

The thread opens the index of the log for each question, so any number of workers and commands may ask
beside each other. Where the log has grown by so much that indexing it would take the worker's time, a
process of its own does that and the present answer ends where the index does.
"""

import asyncio
import heapq
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.audit.index import Damaged, Index, NotBuilt
from gateway.audit.index_look import Look, look
from gateway.audit.reading import Entry, slots_of
from gateway.audit.search import Query
from gateway.model.errors import StoreDown
from gateway.model.limits import MIB
from gateway.model.words import Posture
from gateway.runtime.operators import AUDIT
from gateway.runtime.secrecy import may_be_shown, shown_requests

MOST_RECORDS = 5000
MOST_SECONDS = 2.0
MOST_WAITING = 32
MOST_BYTES = 16 * MIB
"""Of the log that are indexed in the worker; it takes a fraction of a second."""

_Answer = TypeVar("_Answer")
_ROUND = 64
"""Records between two looks at the clock."""


class NotReady(StoreDown):
    """There is an answer in a minute: the index is being built, or many are asking."""


class Found(msgspec.Struct, frozen=True):
    """Entries, the newest first. What was recorded by `as_of` is among them, unless there were too many.

    Where `complete` is false, older ones than the last were left out.
    """

    entries: list[Entry]
    as_of: str
    complete: bool = True


class RecordReader:
    """For one event loop. `most_records` and `most_seconds` bound one answer, `most_waiting` those who wait for one."""

    def __init__(
        self,
        state: Path,
        *,
        most_records: int = MOST_RECORDS,
        most_seconds: float = MOST_SECONDS,
        most_waiting: int = MOST_WAITING,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.state = state
        self.home = state / AUDIT
        """Where the logs are."""
        self._most_records = most_records
        self._most_seconds = most_seconds
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._closed = threading.Event()
        self._builder: subprocess.Popen[bytes] | None = None

    async def find(self, handles: Sequence[str], *, since: str = "", until: str = "", most: int | None = None) -> Found:
        """The records whose subject has one of these handles; times are as records write them.

        What an authority was given is not among them while that is secret.

        `most` is how many, in place of `most_records`; the time is bounded in proportion.

        Raises:
            NotReady: AUDIT_UNAVAILABLE; the index is still being built, or too many wait already.
            StoreDown: AUDIT_UNAVAILABLE, CONSENT_STORE_DOWN; the log, its index or the register of legal requests
                cannot be read.
        """
        queries = [Query(subject=handle, since=since, until=until) for handle in dict.fromkeys(handles)]
        limit = self._most_records if most is None else most
        return await self.ask(lambda opened: self._search(opened, queries, limit))

    async def ask(self, question: Callable[[Look], _Answer]) -> _Answer:
        """What `question` answers in the thread, given the opened index. Raises as `find`."""
        if self._waiting >= self._most_waiting:
            raise NotReady(Posture.AUDIT_UNAVAILABLE, "too many wait for records already: come again in a minute")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Give up the question that is under way, which then raises NotReady, and those that wait; returns at once."""
        self._closed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _answer(self, question: Callable[[Look], _Answer]) -> _Answer:
        if not slots_of(self.home):
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, "there is no log in the state directory yet")
        try:
            opened = look(self.home, most=self._most_bytes)
        except NotBuilt:
            self._build()
            why = "the index of the records is being built: come again in a minute"
            raise NotReady(Posture.AUDIT_UNAVAILABLE, why) from None
        with opened.index:
            if opened.behind:
                self._build()
            try:
                return question(opened)
            except Damaged:
                self._build("--rebuild")
                raise

    def _search(self, opened: Look, queries: list[Query], limit: int) -> Found:
        deadline = time.monotonic() + self._most_seconds * max(1.0, limit / self._most_records)
        found: list[Entry] = []
        # Asked for everybody: that the register does not answer tells nobody whether it has something of them.
        shown = shown_requests(self.state)
        for entry in _newest_first(opened.index, queries):
            if self._closed.is_set():
                raise NotReady(Posture.AUDIT_UNAVAILABLE, "the worker ends: come again in a minute")
            late = len(found) % _ROUND == _ROUND - 1 and time.monotonic() >= deadline
            if late or len(found) >= limit:
                return Found(found, opened.as_of, complete=False)
            if may_be_shown(entry.record, shown):
                found.append(entry)
        return Found(found, opened.as_of)

    def _build(self, *options: str) -> None:
        """Have another process index the log, unless one that was started here still does."""
        if self._builder is not None and self._builder.poll() is None:
            return
        command = [sys.executable, "-m", "gateway", "audit", "index", "--state", str(self.state), *options]
        # Its output would go where the worker's does; why it failed, the next look finds out by itself.
        quiet = subprocess.DEVNULL
        self._builder = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603


def _newest_first(index: Index, queries: list[Query]) -> Iterator[Entry]:
    streams = [index.search(query) for query in queries]
    # The same record has one subject, so no entry comes twice.
    return heapq.merge(*streams, key=_time, reverse=True)


def _time(entry: Entry) -> str:
    return str(entry.record.get("time", ""))
