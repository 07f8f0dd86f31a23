"""`privacy-gateway consent`: record and show what a person agreed to.

The person is given by the identifier that the applications know; only its keyed handle is stored
or printed. A withdrawal counts for the next request in every worker. Each command has its own file.
"""

import click

from gateway.cli.consent_decide import (
    grant_command,
    object_command,
    refuse_command,
    renew_command,
    restrict_command,
    unrestrict_command,
    withdraw_command,
)
from gateway.cli.consent_export import export_command
from gateway.cli.consent_import import import_command
from gateway.cli.consent_receipt import check_receipt_command, receipt_command
from gateway.cli.consent_reconcile import reconcile_command
from gateway.cli.consent_served import served_command
from gateway.cli.consent_show import show_command

_COMMANDS = (
    grant_command,
    renew_command,
    withdraw_command,
    refuse_command,
    object_command,
    restrict_command,
    unrestrict_command,
    served_command,
    show_command,
    import_command,
    export_command,
    reconcile_command,
    receipt_command,
    check_receipt_command,
)


@click.group()
def command() -> None:
    """Record and show what a person agreed to."""


for _each in _COMMANDS:
    command.add_command(_each)
