"""`privacy-gateway consent import`: consent records of other tools, checked whole before any of them counts."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.consent_options import consent_store
from gateway.cli.known_names import known_names
from gateway.cli.operator_name import BY
from gateway.cli.output import FINDINGS, console, errors, fail, print_diagnostics, print_json
from gateway.cli.subject_options import WAIT
from gateway.runtime.consent_import import Checked, check_drafts, record_drafts
from gateway.runtime.erasure import open_subjects
from gateway.runtime.reload import load_directory
from gateway.stores.cells import Cell, Problems, TableRow, read_csv, read_json
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.consent_rows import COLUMNS, Known, read_drafts
from gateway.stores.event import now_microseconds
from gateway.stores.keyfile import load_keyring
from gateway.stores.subjects import SqliteSubjectStore

FORMATS = ("csv", "json", "jsonl")
_MOST_SHOWN = 1000
_SHOW_EVERY = 500
_Told = Callable[[int, int], None]


@click.command("import")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@STATE
@click.option("--format", "form", type=click.Choice(FORMATS), help="Without it, by the file's name or beginning.")
@click.option(
    "--rules",
    type=click.Path(exists=True, path_type=Path),
    help="Rules whose purposes and recipients are known.  [default: those that were ever in force]",
)
@click.option("--dry-run", is_flag=True, help="Only say what is wrong, and how much is new.")
@BY
@AS_JSON
def import_command(
    *, source: str, state: Path, form: str | None, rules: Path | None, dry_run: bool, by: str, as_json: bool
) -> None:
    """Record the consent events in FILE (- for standard input): CSV, JSON or JSON Lines.

    docs/consent.md explains the columns. Everything that is wrong is said at once, with line and column,
    and then nothing is recorded (exit status 2). An event that is there already is passed over, so a file
    can be imported again. Identifiers become handles and are neither stored nor printed.
    """
    problems = Problems(source)
    text = _text(source, problems, as_json=as_json)
    known = _known(state, rules, as_json=as_json)
    keys = load_keyring(state)
    people = open_subjects(state, keys, busy_timeout=WAIT)
    try:
        with consent_store(state) as store:
            with _progress(text.count("\n"), hidden=as_json) as told:
                checked = _check(text, form or _format_of(source, text), known, (store, people), problems, told=told)
            if problems.found:
                _refuse(problems, as_json=as_json)
            count = len({draft.person for draft in checked.new})
            if not dry_run:
                with _working(hidden=as_json):
                    count = record_drafts(state, checked.new, store, people, keys, by=by)
    finally:
        people.close()
    _print(checked, count, dry_run=dry_run, as_json=as_json)


def _check(
    text: str,
    form: str,
    known: Known,
    stores: tuple[SqliteConsentStore, SqliteSubjectStore],
    problems: Problems,
    *,
    told: _Told,
) -> Checked:
    rows: Iterator[TableRow] = (read_csv if form == "csv" else read_json)(text, COLUMNS, problems)
    return check_drafts(read_drafts(rows, known, problems), *stores, problems, told)


def _text(source: str, problems: Problems, *, as_json: bool) -> str:
    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        problems.add("CI101", Cell("", line, column), "the file is not UTF-8", "save it in that encoding")
        _refuse(problems, as_json=as_json)


def _format_of(source: str, text: str) -> str:
    suffix = Path(source).suffix.lower().removeprefix(".")
    if suffix in FORMATS:
        return suffix
    return "json" if text.lstrip()[:1] in ("[", "{") else "csv"


def _known(state: Path, rules: Path | None, *, as_json: bool) -> Known:
    if rules is not None:
        policy, _ = load_directory(rules)
        return Known(frozenset(policy.purposes), frozenset(policy.recipients), now_microseconds())
    names = known_names(state)
    if names is None:
        fail("no rules were in force here yet: name them with --rules", as_json=as_json)
    return Known(frozenset(names[0]), frozenset(names[1]), now_microseconds())


def _refuse(problems: Problems, *, as_json: bool) -> NoReturn:
    found = sorted(problems.found)
    if as_json:
        print_json({"diagnostics": found, "new": 0})
    else:
        print_diagnostics(found[:_MOST_SHOWN])
        more = f" ({len(found) - _MOST_SHOWN} not shown)" if len(found) > _MOST_SHOWN else ""
        count = "1 diagnostic" if len(found) == 1 else f"{len(found)} diagnostics"
        console.print(f"{count}{more}; nothing was recorded")
    raise click.exceptions.Exit(FINDINGS)


def _print(checked: Checked, people: int, *, dry_run: bool, as_json: bool) -> None:
    new = len(checked.new)
    if as_json:
        print_json({"diagnostics": [], "new": new, "there": checked.there, "people": people, "dry_run": dry_run})
        return
    verb = "would be recorded" if dry_run else "recorded"
    console.print(f"{new} event(s) of {people} people {verb}, {checked.there} were there already")


@contextmanager
def _progress(lines: int, *, hidden: bool) -> Iterator[_Told]:
    """A bar on the terminal of a person; rows are about as many as lines."""
    if hidden or not errors.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("checking", total=lines)

        def told(done: int, total: int) -> None:
            del total
            if done % _SHOW_EVERY == 0:
                bar.update(task, completed=done)

        yield told


@contextmanager
def _working(*, hidden: bool) -> Iterator[None]:
    if hidden or not errors.is_terminal:
        yield
        return
    with errors.status("recording"):
        yield
