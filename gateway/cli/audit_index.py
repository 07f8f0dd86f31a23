"""`privacy-gateway audit index`, and how the other commands find records: by the index, or by reading the log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from gateway.audit.index import Damaged, Index
from gateway.audit.index_records import Stale
from gateway.audit.search import Scan
from gateway.cli.audit_options import AS_JSON, STATE, slots
from gateway.cli.output import console, errors, fail, print_json, printable
from gateway.model.errors import StoreDown

MIB = 1024 * 1024
Answer = TypeVar("Answer")


@click.command("index")
@STATE
@click.option("--rebuild", is_flag=True, help="Build it from nothing, whatever is there.")
@AS_JSON
def index_command(state: Path, *, rebuild: bool, as_json: bool) -> None:
    """Bring the index for searching up to date, or build it.

    Searching does so by itself. The index is a view: it can be removed at any time.
    """
    home = _home(state, slots(state, as_json))
    if home is None:
        fail("one slot alone has no index: name the state directory", as_json=as_json)
    started = time.monotonic()
    with _open(home, rebuild=rebuild, hidden=as_json) as index:
        seconds = time.monotonic() - started
        records, size = index.records(), index.path.stat().st_size
        path, added = str(index.path), index.added
    if as_json:
        print_json({"path": path, "records": records, "added": added, "bytes": size, "seconds": seconds})
        return
    console.print(Text(printable(path)), soft_wrap=True)
    console.print(f"{records:,} records, {added:,} of them new, {size / MIB:,.1f} MiB, in {seconds:.1f} s")


def answer(state: Path, as_json: bool, ask: Callable[[Index | Scan], Answer], *, reads_log: bool = False) -> Answer:
    """What the index answers; where there can be none, what the log itself does, and a note says so.

    A damaged index is built anew, once. With `reads_log` it is not asked: it does not know what is asked for.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; the index is stale, or the log holds a line that cannot be read.
    """
    logs = slots(state, as_json)
    home = None if reads_log else _home(state, logs)
    for rebuild in (False, True):
        if home is None:
            break
        try:
            with _open(home, rebuild=rebuild, hidden=as_json) as index:
                return ask(index)
        except Stale:
            raise
        except Damaged as damaged:
            _note(f"{damaged.why}; the log itself is read" if rebuild else "the index is damaged and is built anew")
        except StoreDown as down:
            _note(f"{down.why}; the log itself is read")
            break
    return ask(Scan(logs))


def _home(state: Path, logs: list[Path]) -> Path | None:
    """Where the index belongs: beside the slots; None where the directory given is a slot itself."""
    return logs[0].parent if logs[0].parent in (state, state / "audit") and logs[0] != state / "audit" else None


@contextmanager
def _open(home: Path, *, rebuild: bool, hidden: bool) -> Iterator[Index]:
    """The index, with a bar on the terminal of a person where bringing it up to date takes long."""
    if hidden or not errors.is_terminal:
        with Index.open(home, rebuild=rebuild) as index:
            yield index
        return
    columns = (TextColumn("indexing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("indexing", total=None, visible=False)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=total > 16 * MIB)

        opened = Index.open(home, rebuild=rebuild, progress=told)
    with opened as index:
        yield index


def _note(text: str) -> None:
    errors.print(Text(printable(f"note: {text}")), soft_wrap=True)
