"""`privacy-gateway disclosure`: what is given away by law, outside of traffic. `authority` is the register of it.

Each command has its own file; docs/authorities.md has the workflow.
"""

import click

from gateway.cli.authority_check import check_command
from gateway.cli.authority_decide import approve_command, reject_command
from gateway.cli.authority_produce import produce_command
from gateway.cli.authority_register import register_command
from gateway.cli.authority_secrecy import extend_secrecy_command, lift_secrecy_command
from gateway.cli.authority_show import list_command, show_command

_COMMANDS = (
    register_command,
    approve_command,
    reject_command,
    produce_command,
    check_command,
    list_command,
    show_command,
    extend_secrecy_command,
    lift_secrecy_command,
)


@click.group()
def command() -> None:
    """What the law makes you give, and to whom it was given."""


@command.group()
def authority() -> None:
    """The register of authorities' legal requests: register, approve, produce, and what was given."""


for _each in _COMMANDS:
    authority.add_command(_each)
