"""Rows of an import as consent events: checked whole, and given people only afterwards.

No diagnostic repeats what stands in a cell; any of them may hold an identifier that slipped.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from gateway.crypto.keyring import canonical_identifier, is_subject_handle
from gateway.model.words import Assurance
from gateway.stores.cells import Cell, Problems, TableRow
from gateway.stores.dpv import STATUS_WORDS, status_of
from gateway.stores.event import ANY_RECIPIENT, ConsentEvent, ServedNotice, id_of_number, new_event_id

COLUMNS = (
    "id",
    "subject",
    "purpose",
    "recipient",
    "status",
    "at",
    "valid_until",
    "method",
    "assurance",
    "actor",
    "notice",
    "notice_version",
    "notice_digest",
    "language",
    "served_at",
)
"""What a row may say; docs/consent.md explains each."""

METHOD = "import"
_NEEDED = ("id", "subject", "purpose", "status", "at")
_LONGEST_TEXT = 200
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:\d\d)?", re.ASCII)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES_OF_NOTICE = ("notice_version", "notice_digest", "language")


class Known(msgspec.Struct, frozen=True):
    """Names that rules declare, and the time (microseconds since the epoch) after which nothing can have happened."""

    purposes: frozenset[str]
    recipients: frozenset[str]
    now: int


class Draft(msgspec.Struct, frozen=True):
    """An event without its person; `person` is an identifier or a handle. `served_at`, if the row says so."""

    person: str
    fields: dict[str, Any]
    row: TableRow
    language: str | None = None
    served_at: int | None = None

    def event(self, subject: str, actor: str) -> ConsentEvent:
        """The event of the person with this handle, entered by `actor` unless the row names another one."""
        return ConsentEvent(**{"actor": actor, **self.fields, "subject": subject})

    def notice(self, subject: str) -> ServedNotice | None:
        """That the row's notice was shown, where it says when."""
        if self.served_at is None:
            return None
        return ServedNotice(
            id=new_event_id(self.served_at),
            subject=subject,
            notice=self.fields["notice"],
            version=self.fields["notice_version"],
            digest=self.fields["notice_digest"],
            language=str(self.language),
            at=self.served_at,
            method=self.fields["method"],
        )

    def is_like(self, event: ConsentEvent) -> bool:
        """Whether an event says what this row says, whoever its person is."""
        expected = {"recipient": ANY_RECIPIENT, "valid_until": None, "assurance": None, "notice": None, **self.fields}
        return all(getattr(event, name) == value for name, value in expected.items())


def read_drafts(rows: Iterable[TableRow], known: Known, problems: Problems) -> Iterator[Draft]:
    """The rows that are sound; what is wrong with the others goes to `problems`."""
    seen: set[str] = set()
    for row in rows:
        reader = _RowReader(row, known, problems)
        draft = reader.draft()
        if draft is None:
            continue
        if draft.fields["id"] in seen:
            problems.add("CI203", row.cells["id"], "an earlier row has this id", "give each event an id of its own")
            continue
        seen.add(draft.fields["id"])
        yield draft


class _RowReader:
    def __init__(self, row: TableRow, known: Known, problems: Problems) -> None:
        self._row = row
        self._known = known
        self._problems = problems
        self._sound = True

    def draft(self) -> Draft | None:
        for name in _NEEDED:
            if not self._cell(name).text:
                self._wrong("CI201", name, f"'{name}' has to be there")
        fields: dict[str, Any] = {
            "id": self._id(),
            "purpose": self._purpose(),
            "recipient": self._recipient(),
            "status": self._status(),
            "at": self._time("at"),
            "valid_until": self._time("valid_until", future=True),
            "method": self._plain("method") or METHOD,
            "assurance": self._assurance(),
            "actor": self._plain("actor"),
            "notice": self._plain("notice"),
            "notice_version": self._plain("notice_version"),
            "notice_digest": self._shaped("notice_digest", _DIGEST, "a SHA-256 in 64 small hexadecimal digits"),
        }
        language = self._shaped("language", _LANGUAGE, "a language tag, as en or zh-Hans")
        served_at = self._time("served_at")
        self._subject()
        if self._sound:
            self._check(fields, language, served_at)
        if not self._sound:
            return None
        said = {name: value for name, value in fields.items() if value is not None}
        return Draft(self._cell("subject").text, said, self._row, language, served_at)

    def _check(self, fields: dict[str, Any], language: str | None, served_at: int | None) -> None:
        """What only cells together show."""
        until, status = fields["valid_until"], fields["status"]
        if until is not None and not status.allows:
            self._wrong("CI210", "valid_until", "only consent has an end")
        elif until is not None and until <= fields["at"]:
            self._wrong("CI209", "valid_until", "the end is not after the beginning")
        if fields["purpose"] == "*" and status.allows:
            self._wrong("CI214", "purpose", "consent is given for one purpose at a time")
        self._check_notice(fields, language, served_at)

    def _check_notice(self, fields: dict[str, Any], language: str | None, served_at: int | None) -> None:
        cited = {**fields, "language": language}
        if fields["notice"] is None:
            for name in (*_NAMES_OF_NOTICE, "served_at"):
                if self._cell(name).text:
                    self._wrong("CI211", name, f"'{name}' needs a 'notice'")
        elif served_at is not None:
            for name in _NAMES_OF_NOTICE:
                if cited[name] is None:
                    self._wrong("CI211", name, f"'served_at' needs '{name}'")
            if served_at > fields["at"]:
                self._wrong("CI209", "served_at", "the notice was shown after the answer")

    def _cell(self, name: str) -> Cell:
        return self._row.cells.get(name) or Cell("", self._row.line, self._row.column)

    def _wrong(self, code: str, name: str, message: str, hint: str = "") -> None:
        self._sound = False
        self._problems.add(code, self._cell(name), message, hint)

    def _id(self) -> str | None:
        text = self._cell("id").text
        if _ULID.fullmatch(text):
            return text
        if _UUID.fullmatch(text):
            return id_of_number(UUID(text).int)
        if text:
            self._wrong("CI202", "id", "the id is neither a ULID nor a UUID", "give each event one, and keep it")
        return None

    def _subject(self) -> None:
        text = self._cell("subject").text
        if not text or is_subject_handle(text):
            return
        try:
            canonical_identifier(text)
        except ValueError:
            self._wrong("CI213", "subject", "the identifier names nobody")

    def _purpose(self) -> str:
        text = self._cell("purpose").text
        if text not in ("", "*") and not _declared(text, self._known.purposes):
            hint = "the rules know: " + ", ".join(sorted(self._known.purposes))
            self._wrong("CI206", "purpose", "no rules know this purpose", hint)
        return text

    def _recipient(self) -> str:
        text = self._cell("recipient").text or ANY_RECIPIENT
        if text != ANY_RECIPIENT and text not in self._known.recipients:
            hint = "the rules know: " + ", ".join(sorted(self._known.recipients))
            self._wrong("CI207", "recipient", "no rules know this recipient", hint)
        return text

    def _status(self) -> object:
        text = self._cell("status").text
        status = status_of(text)
        if status is None and text:
            hint = "one of: " + ", ".join(STATUS_WORDS) + "; or the term of DPV"
            self._wrong("CI205", "status", "no status that an event can have", hint)
        return status

    def _assurance(self) -> Assurance | None:
        text = self._cell("assurance").text
        if not text:
            return None
        if text not in tuple(Assurance):
            self._wrong("CI212", "assurance", "no level of assurance", "one of: " + ", ".join(Assurance))
            return None
        return Assurance(text)

    def _plain(self, name: str) -> str | None:
        text = self._cell(name).text
        if text and not (len(text) <= _LONGEST_TEXT and text.isprintable()):
            self._wrong("CI212", name, f"'{name}' has more than {_LONGEST_TEXT} characters, or some that do not print")
        person = self._cell("subject").text.strip().casefold()
        if text and person and person in text.casefold():
            self._wrong("CI212", name, f"'{name}' goes into a record and must not name the person")
        return text or None

    def _shaped(self, name: str, shape: re.Pattern[str], noun: str) -> str | None:
        text = self._cell(name).text
        if text and not shape.fullmatch(text):
            self._wrong("CI212", name, f"'{name}' is not {noun}")
        return text or None

    def _time(self, name: str, *, future: bool = False) -> int | None:
        text = self._cell(name).text
        if not text:
            return None
        match = _TIME.fullmatch(text)
        if match is not None and match[3] is None:
            self._wrong("CI208", name, "the time has no time zone", "add Z for UTC, or an offset as +01:00")
            return None
        try:
            moment = datetime.fromisoformat(text) if match is not None else None
            found = None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
        except (ValueError, OverflowError):
            found = None
        if found is None:
            self._wrong("CI208", name, "no time of ISO 8601", "write it as 2026-11-23T13:00:00Z")
        elif not 0 <= found <= self._known.now and not (future and found > 0):
            self._wrong(
                "CI209", name, "the time lies in the future, or before 1970", "look at the clocks of both hosts"
            )
            return None
        return found


def _declared(name: str, names: Iterable[str]) -> bool:
    """A purpose of the rules, or one that some of theirs are part of."""
    return any(each == name or each.startswith(name + ".") for each in names)
