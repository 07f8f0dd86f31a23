"""`privacy-gateway diff OLD NEW`: what a change of the rules changes for the fields."""

import time
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.output import FINDINGS, FINE, console, print_json

_RULES = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("old", type=_RULES)
@click.argument("new", type=_RULES)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for programs.")
def command(old: Path, new: Path, as_json: bool) -> int:
    """Show which fields of which routes change verdict from the rules in OLD to those in NEW.

    Exit status 0 when nothing changes, 2 when something does.
    """
    from gateway.engine.compare import compare
    from gateway.runtime.reload import load_directory

    before, _ = load_directory(old)
    after, _ = load_directory(new)
    changes = compare(before, after, now=time.time())
    if as_json:
        print_json({"old": before.digest, "new": after.digest, "changes": changes})
    elif changes:
        table = Table("route", "direction", "field", "old", "new", "under", show_lines=True)
        for change in changes:
            facts = "\n".join(change.facts) or "all facts"
            cells = (change.route, change.direction, change.address, change.old, change.new, facts)
            table.add_row(*(Text(cell) for cell in cells))
        console.print(table)
        console.print(f"{len(changes)} changes from {before.digest} to {after.digest}", soft_wrap=True)
    else:
        console.print(f"no verdict changes from {before.digest} to {after.digest}", soft_wrap=True)
    return FINDINGS if changes else FINE
