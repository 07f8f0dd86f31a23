"""`privacy-gateway audit`: what can be done with the ledger. Each command has its own file beside this one."""

import click

from gateway.cli.audit_export import export_command
from gateway.cli.audit_index import index_command
from gateway.cli.audit_lineage import lineage_command
from gateway.cli.audit_prove import check_proof_command, prove_command, publish_command
from gateway.cli.audit_prune import prune_command
from gateway.cli.audit_search import search_command, show_command
from gateway.cli.audit_verify import verify_command

_COMMANDS = (
    search_command,
    show_command,
    lineage_command,
    index_command,
    export_command,
    verify_command,
    prove_command,
    check_proof_command,
    publish_command,
    prune_command,
)


@click.group()
def command() -> None:
    """Search, show, trace, export, verify, prove, publish and prune the ledger."""


for _each in _COMMANDS:
    command.add_command(_each)
