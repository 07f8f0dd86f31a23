"""`privacy-gateway consent show`: what one person decided, and what was shown to them."""

from pathlib import Path

import click

from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.consent_options import consent_store
from gateway.cli.consent_text import event_row, notice_row, standing_rows, table
from gateway.cli.output import console, print_json
from gateway.cli.subject_options import SUBJECT, handle_of, read_identifier
from gateway.stores.event import MICROSECONDS, now_microseconds


@click.command("show")
@STATE
@click.option("--subject", required=True, help=SUBJECT)
@AS_JSON
def show_command(state: Path, subject: str, as_json: bool) -> None:
    """Show the person's standing towards each purpose, every event that led there, and notices that were shown."""
    handle = handle_of(state, read_identifier(subject))
    if handle is not None:
        _show(state, handle, as_json=as_json)
    elif as_json:
        print_json({"subject": None, "standings": [], "history": [], "notices": []})
    else:
        console.print("nothing is recorded")


def _show(state: Path, subject: str, *, as_json: bool) -> None:
    with consent_store(state) as store:
        standings, history, served = store.state(subject), store.history(subject), store.served(subject)
    rows = standing_rows(standings, now_microseconds() / MICROSECONDS)
    events = [event_row(event) for event in history]
    notices = [notice_row(notice) for notice in served]
    if as_json:
        print_json({"subject": subject, "standings": rows, "history": events, "notices": notices})
        return
    if not (events or notices):
        console.print(f"{subject}: nothing is recorded")
        return
    if notices:
        console.print(table("Notices shown", notices, ("at", "notice", "version", "language", "method", "digest")))
    console.print(table(f"Standings of {subject}", rows, ("purpose", "recipient", "status", "valid_until")))
    columns = ("at", "purpose", "recipient", "status", "valid_until", "method", "notice", "notice_version", "id")
    console.print(table("History", events, columns))
