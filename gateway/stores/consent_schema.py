"""The tables of the consent store, and the statements that read and write them.

`consent_event` is what counts. `consent_prepared` holds events that wait for their record and count for
nothing yet; `consent_owed` names events that count already and whose record may not be in the log yet.
`notice_served` is what was shown to whom, apart from what they answered.
"""

from gateway.stores.event import ConsentEvent, ServedNotice

APPLICATION_ID = 0x70677731  # "pgw1"


def stays(table: str, what: str) -> tuple[str, ...]:
    """Triggers by which no row of a table can be changed, deleted or put in another's place."""
    is_there = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"
    refused = f"BEGIN SELECT RAISE(ABORT, '{what} are append-only'); END"
    return (
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table} {refused}",
        f"CREATE TRIGGER {table}_remains BEFORE DELETE ON {table} {refused}",
        # INSERT OR REPLACE deletes without asking the trigger above.
        f"CREATE TRIGGER {table}_is_new BEFORE INSERT ON {table} {is_there} {refused}",
    )


MIGRATIONS = (
    (
        """CREATE TABLE consent_event (
            id TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            purpose TEXT NOT NULL,
            recipient TEXT NOT NULL,
            status TEXT NOT NULL,
            at INTEGER NOT NULL,
            valid_until INTEGER,
            method TEXT NOT NULL,
            notice TEXT,
            notice_digest TEXT,
            actor TEXT
        ) WITHOUT ROWID""",
        "CREATE INDEX consent_event_of_subject ON consent_event (subject, purpose, recipient, at)",
        *stays("consent_event", "consent events"),
    ),
    (
        "ALTER TABLE consent_event ADD COLUMN notice_version TEXT",
        "ALTER TABLE consent_event ADD COLUMN assurance TEXT",
        "DROP INDEX consent_event_of_subject",
        "CREATE INDEX consent_event_of_subject ON consent_event (subject, purpose, recipient, at, status)",
        """CREATE TABLE consent_prepared (
            id TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            purpose TEXT NOT NULL,
            recipient TEXT NOT NULL,
            status TEXT NOT NULL,
            at INTEGER NOT NULL,
            valid_until INTEGER,
            method TEXT NOT NULL,
            notice TEXT,
            notice_version TEXT,
            notice_digest TEXT,
            assurance TEXT,
            actor TEXT
        ) WITHOUT ROWID""",
        "CREATE TABLE consent_owed (id TEXT PRIMARY KEY) WITHOUT ROWID",
        # What was recorded before events were records of the ledger is owed one.
        "INSERT INTO consent_owed SELECT id FROM consent_event",
        """CREATE TABLE notice_served (
            id TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            notice TEXT NOT NULL,
            version TEXT NOT NULL,
            digest TEXT NOT NULL,
            language TEXT NOT NULL,
            at INTEGER NOT NULL,
            method TEXT NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX notice_served_to ON notice_served (subject, notice, at)",
        *stays("notice_served", "served notices"),
    ),
)

# ruff: noqa: S608 - all names below are our own
COLUMNS = ConsentEvent.__struct_fields__
NOTICE_COLUMNS = ServedNotice.__struct_fields__
_NAMES = ", ".join(COLUMNS)
_MARKS = ", ".join("?" * len(COLUMNS))

INSERT = f"INSERT INTO consent_event ({_NAMES}) VALUES ({_MARKS})"
PREPARE = f"INSERT INTO consent_prepared ({_NAMES}) VALUES ({_MARKS})"
COUNT = f"INSERT INTO consent_event ({_NAMES}) SELECT {_NAMES} FROM consent_prepared WHERE id = ?"
OWED = (
    f"SELECT {_NAMES} FROM consent_prepared "
    f"UNION ALL SELECT {_NAMES} FROM consent_event WHERE id IN (SELECT id FROM consent_owed) ORDER BY id"
)
HISTORY = f"SELECT {_NAMES} FROM consent_event WHERE subject = ?1"
PAGE = f"SELECT {_NAMES} FROM consent_event WHERE id > ?1 ORDER BY id LIMIT 2000"
ONE = f"SELECT {_NAMES} FROM consent_event WHERE id = ?1 UNION ALL SELECT {_NAMES} FROM consent_prepared WHERE id = ?1"
LAST_MOMENT = (
    "SELECT max(at) FROM (SELECT max(at) AS at FROM consent_event WHERE subject = ?1 "
    "UNION ALL SELECT max(at) FROM consent_prepared WHERE subject = ?1)"
)
_OF_RESTRICTION = "status IN ('restricted', 'unrestricted')"
# Only events of the latest moment can count (fold.py), so a long history costs a scan of the index alone.
LATEST = (
    f"SELECT {', '.join('e.' + name for name in COLUMNS)} FROM "
    f"(SELECT purpose, recipient, {_OF_RESTRICTION} AS lies_over, max(at) AS at FROM consent_event "
    "WHERE subject = ?1 GROUP BY purpose, recipient, lies_over) last "
    "CROSS JOIN consent_event e "
    "ON e.subject = ?1 AND e.purpose = last.purpose AND e.recipient = last.recipient AND e.at = last.at"
)
# The same for many people, given as a JSON array of their handles.
LATEST_OF_MANY = (
    f"SELECT {', '.join('e.' + name for name in COLUMNS)} FROM "
    f"(SELECT subject, purpose, recipient, {_OF_RESTRICTION} AS lies_over, max(at) AS at FROM consent_event "
    "WHERE subject IN (SELECT value FROM json_each(?1)) GROUP BY subject, purpose, recipient, lies_over) last "
    "CROSS JOIN consent_event e "
    "ON e.subject = last.subject AND e.purpose = last.purpose AND e.recipient = last.recipient AND e.at = last.at"
)

SERVE = f"INSERT INTO notice_served ({', '.join(NOTICE_COLUMNS)}) VALUES ({', '.join('?' * len(NOTICE_COLUMNS))})"
SERVED = f"SELECT {', '.join(NOTICE_COLUMNS)} FROM notice_served WHERE subject = ?1 ORDER BY at, id"
VOUCHER = (
    f"SELECT {', '.join(NOTICE_COLUMNS)} FROM notice_served WHERE subject = ?1 AND notice = ?2 AND at <= ?3 "
    "AND (?4 IS NULL OR version = ?4) AND (?5 IS NULL OR digest = ?5) ORDER BY at DESC, id DESC LIMIT 1"
)
