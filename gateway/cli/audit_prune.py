"""`privacy-gateway audit prune`: delete the bodies of old segments; their proofs and the reason stay."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from gateway.audit.clock_doubt import confirm, doubts
from gateway.audit.retention import Doomed, Swept, prunable, prune, sweep
from gateway.audit.sealed import Body
from gateway.audit.search import record_time
from gateway.cli.audit_options import AS_JSON, STATE, Moment
from gateway.cli.operator_name import BY
from gateway.cli.output import console, errors, fail, print_json, printable
from gateway.runtime.legal_requests import Register
from gateway.runtime.operators import AUDIT, operator_log
from gateway.stores.disclosures import REGISTER
from gateway.stores.legal_request import DISCLOSURES

_WAITING = (
    "{count} segment(s) are recorded and wait until the log of heads covers that record: "
    "run `privacy-gateway audit prune` again in a minute or two"
)
_CONFIRM = "look at the host's clock; if it is right, add --confirm-clock, which is recorded"
_ASKED_FOR = "the legal request {request} is open: what it asks for may be among the records that go"


class Age(click.ParamType[int]):
    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([1-9][0-9]{0,4})d", str(value))
        if match is None:
            self.fail("write an age in days, as 400d", param, ctx)
        return int(match[1])


@click.command("prune")
@STATE
@click.option("--older-than", type=Age(), help="Segments all of whose records are older, as 400d.")
@click.option("--before", type=Moment(), help="Segments all of whose records are from before this time (UTC).")
@click.option("--slot", default="", help="Only this log.")
@click.option("--dry-run", is_flag=True, help="Only list what would go.")
@click.option("--confirm-clock", is_flag=True, help="The host's clock is right, although there is reason to doubt it.")
@BY
@AS_JSON
def prune_command(
    *,
    state: Path,
    older_than: int | None,
    before: str | None,
    slot: str,
    dry_run: bool,
    confirm_clock: bool,
    by: str,
    as_json: bool,
) -> None:
    """Delete the bodies of sealed segments that are old enough.

    Leaf hashes and signed notes stay, so that proofs keep working, and a record in the log of slot
    operator says what went and why. Where heads are anchored, bodies go once that record is.
    """
    now = _now()
    limit, policy = _limit(now, older_than, before)
    audit = state / AUDIT
    found = doubts(audit, now)
    if found and not (confirm_clock or dry_run):
        fail("nothing is deleted by a clock that may be wrong: " + "; ".join(found) + ". " + _CONFIRM, as_json=as_json)
    for request in _open_requests(state):
        errors.print(Text(f"warning: {_ASKED_FOR.format(request=request)}", style="yellow"), soft_wrap=True)
    if dry_run:
        _print(list(_without_leaves(prunable(audit, limit, slot))), Swept(), found, as_json, dry_run=True)
        return
    log = operator_log(state)
    if found:
        confirm(audit, log, by=by, now=now)
    earlier = sweep(audit)
    recorded = prune(prunable(audit, limit, slot), log, policy=policy, by=by)
    swept = sweep(audit)
    swept.deleted = earlier.deleted + swept.deleted
    _print(recorded, swept, found, as_json, dry_run=False)


def _open_requests(state: Path) -> list[str]:
    """Legal requests that wait for a decision or a production, and ask for records."""
    if not (state / REGISTER).exists():
        return []
    with Register(state) as register:
        return [
            standing.filed.id
            for standing in register.every()
            if standing.is_open and DISCLOSURES in standing.filed.scope.what
        ]


def _now() -> datetime:
    return datetime.now(UTC)


def _limit(now: datetime, older_than: int | None, before: str | None) -> tuple[str, str]:
    """The time before which records may go, and why, for the record."""
    if (older_than is None) == (before is None):
        raise click.UsageError("give --older-than, or --before")
    if older_than is not None:
        return record_time((now - timedelta(days=older_than)).isoformat()), f"retention {older_than}d"
    assert before is not None
    return before, f"before {before}"


def _without_leaves(bodies: Iterator[Body]) -> Iterator[Body]:
    """What is only listed need not be kept in memory."""
    for body in bodies:
        yield msgspec.structs.replace(body, leaves=b"")


def _print(bodies: Sequence[Body], swept: Swept, doubted: list[str], as_json: bool, *, dry_run: bool) -> None:
    if as_json:
        rows = [_row(body) for body in bodies]
        print_json(
            {
                "segments": rows,
                "deleted": _names(swept.deleted),
                "waiting": _names(swept.waiting),
                "doubts": doubted,
                "dry_run": dry_run,
            }
        )
        return
    for doubt in doubted:
        errors.print(Text("warning", style="yellow").append(f": {printable(doubt)}", style="default"), soft_wrap=True)
    _print_table(bodies)
    if dry_run:
        console.print(f"{len(bodies)} segment(s) would go; nothing was changed")
        return
    freed = sum(each.length for each in swept.deleted)
    console.print(f"{len(_names(swept.deleted))} segment(s) deleted, {freed} bytes")
    if swept.waiting:
        console.print(_WAITING.format(count=len(_names(swept.waiting))), soft_wrap=True)


def _print_table(bodies: Sequence[Body]) -> None:
    if not bodies:
        console.print("no segment is old enough")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("slot", "segment", "from", "to", "leaves", "bytes"):
        table.add_column(title, overflow="fold")
    for body in bodies:
        table.add_row(*(Text(printable(str(cell))) for cell in _row(body).values()))
    console.print(table)


def _row(body: Body) -> dict[str, object]:
    return {
        "slot": body.path.parent.parent.name,
        "segment": body.path.name,
        "from": body.oldest,
        "to": body.newest,
        "leaves": body.size,
        "bytes": body.length,
    }


def _names(doomed: Sequence[Doomed]) -> list[str]:
    """Each segment once, also where it lay in two directories."""
    return list(dict.fromkeys(f"{each.slot}/{each.segment}" for each in doomed))
