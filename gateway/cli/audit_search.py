"""`privacy-gateway audit search`, `show` and `export`: records for people and for other programs."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from gateway.audit.heads import ANCHOR_SLOT
from gateway.audit.index import Index
from gateway.audit.reading import Entry, Head, find_index
from gateway.audit.search import GROUPS, Counts, Group, Query, Scan
from gateway.cli.audit_index import answer
from gateway.cli.audit_options import AS_JSON, STATE, Decorator, Moment, slots
from gateway.cli.audit_text import cells, print_entry
from gateway.cli.output import console, fail, print_json, printable
from gateway.cli.subject_options import NOBODY, handle_of
from gateway.crypto.keyring import is_subject_handle
from gateway.model.identity import APPLICATION_CALLER

_FILTERS: tuple[Decorator, ...] = (
    click.option("--subject", default="", help="A person: identifier, pseudonym, handle, or - for standard input."),
    click.option(
        "--caller",
        default="",
        help="application:NAME; or a person (identifier, handle, or -), by reading all of the log.",
    ),
    click.option("--recipient", default="", help="Who received."),
    click.option("--route", default="", help="Name of the route."),
    click.option("--class", "data_class", default="", help="A data class, with those below it."),
    click.option("--purpose", default="", help="What for."),
    click.option("--reason", default="", help="Reason of a field or of the whole message."),
    click.option("--kind", default="", help="Kind of record, such as disclose or refuse; heads only if asked for."),
    click.option("--direction", default="", type=click.Choice(["", "request", "response"]), help="Which way."),
    click.option("--request", default="", help="A request id."),
    click.option("--since", type=Moment(), help="Not before this time (UTC without an offset)."),
    click.option("--until", type=Moment(), help="Before this time."),
)


def filters(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say which records are meant; `query_of` takes their values."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@click.command("search")
@STATE
@filters
@click.option("--limit", default=50, type=click.IntRange(min=1), show_default=True, help="At most so many.")
@click.option("--count", "only_count", is_flag=True, help="Say how many there are, without a limit.")
@click.option("--by", type=click.Choice(GROUPS), help="Count for each of these.")
@AS_JSON
def search_command(
    *, state: Path, limit: int, only_count: bool, by: Group | None, as_json: bool, **wanted: str | None
) -> None:
    """List records, the newest first, or count them."""
    query = query_of(state, wanted, limit)
    if only_count or by is not None:
        counts = answer(state, as_json, lambda finder: finder.count(query, by), reads_log=query.needs_log)
        _print_counts(counts, by, as_json=as_json)
        return
    found = answer(state, as_json, lambda finder: list(finder.search(query)), reads_log=query.needs_log)
    if as_json:
        print_json(found)
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


def _print_counts(counts: Counts, by: Group | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"records": counts.records} | ({"by": by, "values": counts.values} if by else {}))
        return
    if by is not None and counts.values:
        table = Table(box=None, pad_edge=False)
        table.add_column(by, overflow="fold")
        table.add_column("records", justify="right")
        for value, records in counts.values.items():
            table.add_row(Text(printable(value or "-")), Text(str(records)))
        console.print(table)
    console.print(f"{counts.records} {'record' if counts.records == 1 else 'records'} in all")


@click.command("show")
@click.argument("what", metavar="INDEX|REQUEST-ID")
@STATE
@click.option("--slot", default="", help="Which log; needed for an index where there are several.")
@AS_JSON
def show_command(what: str, state: Path, slot: str, as_json: bool) -> None:
    """Show one record, or all of one request, in full, with the checkpoint that covers it."""
    logs = [path for path in slots(state, as_json) if path.name == slot or (not slot and path.name != ANCHOR_SLOT)]
    if not logs:
        fail("there is no such slot", as_json=as_json)
    if what.isdecimal() and len(what) < 17:
        if len(logs) > 1:
            fail("an index needs --slot: there are " + ", ".join(path.name for path in logs), as_json=as_json)
        one = find_index(logs[0], int(what))
        found: list[tuple[Entry, Head | None]] = [one] if one else []
    else:
        names = {path.name for path in logs}
        found = answer(state, as_json, lambda finder: _request(finder, what, names))
    if not found:
        fail("there is no such record", as_json=as_json)
    if as_json:
        print_json([{"entry": entry, "checkpoint": head} for entry, head in found])
        return
    for entry, head in found:
        print_entry(entry, head)


def _request(finder: Index | Scan, request: str, slots: set[str]) -> list[tuple[Entry, Head | None]]:
    entries = (entry for entry in finder.search(Query(request=request)) if entry.slot in slots)
    return [(entry, finder.head(entry)) for entry in sorted(entries, key=lambda entry: (entry.slot, entry.index))]


def query_of(state: Path, given: dict[str, str | None], limit: int | None) -> Query:
    """What the options of `filters` ask for. Ends the command where a person cannot be one."""
    wanted = {name: value or "" for name, value in given.items()}
    subject, caller = person(state, wanted.pop("subject")), wanted.pop("caller")
    if not caller.startswith(APPLICATION_CALLER):
        caller = person(state, caller)
    return Query(subject=subject, caller=caller, limit=limit, **wanted)


def person(state: Path, said: str) -> str:
    """The handle of a person who is given by identifier, pseudonym or handle, or on standard input (`-`).

    Raises:
        click.BadParameter: the text names nobody.
    """
    if said == "-":
        said = sys.stdin.readline().strip()
    if said and not is_subject_handle(said):
        return handle_of(state, said) or NOBODY
    return said
