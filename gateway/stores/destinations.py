"""Where data goes, in SQLite, shared by the workers of a host: a map for operators, and no evidence.

A row says how much an application sent to a host, and which classes of personal data its messages held by the
looks of them. No value, no path, and nothing about anybody. It can be deleted at any time, and fills again.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.stores.sqlite import open_database, transaction

DESTINATIONS = "destinations.sqlite"
"""The file's name in the state directory."""

ROWS_AT_MOST = 5000
"""Those that were seen last stay."""

BESIDE_AT_MOST = 64
"""Hosts of one domain that are told apart; further ones are written with `*` for their own label."""

_APPLICATION_ID = 0x70677764  # "pgwd"
_MIGRATIONS = (
    (
        """CREATE TABLE destination (
            host TEXT NOT NULL,
            recipient TEXT NOT NULL,
            application TEXT NOT NULL,
            domain TEXT NOT NULL,
            first_seen REAL NOT NULL,
            last_seen REAL NOT NULL,
            messages INTEGER NOT NULL,
            refused INTEGER NOT NULL,
            unread INTEGER NOT NULL,
            sent INTEGER NOT NULL,
            received INTEGER NOT NULL,
            classes_sent TEXT NOT NULL,
            classes_received TEXT NOT NULL,
            ways TEXT NOT NULL,
            PRIMARY KEY (host, recipient, application)
        ) WITHOUT ROWID""",
        "CREATE INDEX by_domain ON destination (domain, host)",
        "CREATE INDEX by_last_seen ON destination (last_seen)",
        "CREATE TABLE left_out (number INTEGER PRIMARY KEY CHECK (number = 1), rows INTEGER NOT NULL)",
        "INSERT INTO left_out VALUES (1, 0)",
    ),
)
_COLUMNS = (
    "host, recipient, application, first_seen, last_seen, messages, refused, unread, sent, received,"
    " classes_sent, classes_received, ways"
)


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """What went to one host for one application. Times are seconds since the epoch, sizes bytes of content.

    `recipient` is empty where no recipient of the rules has the host. `refused` and `unread` count among `messages`;
    what is unread was looked at in part or not at all. Classes are full keys, `ways` are `proxy` and `relay`.
    """

    host: str
    recipient: str
    application: str
    first_seen: float
    last_seen: float
    messages: int = 0
    refused: int = 0
    unread: int = 0
    sent: int = 0
    received: int = 0
    classes_sent: frozenset[str] = frozenset()
    classes_received: frozenset[str] = frozenset()
    ways: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str, str]:
        return self.host, self.recipient, self.application

    def plus(self, other: "Destination") -> "Destination":
        """Both together, under this one's key."""
        return Destination(
            host=self.host,
            recipient=self.recipient,
            application=self.application,
            first_seen=min(self.first_seen, other.first_seen),
            last_seen=max(self.last_seen, other.last_seen),
            messages=self.messages + other.messages,
            refused=self.refused + other.refused,
            unread=self.unread + other.unread,
            sent=self.sent + other.sent,
            received=self.received + other.received,
            classes_sent=self.classes_sent | other.classes_sent,
            classes_received=self.classes_received | other.classes_received,
            ways=self.ways | other.ways,
        )


def domain_of(host: str) -> str:
    """What hosts that stand beside each other share; empty for one that has nothing to its left."""
    labels = host.split(".")
    return "" if len(labels) < 3 or labels[0] == "*" or host.startswith("[") else ".".join(labels[1:])


class SqliteDestinationStore:
    """For the thread that opens it.

    Raises:
        sqlite3.Error, OSError: from every method, where the file cannot be used or is locked for
            longer than `busy_timeout` seconds.
    """

    def __init__(self, path: Path, *, busy_timeout: float) -> None:
        self._connection = open_database(
            path, application_id=_APPLICATION_ID, migrations=_MIGRATIONS, busy_timeout=busy_timeout
        )

    def add(self, news: Iterable[Destination], left_out: int = 0) -> None:
        """Add these to what is known; `left_out` is how many more there were that nobody told apart."""
        with transaction(self._connection):
            for each in news:
                self._put(each)
            (rows,) = self._connection.execute("SELECT count(*) FROM destination").fetchone()
            if rows > ROWS_AT_MOST:
                oldest = "SELECT host, recipient, application FROM destination ORDER BY last_seen LIMIT ?"
                self._connection.execute(
                    f"DELETE FROM destination WHERE (host, recipient, application) IN ({oldest})",  # noqa: S608
                    (rows - ROWS_AT_MOST,),
                )
                left_out += rows - ROWS_AT_MOST
            if left_out:
                self._connection.execute("UPDATE left_out SET rows = rows + ?", (left_out,))

    def all(self) -> list[Destination]:
        """What is known, the latest first."""
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM destination ORDER BY last_seen DESC, host")  # noqa: S608
        return [_destination(row) for row in found]

    def left_out(self) -> int:
        """How many rows made room for later ones, or never had any."""
        (count,) = self._connection.execute("SELECT rows FROM left_out").fetchone()
        return int(count)

    def close(self) -> None:
        self._connection.close()

    def _put(self, news: Destination) -> None:
        known = self._known(news.key)
        if known is None and not news.recipient and self._is_crowded(news.host):
            news = msgspec.structs.replace(news, host=f"*.{domain_of(news.host)}")
            known = self._known(news.key)
        whole = news if known is None else known.plus(news)
        sets = (" ".join(sorted(each)) for each in (whole.classes_sent, whole.classes_received, whole.ways))
        counts = (whole.messages, whole.refused, whole.unread, whole.sent, whole.received)
        self._connection.execute(
            f"INSERT OR REPLACE INTO destination ({_COLUMNS}, domain) VALUES ({'?, ' * 13}?)",  # noqa: S608
            (*whole.key, whole.first_seen, whole.last_seen, *counts, *sets, domain_of(whole.host)),
        )

    def _known(self, key: tuple[str, str, str]) -> Destination | None:
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM destination WHERE host = ? AND recipient = ? AND application = ?",  # noqa: S608
            key,
        ).fetchone()
        return None if row is None else _destination(row)

    def _is_crowded(self, host: str) -> bool:
        """Whether so many hosts of its domain are known that a further one is more likely data than a name."""
        domain = domain_of(host)
        if not domain:
            return False
        beside = self._connection.execute(
            "SELECT count(DISTINCT host), max(host = ?) FROM destination WHERE domain = ?", (host, domain)
        )
        count, is_known = beside.fetchone()
        return count >= BESIDE_AT_MOST and not is_known


def _destination(row: tuple[str, str, str, float, float, int, int, int, int, int, str, str, str]) -> Destination:
    host, recipient, application, first, last, messages, refused, unread, sent, received, *sets = row
    out, back, ways = (frozenset(text.split()) for text in sets)
    return Destination(
        host=host,
        recipient=recipient,
        application=application,
        first_seen=first,
        last_seen=last,
        messages=messages,
        refused=refused,
        unread=unread,
        sent=sent,
        received=received,
        classes_sent=out,
        classes_received=back,
        ways=ways,
    )
