"""`privacy-gateway audit`: what can be done with the ledger. Each command has its own file beside this one."""

import click

from gateway.cli.audit_prove import check_proof_command, prove_command, publish_command
from gateway.cli.audit_search import export_command, search_command, show_command
from gateway.cli.audit_verify import verify_command


@click.group()
def command() -> None:
    """Search, show, verify, prove and export the ledger."""


for _each in (search_command, show_command, export_command, verify_command):
    command.add_command(_each)
for _each in (prove_command, check_proof_command, publish_command):
    command.add_command(_each)
