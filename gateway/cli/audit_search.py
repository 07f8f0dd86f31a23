"""`privacy-gateway audit search`, `show` and `export`: records for people and for other programs."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from gateway.audit.export import to_csv, to_jsonl
from gateway.audit.reading import Entry, Head, find_index, head_of
from gateway.audit.search import Query, search
from gateway.cli.audit_options import AS_JSON, STATE, Decorator, Moment, slots
from gateway.cli.audit_text import cells, print_entry
from gateway.cli.output import console, fail, print_json, printable
from gateway.cli.subject_options import NOBODY, handle_of
from gateway.crypto.keyring import is_subject_handle

_FILTERS: tuple[Decorator, ...] = (
    click.option("--subject", default="", help="A person: the identifier, the handle, or - for standard input."),
    click.option("--recipient", default="", help="Who received."),
    click.option("--route", default="", help="Name of the route."),
    click.option("--class", "data_class", default="", help="A data class, with those below it."),
    click.option("--purpose", default="", help="What for."),
    click.option("--reason", default="", help="Reason of a field or of the whole message."),
    click.option("--kind", default="", help="Kind of record, such as disclose or refuse."),
    click.option("--direction", default="", type=click.Choice(["", "request", "response"]), help="Which way."),
    click.option("--request", default="", help="A request id."),
    click.option("--since", type=Moment(), help="Not before this time (UTC without an offset)."),
    click.option("--until", type=Moment(), help="Before this time."),
)


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@click.command("search")
@STATE
@_filters
@click.option("--limit", default=50, type=click.IntRange(min=1), show_default=True, help="At most so many.")
@AS_JSON
def search_command(state: Path, limit: int, as_json: bool, **filters: str | None) -> None:
    """List records, the newest first."""
    found = search(slots(state, as_json), _query(state, filters, limit))
    if as_json:
        print_json(list(found))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("time", "slot", "index", "kind", "route", "recipient", "subject", "what", "request"):
        table.add_column(title, overflow="fold")
    for entry in found:
        table.add_row(*(Text(printable(cell)) for cell in cells(entry)))
    if table.row_count:
        console.print(table)
    else:
        console.print("no record matches")


@click.command("show")
@click.argument("what", metavar="INDEX|REQUEST-ID")
@STATE
@click.option("--slot", default="", help="Which log; needed for an index where there are several.")
@AS_JSON
def show_command(what: str, state: Path, slot: str, as_json: bool) -> None:
    """Show one record, or all of one request, in full, with the checkpoint that covers it."""
    logs = [path for path in slots(state, as_json) if slot in ("", path.name)]
    if not logs:
        fail("there is no such slot", as_json=as_json)
    if what.isdecimal() and len(what) < 17:
        if len(logs) > 1:
            fail("an index needs --slot: there are " + ", ".join(path.name for path in logs), as_json=as_json)
        one = find_index(logs[0], int(what))
        found: list[tuple[Entry, Head | None]] = [one] if one else []
    else:
        by_name = {path.name: path for path in logs}
        entries = sorted(search(logs, Query(request=what)), key=lambda entry: (entry.slot, entry.index))
        found = [(entry, head_of(by_name[entry.slot], entry)) for entry in entries]
    if not found:
        fail("there is no such record", as_json=as_json)
    if as_json:
        print_json([{"entry": entry, "checkpoint": head} for entry, head in found])
        return
    for entry, head in found:
        print_entry(entry, head)


@click.command("export")
@STATE
@_filters
@click.option("--format", "form", default="jsonl", type=click.Choice(["jsonl", "csv"]), show_default=True, help="Form.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File instead of standard output.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
def export_command(state: Path, form: str, output: Path | None, as_json: bool, **filters: str | None) -> None:
    """Copy records to another form, the newest first; each row keeps origin, index and leaf hash."""
    found = search(slots(state, as_json), _query(state, filters, None))
    rows = to_csv(found) if form == "csv" and not as_json else to_jsonl(found)
    if output is None:
        for row in rows:
            click.echo(row, nl=False)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        file.writelines(rows)


def _query(state: Path, filters: dict[str, str | None], limit: int | None) -> Query:
    wanted = {name: value or "" for name, value in filters.items()}
    subject = wanted.pop("subject")
    if subject == "-":
        subject = sys.stdin.readline().strip()
    if subject and not is_subject_handle(subject):
        subject = handle_of(state, subject) or NOBODY
    return Query(subject=subject, limit=limit, **wanted)
