"""Counting records on the terminal of a person while a command works through them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gateway.audit.reading import Entry
from gateway.cli.output import errors


@contextmanager
def counted(found: Iterable[Entry], *, hidden: bool) -> Iterator[Iterable[Entry]]:
    """The same entries, counted on the terminal of a person. How many there will be is not known."""
    if hidden or not errors.is_terminal:
        yield found
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} records"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        yield bar.track(found, description="records")
