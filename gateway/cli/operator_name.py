"""Who runs a command that leaves a record: given, or the user of this process."""

import getpass

import click

_LONGEST = 200


def _name(context: click.Context, parameter: click.Parameter, given: str | None) -> str:
    del context
    if given is None:
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "unknown"
    if not given.isprintable() or not 0 < len(given) <= _LONGEST:
        raise click.BadParameter(f"a name has 1 to {_LONGEST} printable characters", param=parameter)
    return given


BY = click.option("--by", callback=_name, help="Who does it, for the record; without it, the user of this process.")
