"""The rules that a command on a state directory goes by: those given, or those that were last in force there."""

from pathlib import Path

import click

from gateway.cli.audit_options import Decorator
from gateway.cli.output import fail
from gateway.policy.policy import Policy
from gateway.runtime.reload import load_directory, load_kept, today

RULES: Decorator = click.option(
    "--rules",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Rules whose words it uses.  [default: those that were last in force]",
)


def rules_in_force(state: Path, rules: Path | None, as_json: bool) -> Policy:
    """The rules of the directory, or else the newest that the state directory keeps; ends the command without any."""
    if rules is not None:
        return load_directory(rules)[0]
    kept = sorted((state / "policies").glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not kept:
        fail("no rules were in force in this state directory yet: give --rules DIR", as_json=as_json)
    return load_kept(state, kept[-1].stem, today())
