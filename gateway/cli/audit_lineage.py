"""`privacy-gateway audit lineage`: what was collected of one person, and where data of its class went."""

from pathlib import Path

import click
import msgspec
from rich.table import Table
from rich.text import Text

from gateway.audit.index import Index
from gateway.audit.lineage import ClassLineage, Flow, Lineage, Outcome, Place, Wanted, trace
from gateway.audit.lines import timestamp
from gateway.audit.reading import Entry, find_index, pruned_until
from gateway.audit.search import Query, Scan
from gateway.cli.audit_index import answer
from gateway.cli.audit_options import AS_JSON, STATE, Moment, slots
from gateway.cli.audit_search import person
from gateway.cli.counted import counted
from gateway.cli.output import console, errors, fail, print_json, printable
from gateway.cli.subject_options import NOBODY
from gateway.model.words import TRAFFIC, Direction

_STYLES = {Outcome.PASSED: "", Outcome.WITHHELD: "dim", Outcome.REFUSED: "red"}
_NO_CLASS = "of no listed class"


class Told(msgspec.Struct, frozen=True):
    """What the command prints. What was durable by `as_of` is in it; what is older than `pruned_until` may not be."""

    subject: str | None
    as_of: str
    pruned_until: str | None
    records: int
    classes: tuple[ClassLineage, ...]


@click.command("lineage")
@STATE
@click.option("--subject", default="", help="A person: identifier, pseudonym, handle, or - for standard input.")
@click.option("--record", "place", default="", metavar="SLOT/INDEX", help="What led to this record's data, or from it.")
@click.option("--class", "data_class", default="", help="A data class, with those below it.")
@click.option("--recipient", default="", help="Only what went to this recipient.")
@click.option("--since", type=Moment(), help="Only what went out not before this time (UTC without an offset).")
@click.option("--until", type=Moment(), help="Only what happened before this time.")
@AS_JSON
def lineage_command(
    *,
    state: Path,
    subject: str,
    place: str,
    data_class: str,
    recipient: str,
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Join what was collected of a person with what went out: by class, with recipient, purpose, basis and consent.

    Both are of one person and class; no record proves that what went out is what was collected.
    """
    if bool(subject) == bool(place):
        raise click.UsageError("give --subject, or --record")
    logs = slots(state, as_json)
    of = _record(logs, place, as_json) if place else None
    handle = str(of.record["subject"]) if of is not None else person(state, subject)
    wanted = Wanted(data_class=data_class, recipient=recipient, since=since or "", of=of)
    as_of = timestamp()

    def ask(finder: Index | Scan) -> Lineage:
        with counted(finder.search(Query(subject=handle, until=until or "")), hidden=as_json) as entries:
            return trace(entries, handle, wanted)

    found = answer(state, as_json, ask)
    known = None if handle == NOBODY else handle
    told = Told(known, as_of, pruned_until(logs) or None, found.records, found.classes)
    if as_json:
        print_json(told)
    else:
        _print(told)


def _record(logs: list[Path], place: str, as_json: bool) -> Entry:
    """The record of a message about somebody that stands there. Ends the command where there is none."""
    name, _, index = place.rpartition("/")
    if not (name and index.isdecimal()):
        raise click.BadParameter("write SLOT/INDEX, such as w0/12", param_hint="--record")
    found = next((find_index(log, int(index)) for log in logs if log.name == name), None)
    if found is None:
        fail("there is no such record", as_json=as_json)
    entry, _ = found
    if entry.record.get("kind") not in TRAFFIC or not isinstance(entry.record.get("subject"), str):
        fail("this record is of no message about one person, so nothing joins it with others", as_json=as_json)
    return entry


def _print(told: Told) -> None:
    for each in told.classes:
        console.print(Text(printable(each.data_class or _NO_CLASS), style="bold"))
        console.print(_table(each))
        if any(flow.before_collection and flow.outcome is Outcome.PASSED for flow in each.went):
            what = "some of it went before any was collected" if each.collected else "nothing of it was collected"
            console.print(f"  {what}, as far as records say")
        console.print()
    if not told.classes:
        console.print("no such record is about this person")
    how_many = f"{told.records} {'record' if told.records == 1 else 'records'}"
    console.print(f"{how_many} of {told.subject or 'nobody that is known'}, as of {told.as_of}", soft_wrap=True)
    if told.pruned_until is not None:
        note = f"older records were pruned: what was collected before {told.pruned_until} may be missing"
        errors.print(Text("note", style="yellow").append(f": {note}", style="default"), soft_wrap=True)


def _table(found: ClassLineage) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "who", "route", "by", "for", "what became of it", "when", "records"):
        table.add_column(title, overflow="fold")
    for flow in (*found.collected, *found.went):
        cells = (_arrow(flow), flow.recipient, _route(flow), flow.caller, _purpose(flow), _fate(flow), *_records(flow))
        table.add_row(*(Text(printable(cell or "-")) for cell in cells), style=_STYLES[flow.outcome])
    return table


def _arrow(flow: Flow) -> str:
    passed = flow.outcome is Outcome.PASSED
    if flow.collected:
        return "  ●" if passed else "  ○"
    return "    →" if passed else "    ↛"


def _route(flow: Flow) -> str:
    return f"{flow.route} (answer)" if flow.direction == Direction.RESPONSE else flow.route


def _purpose(flow: Flow) -> str:
    basis = " ".join((flow.basis, *flow.consent))
    return f"{flow.purpose} ({basis})" if basis else flow.purpose


def _fate(flow: Flow) -> str:
    if flow.outcome is Outcome.REFUSED:
        return f"refused: {flow.reason}"
    if flow.outcome is Outcome.WITHHELD:
        return f"{flow.action}: {flow.reason}"
    return "value" if flow.action in ("keep", "pass") else flow.action


def _records(flow: Flow) -> tuple[str, str]:
    """When they were made, and which they are."""
    if flow.records == 1:
        return _second(flow.first), flow.first.record
    first, last = _second(flow.first), _second(flow.last)
    when = first if first == last else f"{first} to {last}"
    return when, f"{flow.records}: {flow.first.record} to {flow.last.record}"


def _second(place: Place) -> str:
    return place.time[:19].replace("T", " ")
