"""`privacy-gateway audit`: search, show, verify and export the ledger.

`verify` ends with the exit code of its verdict (FORMAT.md, section 7), so that a monitor can tell
a rolled back log from a missing one without reading text.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gateway.audit.export import to_csv, to_jsonl
from gateway.audit.reading import Entry, Head, find_index, head_of, slots_of
from gateway.audit.search import Query, record_time, search
from gateway.audit.verify import read_trust, verify_directory
from gateway.audit.verify_note import Head as Pin
from gateway.audit.verify_note import Malformed, VerifierKey, read_notes
from gateway.audit.verify_report import Verdict
from gateway.cli.audit_text import cells, print_entry, print_report
from gateway.cli.output import console, errors, fail, print_json, printable
from gateway.crypto.keyring import is_subject_handle
from gateway.stores.keyfile import load_keyring

_GOOD = (Verdict.VERIFIED, Verdict.UNANCHORED, Verdict.STALE)

_Decorator: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]
_AS_JSON: _Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_STATE: _Decorator = click.option(
    "--state",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="State directory of the gateway.",
)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Moment(click.ParamType[str]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return record_time(value)
        except ValueError:
            self.fail("write a date or time as 2026-11-23 or 2026-11-23T13:00:00Z", param, ctx)


_FILTERS: tuple[_Decorator, ...] = (
    click.option("--subject", default="", help="A person: the identifier, the handle, or - for standard input."),
    click.option("--recipient", default="", help="Who received."),
    click.option("--route", default="", help="Name of the route."),
    click.option("--class", "data_class", default="", help="A data class, with those below it."),
    click.option("--purpose", default="", help="What for."),
    click.option("--reason", default="", help="Reason of a field or of the whole message."),
    click.option("--kind", default="", help="Kind of record, such as disclose or refuse."),
    click.option("--direction", default="", type=click.Choice(["", "request", "response"]), help="Which way."),
    click.option("--request", default="", help="A request id."),
    click.option("--since", type=_Moment(), help="Not before this time (UTC without an offset)."),
    click.option("--until", type=_Moment(), help="Before this time."),
)


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Search, show, verify and export the ledger."""


@command.command("search")
@_STATE
@_filters
@click.option("--limit", default=50, type=click.IntRange(min=1), show_default=True, help="At most so many.")
@_AS_JSON
def search_command(state: Path, limit: int, as_json: bool, **filters: str | None) -> None:
    """List records, the newest first."""
    found = search(_slots(state, as_json), _query(state, filters, limit))
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


@command.command("show")
@click.argument("what", metavar="INDEX|REQUEST-ID")
@_STATE
@click.option("--slot", default="", help="Which log; needed for an index where there are several.")
@_AS_JSON
def show_command(what: str, state: Path, slot: str, as_json: bool) -> None:
    """Show one record, or all of one request, in full, with the checkpoint that covers it."""
    slots = [path for path in _slots(state, as_json) if slot in ("", path.name)]
    if not slots:
        fail("there is no such slot", as_json=as_json)
    if what.isdecimal() and len(what) < 17:
        if len(slots) > 1:
            fail("an index needs --slot: there are " + ", ".join(path.name for path in slots), as_json=as_json)
        one = find_index(slots[0], int(what))
        found: list[tuple[Entry, Head | None]] = [one] if one else []
    else:
        by_name = {path.name: path for path in slots}
        entries = sorted(search(slots, Query(request=what)), key=lambda entry: (entry.slot, entry.index))
        found = [(entry, head_of(by_name[entry.slot], entry)) for entry in entries]
    if not found:
        fail("there is no such record", as_json=as_json)
    if as_json:
        print_json([{"entry": entry, "checkpoint": head} for entry, head in found])
        return
    for entry, head in found:
        print_entry(entry, head)


@command.command("export")
@_STATE
@_filters
@click.option("--format", "form", default="jsonl", type=click.Choice(["jsonl", "csv"]), show_default=True, help="Form.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File instead of standard output.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
def export_command(state: Path, form: str, output: Path | None, as_json: bool, **filters: str | None) -> None:
    """Copy records to another form, the newest first; each row keeps origin, index and leaf hash."""
    found = search(_slots(state, as_json), _query(state, filters, None))
    rows = to_csv(found) if form == "csv" and not as_json else to_jsonl(found)
    if output is None:
        for row in rows:
            click.echo(row, nl=False)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        file.writelines(rows)


@command.command("verify")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--trust", type=_FILE, help="File of verifier keys to believe, one to a line.")
@click.option("--since", type=_FILE, multiple=True, help="Heads that were saved earlier (signed notes).")
@click.option("--at", type=_Moment(), help="Ask that each log was still being written at this time.")
@click.option("--allow-unanchored", is_flag=True, help="Without --since, end with 0 where all else is good.")
@click.option("--save-heads", type=click.Path(dir_okay=False, path_type=Path), help="Write the heads for --since.")
@_AS_JSON
def verify_command(
    *,
    directory: Path,
    trust: Path | None,
    since: tuple[Path, ...],
    at: str | None,
    allow_unanchored: bool,
    save_heads: Path | None,
    as_json: bool,
) -> None:
    """Check every record and signature in a state or audit DIRECTORY.

    Exit status: 0 VERIFIED, 10 TAMPERED, 11 ROLLED BACK, 12 FORK, 13 INCOMPLETE, 14 STALE, 15 UNANCHORED, 20 CANNOT.
    """
    with _progress(hidden=as_json) as told:
        report = verify_directory(
            directory,
            trust=_read_trust(trust, as_json),
            pins=_read_pins(since, as_json),
            at=datetime.fromisoformat(at) if at else None,
            allow_unanchored=allow_unanchored,
            progress=told,
        )
    if save_heads is not None and report.verdict in _GOOD:
        save_heads.write_text("\n".join(log.checkpoint for log in report.logs), encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        print_report(report)
    raise click.exceptions.Exit(report.exit_code)


def _read_trust(path: Path | None, as_json: bool) -> list[VerifierKey] | None:
    if path is None:
        return None
    try:
        return read_trust(path.read_text(encoding="utf-8"))
    except (Malformed, UnicodeDecodeError) as error:
        fail(f"{path}: {_why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)


def _read_pins(paths: Iterable[Path], as_json: bool) -> list[Pin]:
    pins: list[Pin] = []
    for path in paths:
        try:
            heads = read_notes(path.read_text(encoding="utf-8"))
        except (Malformed, UnicodeDecodeError) as error:
            fail(f"{path}: {_why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)
        pins += heads
    return pins


def _why(error: ValueError) -> str:
    return str(error) if isinstance(error, Malformed) else "not text"


def _slots(state: Path, as_json: bool) -> list[Path]:
    slots = slots_of(state)
    if not slots:
        fail("there is no log in this directory", as_json=as_json)
    return slots


def _query(state: Path, filters: dict[str, str | None], limit: int | None) -> Query:
    wanted = {name: value or "" for name, value in filters.items()}
    subject = wanted.pop("subject")
    if subject == "-":
        subject = sys.stdin.readline().strip()
    if subject and not is_subject_handle(subject):
        try:
            subject = load_keyring(state).subject_handle(subject)
        except ValueError as problem:
            raise click.BadParameter(str(problem), param_hint="--subject") from None
    return Query(subject=subject, limit=limit, **wanted)


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on the terminal of a person; it shows only where the run is long enough to be seen."""
    if hidden or not errors.is_terminal:
        yield None
        return
    columns = (TextColumn("verifying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("verifying", total=None)
        shown = 0

        def told(done: int, total: int) -> None:
            nonlocal shown
            if done - shown >= 1 << 20:
                shown = done
                bar.update(task, completed=done, total=total)

        yield told
