"""`privacy-gateway disclosure authority extend-secrecy | lift-secrecy`: until when the people must not know."""

from pathlib import Path

import click

from gateway.audit.lines import timestamp
from gateway.cli.audit_options import AS_JSON, STATE
from gateway.cli.authority_options import REQUEST, SecretUntil, because, print_step, refusals
from gateway.cli.operator_name import BY
from gateway.cli.output import errors
from gateway.model.words import LegalStatus
from gateway.runtime.legal_requests import Register
from gateway.stores.legal_request import UNTIL_LIFTED, Standing, is_secret


@click.command("extend-secrecy")
@REQUEST
@STATE
@click.option(
    "--until", required=True, type=SecretUntil((UNTIL_LIFTED,)), help="New last day (or time) of secrecy, or 'lifted'."
)
@because(required=True, text="By what right.")
@BY
@AS_JSON
def extend_secrecy_command(request: str, state: Path, until: str, because: str, by: str, *, as_json: bool) -> None:
    """Keep a request secret for longer, from the moment that this returns."""
    with refusals(as_json=as_json), Register(state) as register:
        before = register.find(request)
        standing = register.extend_secrecy(request, until, by=by, because=because)
    print_step(standing, as_json=as_json)
    if not is_secret(before.secret_until, timestamp()) and _was_produced(before):
        errors.print("note: it was not secret until now: the people may have seen what was given", soft_wrap=True)


@click.command("lift-secrecy")
@REQUEST
@STATE
@because(required=True, text="Why.")
@BY
@AS_JSON
def lift_secrecy_command(request: str, state: Path, because: str, by: str, *, as_json: bool) -> None:
    """End a request's secrecy: from now on the people see what was given of them, on their pages and in their files."""
    with refusals(as_json=as_json), Register(state) as register:
        standing = register.lift_secrecy(request, by=by, because=because)
    print_step(standing, as_json=as_json)


def _was_produced(standing: Standing) -> bool:
    return standing.last(LegalStatus.PRODUCED) is not None
