"""`privacy-gateway audit`: what can be done with the ledger. Each command has its own file beside this one."""

import click

from gateway.cli.audit_export import export_command
from gateway.cli.audit_index import index_command
from gateway.cli.audit_prune import prune_command
from gateway.cli.audit_search import search_command, show_command
from gateway.cli.audit_verify import verify_command


@click.group()
def command() -> None:
    """Search, show, verify, export and prune the ledger."""


for _each in (search_command, show_command, index_command, export_command, verify_command, prune_command):
    command.add_command(_each)
