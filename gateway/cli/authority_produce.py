"""`privacy-gateway disclosure authority produce`: exactly what an approved legal request asks for, as signed files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.authority_options import REQUEST, refusals, refuse
from gateway.cli.authority_register import check_authority
from gateway.cli.operator_name import BY
from gateway.cli.output import console, errors, print_json, printable
from gateway.cli.rules_in_force import RULES, rules_in_force
from gateway.cli.subject_options import WAIT
from gateway.runtime.erasure import open_subjects
from gateway.runtime.legal_requests import Register
from gateway.runtime.production_files import Progress as Told
from gateway.runtime.production_files import produce
from gateway.runtime.production_manifest import Production
from gateway.runtime.receipt_key import receipt_key
from gateway.runtime.reload import keep_policy
from gateway.stores.keyfile import load_keyring
from gateway.stores.legal_request import Person


@click.command("produce")
@REQUEST
@STATE
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory to make; it must not be there, or be empty.",
)
@RULES
@BY
@AS_JSON
def produce_command(request: str, state: Path, output: Path, rules: Path | None, by: str, *, as_json: bool) -> None:
    """Write what the gateway holds of the people, within the scope, and a signed manifest.

    What is given is on record before the first file is written. Each run is a production of its own.
    """
    target = output.resolve()
    if target.exists() and any(target.iterdir()):
        refuse("output_exists", f"{output} is not empty: name a directory that is not there yet", as_json=as_json)
    policy = rules_in_force(state, rules, as_json)
    with refusals(as_json=as_json), Register(state) as register:
        standing = register.find(request)
        check_authority(policy, standing.filed.authority)
        # The record names them by digest, by which an auditor finds them.
        keep_policy(state, policy)
        with _bar(hidden=as_json) as progress:
            made = produce(
                state,
                register,
                standing,
                _with_keys(state, register.people(request)),
                by=by,
                policy=policy,
                key=receipt_key(state),
                target=target,
                progress=progress,
            )
    _print(made, target, as_json=as_json)


def _with_keys(state: Path, people: list[Person]) -> list[Person]:
    """Those who were not erased: the register may come from an older copy than the people's keys."""
    store = open_subjects(state, load_keyring(state), busy_timeout=WAIT)
    try:
        held = set(store.holds([person.digest for person in people]))
    finally:
        store.close()
    return [person for person in people if person.digest in held]


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Told]:
    """What is told of the work, as a bar on the terminal of a person."""
    if hidden or not errors.is_terminal:
        yield lambda _what, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("gathering", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _print(made: Production, target: Path, *, as_json: bool) -> None:
    counts = dict(made.event.counts or {})
    if as_json:
        print_json(
            {
                "id": made.standing.filed.id,
                "production": made.event.id,
                "output": str(target),
                "nothing_held": made.is_empty,
                "counts": counts,
                "files": made.files,
            }
        )
        return
    people, erased = counts.pop("people"), counts.pop("erased")
    console.print(Text(printable(f"{made.standing.filed.id}: recorded, and written to {target}")), soft_wrap=True)
    given = ", ".join(f"{name} {count}" for name, count in counts.items())
    console.print(f"{people} {'person' if people == 1 else 'people'}: {given}")
    if made.is_empty:
        console.print("nothing is held of them within the scope; the manifest says so")
    if erased:
        console.print(f"{erased} of them erased: nothing can be given of them; the manifest says so")
