"""What commands print: text for people, JSON for programs, and how they end when something is wrong.

Text goes through rich with markup off, so that an address such as `$.items['name']` is never taken
for formatting. Control characters, which file names and rule texts may hold, are shown escaped.
"""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
import msgspec
from rich.console import Console
from rich.text import Text

from gateway.model.errors import Diagnostic, Severity

FINE = 0
COULD_NOT_RUN = 1
FINDINGS = 2

_PIPE_WIDTH = 200
"""Columns where the output is no terminal: wide enough that no table of ours is cut."""

_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}
_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


def _console(*, stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else _PIPE_WIDTH)


console = _console(stderr=False)
errors = _console(stderr=True)


def printable(text: str) -> str:
    """The text with control characters, except tab and line feed, written out in hexadecimal."""
    return text.translate(_ESCAPED)


def print_json(value: Any) -> None:
    """Write one indented JSON value (anything that msgspec encodes) and a line feed to stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_diagnostics(diagnostics: Sequence[Diagnostic], *, to: Console | None = None) -> None:
    """One line each, `FILE:LINE:COLUMN: error CODE: message`, and the hint indented below it."""
    out = console if to is None else to
    for diagnostic in diagnostics:
        place = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}: "
        line = Text(printable(place))
        line.append(diagnostic.severity.value, style=_COLOURS[diagnostic.severity])
        line.append(printable(f" {diagnostic.code}: {diagnostic.message}"))
        out.print(line, soft_wrap=True)
        if diagnostic.hint:
            out.print(Text(printable(f"  hint: {diagnostic.hint}"), style="dim"), soft_wrap=True)


def show_failure(problem: str | Sequence[Diagnostic], *, as_json: bool = False) -> None:
    """Say why a command could not run: to stderr for people, as one object on stdout for programs."""
    if as_json:
        print_json({"error": problem} if isinstance(problem, str) else {"diagnostics": problem})
    elif isinstance(problem, str):
        line = Text("error", style=_COLOURS[Severity.ERROR])
        line.append(printable(f": {problem}"), style="not bold default")
        errors.print(line, soft_wrap=True)
    else:
        print_diagnostics(problem, to=errors)


def fail(problem: str | Sequence[Diagnostic], *, as_json: bool = False, exit_code: int = COULD_NOT_RUN) -> NoReturn:
    """Show the problem and end the command.

    Raises:
        click.exceptions.Exit: always, with `exit_code`.
    """
    show_failure(problem, as_json=as_json)
    raise click.exceptions.Exit(exit_code)
