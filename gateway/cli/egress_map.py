"""`privacy-gateway egress map`: where data goes, and what the rules do not say of it yet."""

import csv
import io
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.egress_map_places import COLUMNS, Place, places
from gateway.cli.output import FINDINGS, FINE, console, fail, print_json, printable
from gateway.runtime.reload import load_directory
from gateway.runtime.settings_file import load_settings
from gateway.stores.destinations import DESTINATIONS, Destination, SqliteDestinationStore

_WAIT = 5.0
_SORTS: Mapping[str, Callable[[Place], Any]] = {
    "last": lambda place: place.last_seen,
    "first": lambda place: place.first_seen,
    "messages": lambda place: place.messages,
    "sent": lambda place: place.sent,
    "received": lambda place: place.received,
    "classes": lambda place: len(place.classes_sent),
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def _given_before(context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    # `egress -c gateway.yaml map` says the same as `egress map -c gateway.yaml`.
    return value or context.find_object(Path)


@click.command("map")
@click.option(
    "-c",
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_given_before,
    help="gateway.yaml, which names state and rules.",
)
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="State directory of the gateway.",
)
@click.option(
    "--rules",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Rules: whose hosts are, and what to add to them.",
)
@click.option("--unknown", is_flag=True, help="Only hosts of no recipient.")
@click.option(
    "--sort", default="last", type=click.Choice([*_SORTS, "host"]), show_default=True, help="What comes first."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def map_command(
    *,
    config: Path | None,
    state: Path | None,
    rules: Path | None,
    unknown: bool,
    sort: str,
    as_json: bool,
    as_csv: bool,
) -> int:
    """Show where data goes: hosts that applications called, how much, and what was found in it.

    With rules it says what the rules lack: a recipient for each unknown host, and classes that were found on
    their way to a recipient whose may_receive does not name them. The exit status is then 2.
    """
    if config is not None:
        settings, _ = load_settings(config)
        state = state or Path(settings.state)
        rules = rules or (Path(settings.rules) if settings.rules else None)
    if state is None:
        raise click.UsageError("give --state DIR, or -c gateway.yaml, which names it")
    policy = None if rules is None else load_directory(rules)[0]
    found, left_out = _read(state, as_json=as_json)
    shown = [each for each in places(found, policy) if each.recipient is None or not unknown]
    if sort == "host":
        shown.sort(key=lambda place: place.host)
    else:
        shown.sort(key=_SORTS[sort], reverse=True)
    if as_json:
        print_json({"left_out": left_out, "places": shown})
    elif as_csv:
        click.echo(_csv(shown), nl=False)
    else:
        _print(shown, left_out, with_rules=policy is not None)
    lacks = policy is not None and any(each.add or each.not_listed for each in shown)
    return FINDINGS if lacks else FINE


def _read(state: Path, *, as_json: bool) -> tuple[list[Destination], int]:
    path = state / DESTINATIONS
    if not path.exists():
        return [], 0
    try:
        store = SqliteDestinationStore(path, busy_timeout=_WAIT)
        try:
            return store.all(), store.left_out()
        finally:
            store.close()
    except sqlite3.Error as problem:
        hint = "; it can be deleted while no gateway runs, and fills again"
        fail(f"{path} cannot be read: {problem}{hint}", as_json=as_json)


def _csv(shown: list[Place]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place in shown:
        cells = (getattr(place, column) for column in COLUMNS)
        writer.writerow([" ".join(cell) if isinstance(cell, tuple) else "" if cell is None else cell for cell in cells])
    return out.getvalue()


def _print(shown: list[Place], left_out: int, *, with_rules: bool) -> None:
    if not shown:
        console.print("nothing to show: no such call went out, as far as the map knows")
    else:
        console.print(_table(shown, with_rules=with_rules))
    if left_out:
        console.print(f"{left_out} more rows had no room; the map keeps those that were seen last")
    for place in shown:
        if place.not_listed:
            names = ", ".join(_short(each) for each in place.not_listed)
            line = Text(f"\n{printable(place.recipient or '')}", style="bold")
            line.append(
                f": found on the way to {place.host}, and may_receive does not name it: {names}", style="not bold"
            )
            console.print(line, soft_wrap=True)
    for place in shown:
        if place.add:
            console.print(Text(f"\n# {place.host} is nobody's yet; in the rules:", style="bold"), soft_wrap=True)
            console.print(Text(place.add), end="", soft_wrap=True)
    if shown and not with_rules:
        console.print("--rules DIR adds role, country and contract, and what the rules lack.")


def _table(shown: list[Place], *, with_rules: bool) -> Table:
    ruled = ("role", "country", "contract ends") if with_rules else ()
    table = Table(box=None, pad_edge=False)
    for title in ("host", "recipient", *ruled, "applications", "first seen", "last seen"):
        table.add_column(title, overflow="fold")
    for title in ("messages", "sent", "received"):
        table.add_column(title, justify="right")
    table.add_column("found in it", overflow="fold")
    table.add_column("refused", justify="right")
    table.add_column("not read", justify="right")
    for place in shown:
        known = place.recipient is not None
        ends = place.contract_expires or ("no end" if place.contract else "none")
        rules = (place.role or "-", place.country or "-", ends if known else "-") if with_rules else ()
        table.add_row(
            Text(printable(place.host)),
            Text(printable(place.recipient or "unknown"), style="" if known else "bold red"),
            *(Text(printable(cell)) for cell in rules),
            Text(printable(", ".join(place.applications))),
            Text(place.first_seen[:10]),
            Text(place.last_seen[:10]),
            str(place.messages),
            _size(place.sent),
            _size(place.received),
            Text(_classes(place)),
            str(place.refused or "-"),
            str(place.unread or "-"),
        )
    return table


def _classes(place: Place) -> str:
    """What was sent, then what came back."""
    out = ", ".join(map(_short, place.classes_sent)) or "-"
    back = ", ".join(map(_short, place.classes_received))
    return f"{out}; back: {back}" if back else out


def _short(data_class: str) -> str:
    return data_class.removeprefix("user.")


def _size(count: int) -> str:
    """Bytes in the largest unit of which there is at least one.

    >>> _size(12), _size(2048), _size(5 * 1024**2)
    ('12 B', '2.0 KiB', '5.0 MiB')
    """
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
