"""Options that several `audit` commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import click

from gateway.audit.reading import slots_of
from gateway.audit.search import record_time
from gateway.cli.output import fail

Decorator: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]
AS_JSON: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
STATE: Decorator = click.option(
    "--state",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="State directory of the gateway.",
)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Moment(click.ParamType[str]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return record_time(value)
        except ValueError:
            self.fail("write a date or time as 2026-11-23 or 2026-11-23T13:00:00Z", param, ctx)


def slots(state: Path, as_json: bool) -> list[Path]:
    """The slots of a state directory; ends the command where there is none."""
    found = slots_of(state)
    if not found:
        fail("there is no log in this directory", as_json=as_json)
    return found
