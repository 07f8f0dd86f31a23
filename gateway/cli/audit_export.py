"""`privacy-gateway audit export`: copies of the log for other programs."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from gateway.audit.export import LINE_FORMS, LineForm
from gateway.audit.reading import Entry
from gateway.audit.search import Query, Scan
from gateway.cli.audit_index import answer
from gateway.cli.audit_options import STATE, slots
from gateway.cli.audit_search import filters, query_of
from gateway.cli.counted import counted
from gateway.cli.output import fail

PARQUET = "parquet"


@click.command("export")
@STATE
@filters
@click.option(
    "--format",
    "form",
    default="jsonl",
    type=click.Choice([*LINE_FORMS, PARQUET]),
    show_default=True,
    help="Form of the copy.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File instead of standard output.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
def export_command(state: Path, form: str, output: Path | None, as_json: bool, **wanted: str | None) -> None:
    """Copy records to another form, the newest first.

    Each row keeps origin, index and leaf hash, so that it can be traced back to the log, which alone is
    evidence. A file appears under its name when it is whole.
    """
    form = "jsonl" if as_json else form
    if form == PARQUET and output is None:
        fail("--format parquet needs --output FILE", as_json=as_json)
    found = _entries(state, query_of(state, wanted, None), as_json=as_json)
    if output is None:
        for row in LINE_FORMS[form](found):
            click.echo(row, nl=False)
    else:
        with counted(found, hidden=as_json) as entries:
            if form == PARQUET:
                _write_parquet(entries, output)
            else:
                _write_lines(LINE_FORMS[form], entries, output)


def _entries(state: Path, query: Query, *, as_json: bool) -> Iterable[Entry]:
    """Those of one person or request by the index; for all others one reading of the log is faster."""
    if (query.subject or query.request) and not query.needs_log:
        return answer(state, as_json, lambda finder: list(finder.search(query)))
    return Scan(slots(state, as_json)).search(query)


def _write_lines(form: LineForm, found: Iterable[Entry], output: Path) -> None:
    with _whole_file(output) as file:
        file.writelines(row.encode() for row in form(found))


def _write_parquet(found: Iterable[Entry], output: Path) -> None:
    try:
        from gateway.audit.export_parquet import write_parquet
    except ImportError:
        fail("Parquet needs pyarrow: pip install 'privacy-gateway[archive]'")
    with _whole_file(output) as file:
        write_parquet(found, file)


@contextmanager
def _whole_file(output: Path) -> Iterator[BinaryIO]:
    """A file that gets its name at the end of the block, or never. What is no regular file is written as it is."""
    target = output.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
