"""What several `disclosure authority` commands share: options, how they end, and how a request is printed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

import click

from gateway.audit.search import record_time
from gateway.cli.audit_options import Decorator
from gateway.cli.consent_options import plain
from gateway.cli.output import COULD_NOT_RUN, console, fail, print_json
from gateway.model.words import LegalStatus
from gateway.runtime.legal_requests import instrument_of, secrecy_text
from gateway.stores.legal_request import NOT_SECRET, UNTIL_LIFTED, LegalEvent, RequestRefused, Standing

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
REQUEST: Decorator = click.argument("request", metavar="ID")


def because(*, required: bool, text: str) -> Decorator:
    """`--reason`, which goes into the record as it is given."""
    return click.option(
        "--reason", "because", required=required, callback=plain, help=text + " Recorded; names nobody."
    )


class Day(click.ParamType[str]):
    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            self.fail("write a date as 2026-11-23", param, ctx)


class SecretUntil(click.ParamType[str]):
    """An end of secrecy as `LegalRequest.secret_until` has it; a date is the last day that is secret, by UTC."""

    name = "date|time|lifted|none"

    def __init__(self, words: tuple[str, ...] = (NOT_SECRET, UNTIL_LIFTED)) -> None:
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in self._words:
            return str(value)
        try:
            if _DAY.fullmatch(value):
                return record_time((date.fromisoformat(value) + timedelta(days=1)).isoformat())
            return record_time(value)
        except (ValueError, OverflowError):
            self.fail(
                f"write a date, a time such as 2027-03-31T18:00:00+01:00, or {' or '.join(self._words)}", param, ctx
            )


@contextmanager
def refusals(*, as_json: bool) -> Iterator[None]:
    """End the command with code and reason where the register refuses a step."""
    try:
        yield
    except RequestRefused as refused:
        refuse(refused.code, refused.why, as_json=as_json)


def refuse(code: str, why: str, *, as_json: bool) -> NoReturn:
    """Say why, with a code for programs, and end the command."""
    if as_json:
        print_json({"error": why, "code": code})
        raise click.exceptions.Exit(COULD_NOT_RUN)
    fail(f"{code}: {why}")


def standing_row(standing: Standing) -> dict[str, object]:
    """A request for programs, and for tables."""
    filed = standing.filed
    return {
        "id": filed.id,
        "status": standing.status.value,
        "authority": filed.authority,
        "instrument": instrument_of(filed),
        "legal_basis": filed.legal_basis,
        "received": filed.received,
        "due": filed.due,
        "overdue": is_overdue(standing),
        "secret_until": standing.secret_until,
        "people": filed.people,
        "scope": filed.scope,
    }


def event_row(event: LegalEvent) -> dict[str, object]:
    """A step of a request, without what its first row says already."""
    row = {
        "at": event.at,
        "status": event.status.value,
        "by": event.by,
        "reason": event.because,
        "same_person": event.same_person,
        "secret_until": event.secret_until,
        "counts": event.counts,
        "event": event.id,
    }
    return {name: value for name, value in row.items() if value is not None}


def is_overdue(standing: Standing) -> bool:
    """Whether an answer is owed since before today."""
    due = standing.filed.due
    return standing.is_open and due is not None and due < datetime.now(UTC).date().isoformat()


def print_step(standing: Standing, *, as_json: bool) -> None:
    """What a command did to a request."""
    if as_json:
        print_json(standing_row(standing) | {"events": [event_row(event) for event in standing.events]})
        return
    last = standing.events[-1]
    said = secrecy_text(standing.secret_until)
    if last.status in (LegalStatus.SECRECY_EXTENDED, LegalStatus.SECRECY_LIFTED):
        console.print(f"{standing.filed.id}  {said}", soft_wrap=True)
    else:
        console.print(f"{standing.filed.id}  {standing.status}  {standing.filed.authority}, {said}", soft_wrap=True)
