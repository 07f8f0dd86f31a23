"""Where cookies were seen to be set, so that they can be deleted there: a browser deletes one only under
the Domain and Path that it was set with, and never tells which those are.

What one worker sees the others of the host read from `cookies.sqlite`. A failing store costs deletions:
a cookie that may not pass is dropped from every message all the same.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.documents.cookie_names import CookieNames
from gateway.documents.set_cookie import Placed, deletions, placed_cookies
from gateway.model.cookie import ANY_ENDING, covers_name
from gateway.model.field_template import Fields, FilledFields
from gateway.model.message import RequestHead
from gateway.policy.policy import Policy
from gateway.runtime.metrics import Metrics
from gateway.stores.cookies import PLACES_AT_MOST, ROWS_AT_MOST, Row, SqliteCookieStore

_FAILURES = (sqlite3.Error, OSError)
_READ_TIMEOUT = 0.05
_WRITE_TIMEOUT = 5.0
_FIELDS_AT_MOST = 64
"""Set-Cookie fields that one answer takes for deletions; what is left over goes with the next one."""


class CookieMemory:
    """For the event loop of one worker. Without a path nothing outlasts it or reaches other workers.

    No method raises because of the store: a failure is counted, and logged once.
    """

    def __init__(self, path: Path | None, metrics: Metrics, log: Any) -> None:
        self._path = path
        self._metrics = metrics
        self._log = log
        self._reader: SqliteCookieStore | None = None
        self._writer: SqliteCookieStore | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._writing: asyncio.Task[None] | None = None
        self._unwritten: list[Row] = []
        self._read_up_to = 0
        self._known: dict[str, dict[str, dict[tuple[str, str], None]]] = {}
        self._rows = 0
        self._failed = False

    def note(self, listed: CookieNames[str], asked: RequestHead, fields: Fields) -> None:
        """Learn from the fields of an upstream's answer, whether or not its cookies go on.

        `listed` leads from the names of cookies to the names and patterns of the rules.
        """
        if isinstance(fields, FilledFields):
            pairs = fields.template.pairs
            derived = fields.template.derived
            if CookieMemory not in derived:
                derived[CookieMemory] = any(name.lower() == b"set-cookie" for name, _ in pairs)
            if not derived[CookieMemory]:
                return
        else:
            pairs = fields
        host = without_port(asked.host)
        for place in placed_cookies(pairs, host, asked.target):
            name = listed.find(place.name)
            if name is not None:
                self.seen(host, name, place.domain, place.path)

    def seen(self, host: str, name: str, domain: str, path: str) -> None:
        """A cookie was set. `name` is the name or pattern of the rules, `domain` is empty for the host alone."""
        row = (domain or host, name, domain, path)
        if self._remember(row) and self._path is not None:
            self._unwritten.append(row)
            del self._unwritten[:-ROWS_AT_MOST]
            if self._writing is None:
                self._writing = asyncio.get_running_loop().create_task(self._write(self._path))

    def deletions(self, host: str, names: Iterable[str]) -> list[bytes]:
        """Values of Set-Cookie fields that delete these cookies wherever they may lie (see `set_cookie`).

        The names are those of cookies: of a pattern nobody can tell what to delete, so it is passed over.
        At most 64, whole cookies first.
        """
        wanted = [name for name in names if not name.endswith(ANY_ENDING)]
        if not wanted:
            return []
        self._read()
        host = without_port(host)
        found = [line for name in wanted for line in deletions(name, host, self._places(host, name))]
        del found[_FIELDS_AT_MOST:]
        self._metrics.cookie_deletions += len(found)
        return found

    def close(self) -> None:
        """Write what is still to be written, and let go of the file."""
        if self._writing is not None:
            self._writing.cancel()
        if self._unwritten and self._path is not None:
            self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="cookies")
            self._thread.submit(self._add, self._path, self._unwritten)
        if self._thread is not None:
            self._thread.submit(self._close_writer)
            self._thread.shutdown()
            self._thread = None
        self._unwritten = []
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _places(self, host: str, name: str) -> Iterator[tuple[str, str]]:
        scope = host
        while scope:
            for listed, places in self._known.get(scope, {}).items():
                if covers_name(listed, name):
                    yield from (place for place in places if place[0] or scope == host)
            scope = scope.partition(".")[2]

    def _remember(self, row: Row) -> bool:
        """Whether the row is new, and there is room for it."""
        host, name, domain, path = row
        places = self._known.setdefault(host, {}).setdefault(name, {})
        if (domain, path) in places or len(places) >= PLACES_AT_MOST:
            return False
        if not Placed("name", domain, path).is_safe:
            return False
        places[domain, path] = None
        self._rows += 1
        while self._rows > ROWS_AT_MOST:
            oldest = self._known.pop(next(iter(self._known)))
            self._rows -= sum(map(len, oldest.values()))
        return True

    def _read(self) -> None:
        """Take over what other workers have learned. A file that nobody wrote yet is not made for that."""
        if self._path is None or (self._reader is None and not self._path.exists()):
            return
        try:
            if self._reader is None:
                self._reader = SqliteCookieStore(self._path, busy_timeout=_READ_TIMEOUT)
            for number, row in self._reader.after(self._read_up_to):
                self._read_up_to = number
                self._remember(row)
        except _FAILURES as problem:
            self._fail(problem)

    async def _write(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="cookies")
        try:
            while self._unwritten:
                rows = self._unwritten.copy()
                await loop.run_in_executor(self._thread, self._add, path, rows)
                del self._unwritten[: len(rows)]
        except _FAILURES as problem:
            self._fail(problem)
        finally:
            self._writing = None

    def _add(self, path: Path, rows: list[Row]) -> None:
        if self._writer is None:
            self._writer = SqliteCookieStore(path, busy_timeout=_WRITE_TIMEOUT)
        self._writer.add(rows)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _fail(self, problem: Exception) -> None:
        self._metrics.cookie_memory_failures += 1
        if not self._failed:
            self._failed = True
            self._log.error("the memory of cookies fails, so some are not deleted from browsers", cause=problem)


def without_port(host: str) -> str:
    """The host of an authority, as cookies know it: they do not tell ports apart (RFC 6265 section 8.5)."""
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]


def listed_cookies(policy: Policy) -> CookieNames[str] | None:
    """The names and patterns of all cookies in the rules; None where none are listed for all routes."""
    if not policy.cookies:
        return None
    fields = (rule for route in policy.routes for each in (route.request, route.response) for rule in each.fields)
    names = [rule.address.name for rule in (*policy.cookies, *fields) if rule.address.text.startswith("cookie:")]
    return CookieNames((name, name) for name in dict.fromkeys(names))
