"""`privacy-gateway keys`: the keys of one gateway, in its state directory."""

from pathlib import Path

import click

from gateway.cli.output import console, errors, fail, print_json


@click.group()
def command() -> None:
    """Create the keys of a gateway, show the public ones, and replace the one that signs a log."""


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


@command.command()
@click.option("--slot", required=True, help="Whose log: w0, w1, …, anchor or operator.")
@click.option("--state", required=True, type=click.Path(file_okay=False, path_type=Path), help="State directory.")
@click.option(
    "-c", "--config", type=click.Path(dir_okay=False, path_type=Path), help="gateway.yaml, for its ledger section."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(slot: str, state: Path, config: Path | None, as_json: bool) -> None:
    """Give a slot's log a new signing key, which the old one introduces.

    The gateway must not run. After a crash the same command goes on where it stopped. Whoever trusts
    the old key trusts the new one by the log's own `rotate` record; the old private key is deleted.
    """
    from gateway.cli.output import print_diagnostics
    from gateway.model.errors import ConfigError, StoreDown
    from gateway.runtime.rotation import rotate_key
    from gateway.runtime.settings_file import load_settings
    from gateway.runtime.settings_ledger import LedgerSettings

    settings = LedgerSettings()
    if config is not None:
        try:
            settings = load_settings(config)[0].ledger
        except ConfigError as error:
            print_diagnostics(error.diagnostics, to=errors)
            fail("the settings cannot be used; nothing was changed", as_json=as_json)
    try:
        vkey = rotate_key(state, slot, settings)
    except (StoreDown, ValueError) as problem:
        fail(getattr(problem, "why", "") or str(problem), as_json=as_json)
    path = str(state / "audit" / slot / "log.vkey")
    if as_json:
        print_json({"path": path, "slot": slot, "vkey": vkey})
    else:
        console.print(f"{slot} is signed by {vkey} from now on; {path} lists all its keys", soft_wrap=True)


@command.command()
@click.option(
    "--state", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="State directory."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(state: Path, as_json: bool) -> None:
    """Print the public keys: the one that signs consent receipts, then those of each log.

    Give them to those who check receipts, proofs and logs; the lines make a file for --trust.
    """
    from gateway.runtime.receipt_key import public_keys

    keys = public_keys(state)
    if as_json:
        print_json([{"name": key.name, "vkey": key.vkey} for key in keys])
    else:
        for key in keys:
            click.echo(key.vkey)
