"""`privacy-gateway disclosure authority list | show`: the register, for people and for programs."""

from collections.abc import Mapping
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.authority_options import REQUEST, event_row, is_overdue, refusals, standing_row
from gateway.cli.output import console, print_json, printable
from gateway.runtime.legal_requests import Register, secrecy_text
from gateway.stores.disclosures import REGISTER
from gateway.stores.legal_request import NOT_SECRET, LegalEvent, Standing


@click.command("list")
@STATE
@click.option("--open", "only_open", is_flag=True, help="Only those that wait for a decision or a production.")
@AS_JSON
def list_command(state: Path, *, only_open: bool, as_json: bool) -> None:
    """List legal requests, the oldest first."""
    found: list[Standing] = []
    if (state / REGISTER).exists():
        with Register(state) as register:
            found = [each for each in register.every() if each.is_open or not only_open]
    if as_json:
        print_json([standing_row(standing) for standing in found])
        return
    table = Table(box=None, pad_edge=False)
    for title in ("id", "status", "authority", "instrument", "people", "received", "due", "secrecy"):
        table.add_column(title, overflow="fold")
    for standing in found:
        table.add_row(*(Text(printable(cell)) for cell in _cells(standing)))
    if found:
        console.print(table)
    else:
        console.print("no legal request is in the register" if not only_open else "no legal request is open")


@click.command("show")
@REQUEST
@STATE
@AS_JSON
def show_command(request: str, state: Path, *, as_json: bool) -> None:
    """Show one request: what it asks for, who did what, and what was given of how many people."""
    with refusals(as_json=as_json), Register(state) as register:
        standing = register.find(request)
        people = register.people(request)
    if as_json:
        handles = [{"place": person.place, "subject": person.handle} for person in people]
        events = [event_row(event) for event in standing.events]
        print_json(standing_row(standing) | {"subjects": handles, "events": events})
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(standing, len(people)).items():
        table.add_row(Text(name), Text(printable(value), overflow="fold"))
    console.print(table)
    steps = Table(box=None, pad_edge=False)
    for title in ("at", "status", "by", "what"):
        steps.add_column(title, overflow="fold")
    for event in standing.events:
        steps.add_row(*(Text(printable(cell)) for cell in (event.at, event.status, event.by, _what(event))))
    console.print(steps)


def _cells(standing: Standing) -> list[str]:
    filed = standing.filed
    due = (filed.due or "") + (" overdue" if is_overdue(standing) else "")
    instrument = f"{filed.instrument} {filed.reference}"
    people, secrecy = str(filed.people), secrecy_text(standing.secret_until)
    return [filed.id, standing.status, filed.authority, instrument, people, filed.received, due, secrecy]


def _facts(standing: Standing, known: int) -> Mapping[str, str]:
    filed, scope = standing.filed, standing.filed.scope
    gone = filed.people - known
    said = {
        "id": filed.id,
        "status": standing.status,
        "authority": filed.authority,
        "instrument": f"{filed.instrument} {filed.reference}",
        "document": f"SHA-256 {filed.document}" if filed.document else "",
        "legal basis": filed.legal_basis,
        "received": filed.received,
        "due": (filed.due or "") + (" overdue" if is_overdue(standing) else ""),
        "secrecy": secrecy_text(standing.secret_until),
        "people": f"{filed.people}" + (f", {gone} of them erased since" if gone else ""),
        "what": ", ".join(scope.what),
        "classes": ", ".join(scope.classes),
        "since": scope.since,
        "until": scope.until,
    }
    return {name: value for name, value in said.items() if value}


def _what(event: LegalEvent) -> str:
    parts = [
        event.because,
        None if event.same_person is None else f"same person: {event.same_person}",
        None if event.secret_until in (None, NOT_SECRET) else secrecy_text(str(event.secret_until)),
        None if event.counts is None else ", ".join(f"{count} {name}" for name, count in event.counts.items()),
    ]
    return "; ".join(part for part in parts if part)
