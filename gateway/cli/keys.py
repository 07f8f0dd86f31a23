"""`privacy-gateway keys`: the keys of one gateway, in its state directory."""

from pathlib import Path

import click

from gateway.cli.output import console, fail, print_json


@click.group()
def command() -> None:
    """Create the keys of a gateway."""


@command.command()
@click.option("--state", required=True, type=click.Path(file_okay=False, path_type=Path), help="State directory.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def init(state: Path, as_json: bool) -> None:
    """Make the root key. An existing one is never overwritten.

    Back the file up before the gateway serves: without it no pseudonym and no consent can be
    matched to its person again.
    """
    from gateway.stores.keyfile import ROOT_KEY, create_keys

    try:
        kid = create_keys(state)
    except FileExistsError as problem:
        fail(f"{problem.filename}: {problem.strerror}", as_json=as_json)
    path = str(state / ROOT_KEY)
    if as_json:
        print_json({"kid": kid, "path": path})
    else:
        console.print(f"root key {kid} written to {path}; back it up now", soft_wrap=True)
