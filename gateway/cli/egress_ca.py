"""`egress ca`: the authority whose certificates the proxies show to clients."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gateway.egress.authority import Authority
    from gateway.egress.authority_certificate import Permitted

MOST_DAYS = 3650
DEFAULT_OWNER = "privacy-gateway"


def _given_before(context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    # `egress -c gateway.yaml ca …` says the same as `egress ca … -c gateway.yaml`.
    return value or context.find_object(Path)


_config = click.option(
    "-c",
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_given_before,
    help="gateway.yaml, which names the directory.",
)
_directory = click.option(
    "--directory", type=click.Path(file_okay=False, path_type=Path), help="Directory of the authority, instead of -c."
)
_days = click.option("--days", type=click.IntRange(1, MOST_DAYS), default=730, show_default=True, help="Validity.")
_rules = click.option(
    "--rules",
    type=click.Path(file_okay=False, path_type=Path),
    help="Rules in place of those of gateway.yaml; implies --constrain.",
)
_constrain = click.option(
    "--constrain", is_flag=True, help="Permit only the hosts of the rules' recipients, so that a stolen key is no more."
)
_host = click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="With --constrain: a further host, by which clients reach a proxy of mode reverse.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("ca")
def command() -> None:
    """Create, show, export and replace the authority by which proxies read TLS.

    Clients have to trust its certificate (`export`); its key never leaves the directory. Relays need none.
    """


@command.command()
@_config
@_directory
@_days
@_constrain
@_rules
@_host
@_json
def init(
    *,
    config: Path | None,
    directory: Path | None,
    days: int,
    constrain: bool,
    rules: Path | None,
    hosts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make the authority: a P-256 key (0600) and a certificate. An existing one is never overwritten.

    With --constrain the certificate is good for the hosts of the rules' recipients and the names below them, and for
    no address but theirs: clients refuse it for all other hosts. (OpenSSL, curl, Python and Node do; Java does not
    look at the constraints of an authority that it was told to trust.) A recipient that is added later needs `rotate`.
    """
    from gateway.cli.output import console, fail, print_json
    from gateway.egress.authority import create_authority

    place, owner = _place(config, directory)
    permitted = _permitted(config, rules, hosts, constrain=constrain)
    try:
        authority = create_authority(place, owner=owner, permitted=permitted, days=days)
    except FileExistsError as problem:
        fail(f"{problem.filename}: {problem.strerror}", as_json=as_json)
    if as_json:
        print_json(_described(authority))
        return
    console.print(f"authority written to {place}; it ends on {authority.until:%Y-%m-%d}", soft_wrap=True)
    _print_scope(authority)
    console.print(f"SHA-256 {authority.fingerprint}", soft_wrap=True)
    console.print("let clients trust what `privacy-gateway egress ca export` prints", soft_wrap=True)


@command.command()
@_config
@_directory
@_rules
@_json
def show(config: Path | None, directory: Path | None, rules: Path | None, as_json: bool) -> int:
    """Print fingerprint, validity, the days that are left, and the path of what clients are to trust.

    Exit status 2 where it ends within 30 days, or is constrained and leaves out a host of the rules.
    """
    from gateway.cli.output import FINDINGS, FINE, console, print_json
    from gateway.egress.authority import ROTATE, TRUSTED_FILE, WARNING_DAYS, next_authority, read_authority

    place, _ = _place(config, directory)
    authority, following = read_authority(place), next_authority(place)
    left_out = _left_out(authority, config, rules)
    now = dt.datetime.now(dt.UTC)
    status = FINDINGS if left_out or authority.days_left(now) < WARNING_DAYS else FINE
    trusted = str(place / TRUSTED_FILE)
    if as_json:
        next_one = _described(following) if following is not None else None
        print_json({**_described(authority), "left_out": left_out, "next": next_one, "trusted": trusted})
        return status
    console.print(f"in force   SHA-256 {authority.fingerprint}", soft_wrap=True)
    _print_validity(authority, now)
    _print_scope(authority)
    if following is not None:
        console.print(f"next       SHA-256 {following.fingerprint}", soft_wrap=True)
        _print_validity(following, now)
    console.print(f"clients    {trusted}", soft_wrap=True)
    for host in left_out:
        console.print(f"not for    {host}, which the rules name: `egress ca rotate --constrain`", soft_wrap=True)
    if authority.days_left(now) < WARNING_DAYS:
        console.print(f"it ends soon, or has ended: {ROTATE}", soft_wrap=True)
    return status


@command.command()
@_config
@_directory
@click.option("--format", "form", type=click.Choice(["pem", "der"]), default="pem", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write, instead of stdout.")
def export(config: Path | None, directory: Path | None, form: str, out: Path | None) -> None:
    """Print the certificate that clients are to trust, never the key; two of them while a rotation is under way."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.cli.output import fail
    from gateway.egress.authority import trusted_by_clients

    trusted = trusted_by_clients(_place(config, directory)[0])
    if form == "der" and len(trusted) > 1:
        fail("a rotation is under way, and DER holds one certificate: use --format pem, which holds both")
    encoding = Encoding.DER if form == "der" else Encoding.PEM
    content = b"".join(each.certificate.public_bytes(encoding) for each in trusted)
    if out is not None:
        out.write_bytes(content)
    else:
        click.echo(content, nl=False)


@command.command()
@_config
@_directory
@_days
@_constrain
@_rules
@_host
@_json
def rotate(
    *,
    config: Path | None,
    directory: Path | None,
    days: int,
    constrain: bool,
    rules: Path | None,
    hosts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make the next authority beside the present one, which goes on until `retire`.

    `export` prints both from now on: let clients trust them, then run `retire`. Without --constrain the next one is
    permitted what the present one is.
    """
    from gateway.cli.output import console, fail, print_json
    from gateway.egress.authority import rotate_authority

    place, _ = _place(config, directory)
    permitted = _permitted(config, rules, hosts, constrain=constrain)
    try:
        authority = rotate_authority(place, permitted=permitted, days=days)
    except FileExistsError as problem:
        fail(f"{problem.filename}: {problem.strerror}", as_json=as_json)
    if as_json:
        print_json(_described(authority))
        return
    console.print(f"next       SHA-256 {authority.fingerprint}", soft_wrap=True)
    _print_scope(authority)
    console.print("let clients trust what `egress ca export` prints now, then run `egress ca retire`", soft_wrap=True)


@command.command()
@_config
@_directory
@_json
def retire(config: Path | None, directory: Path | None, as_json: bool) -> None:
    """Put the next authority in force and delete the key of the one before; clients have to trust it by now.

    A running egress takes it over by itself, with new workers.
    """
    from gateway.cli.output import console, print_json
    from gateway.egress.authority import retire_authority

    authority = retire_authority(_place(config, directory)[0])
    if as_json:
        print_json(_described(authority))
    else:
        console.print(f"in force   SHA-256 {authority.fingerprint}", soft_wrap=True)


def _place(config: Path | None, directory: Path | None) -> tuple[Path, str]:
    """The directory of the authority, and whose it is."""
    from gateway.runtime.settings_egress import egress_view
    from gateway.runtime.settings_file import load_settings

    if (config is None) == (directory is None):
        raise click.UsageError("give -c gateway.yaml or --directory DIR")
    if directory is not None:
        return directory, DEFAULT_OWNER
    assert config is not None
    settings = egress_view(load_settings(config)[0], str(config))
    assert settings.egress is not None
    return Path(settings.egress.ca), settings.deployment


def _hosts_of_rules(config: Path | None, rules: Path | None) -> list[str]:
    from gateway.egress.authority_certificate import hosts_of
    from gateway.runtime.reload import load_directory
    from gateway.runtime.settings_file import load_settings

    if rules is None:
        if config is None:
            raise click.UsageError("--constrain needs -c gateway.yaml or --rules DIR")
        named = load_settings(config)[0].rules
        assert named is not None
        rules = Path(named)
    return hosts_of(load_directory(rules)[0])


def _permitted(
    config: Path | None, rules: Path | None, hosts: tuple[str, ...], *, constrain: bool
) -> "Permitted | None":
    from gateway.egress.authority_certificate import permitted_hosts
    from gateway.policy.pattern import PatternError, parse_host

    if not constrain and rules is None:
        if hosts:
            raise click.UsageError("--host needs --constrain")
        return None
    try:
        given = [parse_host(host) for host in hosts]
    except PatternError as problem:
        raise click.UsageError(f"--host: {problem.message}") from None
    try:
        permitted = permitted_hosts([*_hosts_of_rules(config, rules), *given])
    except ValueError as problem:
        raise click.UsageError(f"--constrain: a recipient of the rules has the host {problem}") from None
    if not permitted.shown:
        raise click.UsageError("--constrain: no recipient of the rules has hosts, so that nothing would be permitted")
    return permitted


def _left_out(authority: "Authority", config: Path | None, rules: Path | None) -> list[str]:
    if authority.permitted is None or (config is None and rules is None):
        return []
    return [host for host in _hosts_of_rules(config, rules) if not authority.permitted.covers(host)]


def _described(authority: "Authority") -> dict[str, Any]:
    return {
        "days_left": authority.days_left(dt.datetime.now(dt.UTC)),
        "from": f"{authority.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "path": str(authority.path),
        "permitted": authority.permitted.shown if authority.permitted is not None else None,
        "sha256": authority.fingerprint,
        "until": f"{authority.until:%Y-%m-%dT%H:%M:%SZ}",
    }


def _print_validity(authority: "Authority", now: dt.datetime) -> None:
    from gateway.cli.output import console

    begun = authority.certificate.not_valid_before_utc
    left = authority.days_left(now)
    console.print(f"valid      {begun:%Y-%m-%d} to {authority.until:%Y-%m-%d}, {left} days left", soft_wrap=True)


def _print_scope(authority: "Authority") -> None:
    from gateway.cli.output import console

    permitted = authority.permitted
    console.print(f"permitted  {', '.join(permitted.shown) if permitted is not None else 'every host'}", soft_wrap=True)
