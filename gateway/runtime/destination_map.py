"""Where data goes: what the messages of applications to hosts add up to, for `egress map`.

One worker adds up in memory and writes every second, in a thread; the workers of a host share `destinations.sqlite`.
It is knowledge that fills again and no evidence: what a worker did not write before it was killed is lost, and a
failing store costs the map, never a message.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Container
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from gateway.documents.outline import host_outline
from gateway.model.words import Direction
from gateway.runtime.metrics import Metrics
from gateway.runtime.store_thread import StoreThread
from gateway.stores.destinations import BESIDE_AT_MOST, Destination, SqliteDestinationStore, domain_of

SECONDS_BETWEEN_WRITES = 1.0
WAITING_AT_MOST = 2000
"""Rows that wait to be written; of what comes beyond them only the number is kept."""

ONE_OF = 256
"""Of so many messages of a route, one is looked at for what no rule lists, and more of the first ones."""

PROXY = "proxy"
RELAY = "relay"

_FAILURES = (sqlite3.Error, OSError)
_WRITE_TIMEOUT = 5.0
_HOSTS_AT_MOST = 4096

Classes = Collection[tuple[Direction, str]]
"""Classes (full keys) with the direction of the message that held them."""

_outline = lru_cache(maxsize=4096)(host_outline)


class HostNames:
    """How hosts are written that do not stand in the rules, for one worker: without what looks like data.

    Of so many names beside each other each further one is more likely data than a name.
    """

    def __init__(self) -> None:
        self._beside: dict[str, set[str]] = {}
        self._count = 0

    def written(self, host: str) -> str:
        """The name as `host_outline` writes it, or with `*` for its first label where there are many beside it."""
        name = _outline(host)
        domain = domain_of(name)
        if not domain:
            return name
        beside = self._beside.setdefault(domain, set())
        if name in beside:
            return name
        if len(beside) >= BESIDE_AT_MOST or self._count >= _HOSTS_AT_MOST:
            return f"*.{domain}"
        self._count += 1
        beside.add(name)
        return name


class Tally(msgspec.Struct):
    """What one application sent to one host since the map was last written, all of it within a second or so."""

    seen: float
    messages: int = 0
    refused: int = 0
    unread: int = 0
    sent: int = 0
    received: int = 0
    classes: set[tuple[Direction, str]] = msgspec.field(default_factory=set)
    ways: set[str] = msgspec.field(default_factory=set)

    def row(self, key: tuple[str, str, str]) -> Destination:
        host, recipient, application = key
        return Destination(
            host=host,
            recipient=recipient,
            application=application,
            first_seen=self.seen,
            last_seen=self.seen,
            messages=self.messages,
            refused=self.refused,
            unread=self.unread,
            sent=self.sent,
            received=self.received,
            classes_sent=frozenset(each for direction, each in self.classes if direction is Direction.REQUEST),
            classes_received=frozenset(each for direction, each in self.classes if direction is Direction.RESPONSE),
            ways=frozenset(self.ways),
        )

    def add(self, later: "Tally") -> None:
        self.messages += later.messages
        self.refused += later.refused
        self.unread += later.unread
        self.sent += later.sent
        self.received += later.received
        self.classes |= later.classes
        self.ways |= later.ways


class DestinationMap:
    """For the event loop of one worker. Without a path nothing outlasts it.

    No method raises because of the store: a failure is counted, and logged once.
    """

    def __init__(
        self, path: Path | None, metrics: Metrics, log: Any, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._store = None if path is None else StoreThread("destinations", lambda: _opened(path))
        self._writing: asyncio.Task[None] | None = None
        self._waiting: dict[tuple[str, str, str], Tally] = {}
        self._left_out = 0
        self._passed: dict[tuple[str, Direction], int] = {}
        self._failed = False
        self.listed_classes: dict[tuple[bytes, bool], frozenset[tuple[Direction, str]]] = {}
        """What passages worked out once for all messages that are alike."""
        self.names = HostNames()
        self.listed: Container[str] = ()
        """Hosts that stand in the rules, which are written in full."""

    def written(self, host: str) -> str:
        """The name of a host as the map and the records have it."""
        return host if host in self.listed else self.names.written(host)

    def looks(self, route: str, direction: Direction) -> bool:
        """Whether what passes unlisted on a route is looked at in this message: the first, second, fourth and so on."""
        number = self._passed.get((route, direction), 0) + 1
        self._passed[route, direction] = number
        return number % ONE_OF == 0 or (number < ONE_OF and not number & number - 1)

    def note(
        self,
        host: str,
        recipient: str | None,
        application: str,
        *,
        sent: int,
        received: int,
        classes: Classes,
        refused: bool,
        way: str,
        unread: bool = False,
    ) -> None:
        """Take note of one exchange with `host` (lower case, with its port where that is not its scheme's own).

        `recipient` is None where no recipient of the rules has the host. `sent` and `received` are bytes of content.
        `unread` says that a message was not looked at, or only in part.
        """
        if recipient is None:
            self._metrics.unknown_destinations["refused" if refused else "observed"] += 1
        key = (self.written(host), recipient or "", application)
        tally = self._waiting.get(key)
        if tally is None:
            if len(self._waiting) >= WAITING_AT_MOST:
                self._left_out += 1
                return
            tally = self._waiting[key] = Tally(self._clock())
        tally.messages += 1
        tally.refused += refused
        tally.unread += unread
        tally.sent += sent
        tally.received += received
        tally.classes.update(classes)
        tally.ways.add(way)
        if self._writing is None and self._store is not None:
            self._writing = asyncio.get_running_loop().create_task(self._write(self._store))

    async def close(self) -> None:
        """Write what is still to be written, and let go of the file."""
        if self._store is None:
            return
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        try:
            await self._flush(self._store)
        except _FAILURES as problem:
            self._fail(problem)
        self._store.close()
        self._store = None

    async def _write(self, store: StoreThread[SqliteDestinationStore]) -> None:
        """Write every second for as long as there is something to write; after a failure, with the next message."""
        try:
            while self._waiting or self._left_out:
                await asyncio.sleep(SECONDS_BETWEEN_WRITES)
                await self._flush(store)
        except _FAILURES as problem:
            self._fail(problem)
        finally:
            self._writing = None

    async def _flush(self, store: StoreThread[SqliteDestinationStore]) -> None:
        tallies, left_out = self._waiting, self._left_out
        if not tallies and not left_out:
            return
        self._waiting, self._left_out = {}, 0
        rows = [tally.row(key) for key, tally in tallies.items()]
        try:
            await store.ask(lambda opened: opened.add(rows, left_out))
        except _FAILURES:
            for key, later in self._waiting.items():
                tallies.setdefault(key, later)
                if tallies[key] is not later:
                    tallies[key].add(later)
            self._waiting, self._left_out = tallies, self._left_out + left_out
            raise

    def _fail(self, problem: Exception) -> None:
        self._metrics.destination_map_failures += 1
        if not self._failed:
            self._failed = True
            self._log.error("the map of destinations cannot be written; messages go on", cause=problem)


def _opened(path: Path) -> SqliteDestinationStore:
    return SqliteDestinationStore(path, busy_timeout=_WRITE_TIMEOUT)
