"""Consent events and standings as people and programs read them."""

from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from gateway.cli.output import printable
from gateway.model.facts import SubjectState
from gateway.model.words import ConsentStatus
from gateway.stores.dpv import iri_of
from gateway.stores.event import ANY_RECIPIENT, MICROSECONDS, ConsentEvent, ServedNotice

Row = dict[str, str | None]
_COLOURS = {ConsentStatus.GIVEN: "green", ConsentStatus.RENEWED: "green", ConsentStatus.UNKNOWN: "dim"}


def recipient_text(name: str) -> str:
    return "any recipient" if name == ANY_RECIPIENT else name


def moment(microseconds: int | None) -> str | None:
    """UTC, to the millisecond."""
    return None if microseconds is None else _text(microseconds, 1000, 3)


def exact_moment(microseconds: int) -> str:
    """UTC, to the microsecond, as imports read it back."""
    return _text(microseconds, 1, 6)


def _text(microseconds: int, unit: int, digits: int) -> str:
    seconds, fraction = divmod(microseconds, MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{fraction // unit:0{digits}}Z"


def standing_rows(standings: SubjectState, now: float) -> list[Row]:
    rows: list[Row] = []
    for (purpose, recipient), consent in sorted(standings.consents.items()):
        over = consent.valid_until is not None and consent.valid_until <= now
        status = ConsentStatus.EXPIRED if over and consent.status.allows else consent.status
        until = None if consent.valid_until is None else int(consent.valid_until * MICROSECONDS)
        rows.append(
            {
                "purpose": purpose,
                "recipient": recipient,
                "status": status.value,
                "dpv": iri_of(status),
                "valid_until": moment(until),
                "event": consent.event,
            }
        )
    return rows


def event_row(event: ConsentEvent) -> Row:
    return {
        "id": event.id,
        "at": moment(event.at),
        "purpose": event.purpose,
        "recipient": event.recipient,
        "status": event.status.value,
        "dpv": iri_of(event.status),
        "valid_until": moment(event.valid_until),
        "method": event.method,
        "assurance": event.assurance,
        "notice": event.notice,
        "notice_version": event.notice_version,
        "notice_digest": event.notice_digest,
        "actor": event.actor,
        "subject": event.subject,
    }


def notice_row(served: ServedNotice) -> Row:
    return {
        "id": served.id,
        "at": moment(served.at),
        "notice": served.notice,
        "version": served.version,
        "language": served.language,
        "digest": served.digest,
        "method": served.method,
        "subject": served.subject,
    }


def table(title: str, rows: list[Row], columns: tuple[str, ...]) -> Table:
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        cells = [Text(printable(row[column] or "")) for column in columns]
        if "status" in columns:
            cells[columns.index("status")].stylize(_COLOURS.get(ConsentStatus(row["status"] or ""), "red"))
        shown.add_row(*cells)
    return shown
