"""`privacy-gateway consent reconcile`: whether the consent store and the ledger hold the same events."""

from pathlib import Path

import click

from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.consent_options import consent_store
from gateway.cli.output import FINDINGS, console, print_json
from gateway.runtime.consents import complete, reconcile

_SHOWN = 20
_MEANINGS = (
    ("unrecorded", "in the store and not in the ledger: written behind the gateway's back"),
    ("unknown", "in the ledger and not in the store: the store is older than the ledger, or was changed"),
    ("different", "in both, and not alike: one of them was changed"),
)


@click.command("reconcile")
@STATE
@AS_JSON
def reconcile_command(state: Path, as_json: bool) -> None:
    """Record what is owed to the ledger, then compare every event with its record.

    Exit status 2 where they do not agree. That the ledger itself was not changed is for `audit verify` to say.
    """
    with consent_store(state) as store:
        completed = complete(state, store)
        found = reconcile(state, store)
    if as_json:
        rows = {name: getattr(found, name) for name, _ in _MEANINGS}
        print_json({"agree": found.agree, "alike": found.alike, "completed": completed, **rows})
    else:
        if completed:
            console.print(f"{completed} event(s) were still to be recorded, and are now")
        console.print(f"{found.alike} event(s) stand in the store and in the ledger")
        for name, meaning in _MEANINGS:
            ids = getattr(found, name)
            if ids:
                console.print(f"{len(ids)} {meaning}: {', '.join(ids[:_SHOWN])}{' …' if len(ids) > _SHOWN else ''}")
    if not found.agree:
        raise click.exceptions.Exit(FINDINGS)
