"""`privacy-gateway consent`: record and show what a person agreed to.

The person is given by the identifier that the applications know; only its keyed handle is stored
or printed. A withdrawal counts for the next request in every worker.
"""

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.known_names import spelling_warning
from gateway.cli.output import console, errors, print_json, printable
from gateway.cli.subject_options import WAIT, handle_of, read_identifier
from gateway.model.facts import SubjectState
from gateway.model.words import ConsentStatus
from gateway.runtime.erasure import open_subjects
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.event import ANY_RECIPIENT, MICROSECONDS, ConsentEvent, new_event_id, now_microseconds
from gateway.stores.fold import fold, moment_after
from gateway.stores.keyfile import load_keyring

_METHOD = "command line"
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_ALL = "*"
_DAY = 24 * 3600 * MICROSECONDS
_MOST_DAYS = 36_500
_COLOURS = {ConsentStatus.GIVEN: "green", ConsentStatus.UNKNOWN: "dim"}
_ENDED = (ConsentStatus.WITHDRAWN, ConsentStatus.REFUSED, ConsentStatus.OBJECTED, ConsentStatus.RESTRICTED)


@click.group()
def command() -> None:
    """Record and show what a person agreed to."""


_Decorator: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]

_STATE: _Decorator = click.option(
    "--state",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="State directory of the gateway.",
)
_SUBJECT: _Decorator = click.option(
    "--subject", required=True, help="The person's identifier, or - to read it from standard input."
)
_AS_JSON: _Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _person(function: Callable[..., None]) -> Callable[..., None]:
    """Give the command `--state`, `--subject` and `--json`; it is called with the person's handle.

    What they decide is kept, so whoever has no key gets one.
    """

    @functools.wraps(function)
    def wrapped(state: Path, subject: str, **others: Any) -> None:
        identifier = read_identifier(subject)
        store = open_subjects(state, load_keyring(state), busy_timeout=WAIT)
        try:
            handle = store.handle(identifier)
        except ValueError as problem:
            raise click.BadParameter(str(problem), param_hint="--subject") from None
        finally:
            store.close()
        function(state=state, subject=handle, **others)

    return _STATE(_SUBJECT(_AS_JSON(wrapped)))


def _decision(function: Callable[..., None]) -> Callable[..., None]:
    """The options of `_person`, and `--purpose` and `--recipient`."""
    return _PURPOSE(_RECIPIENT(_person(function)))


def _checked_name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    del context
    if value != _ALL and not _NAME.fullmatch(value):
        raise click.BadParameter("a name has letters, digits, '_', '-' and '.'", param=parameter)
    return value


_PURPOSE: _Decorator = click.option(
    "--purpose", required=True, callback=_checked_name, help="Purpose, as the rules name it."
)
_RECIPIENT: _Decorator = click.option(
    "--recipient",
    default=ANY_RECIPIENT,
    callback=_checked_name,
    help="Recipient, as the rules name it; without it, any.",
)


@command.command()
@_decision
@click.option("--valid-days", type=click.IntRange(1, _MOST_DAYS), help="Days after which the consent ends by itself.")
def grant(*, state: Path, subject: str, purpose: str, recipient: str, valid_days: int | None, as_json: bool) -> None:
    """Record that the person consents to a purpose."""
    if purpose == _ALL:
        raise click.BadParameter("consent is given for one purpose at a time", param_hint="--purpose")
    _record(state, subject, purpose, recipient, ConsentStatus.GIVEN, valid_days=valid_days, as_json=as_json)


@command.command()
@_decision
def withdraw(*, state: Path, subject: str, purpose: str, recipient: str, as_json: bool) -> None:
    """Record that the person withdraws consent; --purpose '*' withdraws from all purposes."""
    _record(state, subject, purpose, recipient, ConsentStatus.WITHDRAWN, as_json=as_json)


@command.command()
@_decision
def refuse(*, state: Path, subject: str, purpose: str, recipient: str, as_json: bool) -> None:
    """Record that the person was asked and refused; --purpose '*' refuses all purposes."""
    _record(state, subject, purpose, recipient, ConsentStatus.REFUSED, as_json=as_json)


@command.command()
@_STATE
@_SUBJECT
@_AS_JSON
def show(state: Path, subject: str, as_json: bool) -> None:
    """Show the person's standing towards each purpose, and every event that led there."""
    handle = handle_of(state, read_identifier(subject))
    if handle is not None:
        _show(state, handle, as_json=as_json)
    elif as_json:
        print_json({"subject": None, "standings": [], "history": []})
    else:
        console.print("nothing is recorded")


def _show(state: Path, subject: str, *, as_json: bool) -> None:
    store = SqliteConsentStore(_path(state), busy_timeout=WAIT)
    try:
        standings, history = store.state(subject), store.history(subject)
    finally:
        store.close()
    rows = _standing_rows(standings, now_microseconds() / MICROSECONDS)
    events = [_event_row(event) for event in history]
    if as_json:
        print_json({"subject": subject, "standings": rows, "history": events})
    elif not events:
        console.print(f"{subject}: nothing is recorded")
    else:
        console.print(_table(f"Standings of {subject}", rows, ("purpose", "recipient", "status", "valid_until")))
        console.print(
            _table("History", events, ("at", "purpose", "recipient", "status", "valid_until", "method", "id"))
        )


def _record(
    state: Path,
    subject: str,
    purpose: str,
    recipient: str,
    status: ConsentStatus,
    *,
    as_json: bool,
    valid_days: int | None = None,
) -> None:
    store = SqliteConsentStore(_path(state), busy_timeout=WAIT)
    try:
        history = store.history(subject)
        at = moment_after(history, now_microseconds())
        event = ConsentEvent(
            id=new_event_id(at),
            subject=subject,
            purpose=purpose,
            recipient=recipient,
            status=status,
            at=at,
            valid_until=None if valid_days is None else at + valid_days * _DAY,
            method=_METHOD,
        )
        store.append(event)
    finally:
        store.close()
    warning = spelling_warning(state, purpose, recipient) or _warning(fold(history), event)
    if as_json:
        print_json({"event": _event_row(event), "warning": warning})
        return
    console.print(f"{event.status.value}: {purpose} for {_recipient(recipient)} ({subject}, event {event.id})")
    if warning:
        errors.print(Text("warning", style="yellow").append(f": {warning}", style="default"), soft_wrap=True)


def _warning(before: SubjectState, event: ConsentEvent) -> str | None:
    """What the operator may not have meant: a grant that stays without effect, or a name never used before."""
    others = [consent for key, consent in before.consents.items() if key != (event.purpose, event.recipient)]
    if event.status is ConsentStatus.GIVEN:
        for consent in others:
            scoped = consent.recipient in (ANY_RECIPIENT, event.recipient)
            if scoped and consent.status in _ENDED and _covers(consent.purpose, event.purpose):
                still = f"{consent.purpose} is still {consent.status.value} for {_recipient(consent.recipient)}"
                return f"{still}, which comes before this consent"
        return None
    known = event.purpose == _ALL or any(_covers(event.purpose, purpose) for purpose, _ in before.consents)
    return None if known else f"nothing was recorded for {event.purpose} before: check that the rules spell it so"


def _covers(wider: str, purpose: str) -> bool:
    return wider in (_ALL, purpose) or purpose.startswith(wider + ".")


def _recipient(name: str) -> str:
    return "any recipient" if name == ANY_RECIPIENT else name


def _path(state: Path) -> Path:
    return state / "consent.sqlite"


def _standing_rows(standings: SubjectState, now: float) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = []
    for (purpose, recipient), consent in sorted(standings.consents.items()):
        over = consent.valid_until is not None and consent.valid_until <= now
        status = ConsentStatus.EXPIRED if over and consent.status is ConsentStatus.GIVEN else consent.status
        until = None if consent.valid_until is None else int(consent.valid_until * MICROSECONDS)
        rows.append(
            {
                "purpose": purpose,
                "recipient": recipient,
                "status": status.value,
                "valid_until": _moment(until),
                "event": consent.event,
            }
        )
    return rows


def _event_row(event: ConsentEvent) -> dict[str, str | None]:
    return {
        "id": event.id,
        "at": _moment(event.at),
        "purpose": event.purpose,
        "recipient": event.recipient,
        "status": event.status.value,
        "valid_until": _moment(event.valid_until),
        "method": event.method,
        "notice": event.notice,
        "notice_digest": event.notice_digest,
        "actor": event.actor,
        "subject": event.subject,
    }


def _moment(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    seconds, fraction = divmod(microseconds, MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{fraction // 1000:03}Z"


def _table(title: str, rows: list[dict[str, str | None]], columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        cells = [Text(printable(row[column] or "")) for column in columns]
        cells[columns.index("status")].stylize(_COLOURS.get(ConsentStatus(row["status"] or ""), "red"))
        table.add_row(*cells)
    return table
