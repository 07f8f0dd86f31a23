"""`egress`: run the gateway for outgoing calls until it is told to stop, and what belongs to it."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gateway.cli import egress_ca
from gateway.cli.egress_map import map_command

if TYPE_CHECKING:
    from gateway.model.errors import Diagnostic
    from gateway.policy.policy import Policy
    from gateway.runtime.listener import Listener
    from gateway.runtime.settings import Settings
    from gateway.workers.supervisor import Supervisor


@click.group(invoke_without_command=True)
@click.option("-c", "--config", type=click.Path(dir_okay=False, path_type=Path), help="Settings (gateway.yaml).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")
@click.pass_context
def command(context: click.Context, config: Path | None, as_json: bool) -> int:
    """Run the gateway between your applications and their partners.

    Applications send through it: as a proxy (HTTPS_PROXY) that reads TLS, or to a relay, which is a URL in the
    partner's place. The section `egress:` of gateway.yaml says where; docs/egress.md has it step by step.
    SIGTERM drains, a second one stops at once; SIGHUP, or a change of a file, reloads.
    """
    if context.invoked_subcommand is not None:
        context.obj = config
        return 0
    if config is None:
        raise click.UsageError("give -c gateway.yaml, with a section 'egress:'")
    from gateway.egress.authority_watch import check_authority
    from gateway.model.errors import ConfigError
    from gateway.runtime.reload import load_directory
    from gateway.runtime.settings_egress import egress_view
    from gateway.runtime.settings_file import check_policy, load_settings
    from gateway.stores.keyfile import load_keyring

    whole, warnings = load_settings(config)
    settings = egress_view(whole, str(config))
    assert settings.rules is not None
    policy, more = load_directory(Path(settings.rules))
    contradictions = check_policy(whole, policy, str(config))
    if contradictions:
        raise ConfigError(contradictions)
    load_keyring(Path(settings.state))
    ending = check_authority(settings, str(config))
    return asyncio.run(_run(settings, policy, config, [*warnings, *more, *ending], as_json=as_json))


command.add_command(egress_ca.command)
command.add_command(map_command)


async def _run(
    settings: "Settings", policy: "Policy", config: Path, warnings: "Sequence[Diagnostic]", *, as_json: bool
) -> int:
    from gateway.cli.output import errors, print_diagnostics
    from gateway.egress.authority_watch import days_left_metric
    from gateway.runtime import telemetry
    from gateway.runtime.settings_egress import egress_view
    from gateway.workers.admin import Admin
    from gateway.workers.member import EGRESS
    from gateway.workers.supervisor import Supervisor

    log = telemetry.configure(settings.log_level)
    if not as_json:
        print_diagnostics(warnings, to=errors)
    supervisor = Supervisor(settings, policy, log, settings_file=config, crew=EGRESS, view=egress_view)
    # Other settings may be in force by the time that somebody asks.
    declare = lambda: supervisor.settings.ledger.declared()  # noqa: E731, PLW0108
    further = lambda: days_left_metric(supervisor.settings)  # noqa: E731
    admin = Admin(settings.admin, supervisor.condition, declare, further)
    try:
        address = await admin.start()
        await supervisor.start()
        _announce(supervisor, address, as_json=as_json)
        return 0 if await supervisor.run() else 1
    finally:
        await admin.close()


def _announce(supervisor: "Supervisor", admin: "Listener", *, as_json: bool) -> None:
    from gateway.cli.output import console

    settings = supervisor.settings
    assert settings.egress is not None
    egress = settings.egress.bound_to(supervisor.listeners)
    proxies = [each.listener.url for each in egress.proxies]
    relays = [each.listener.url for each in egress.relays]
    if as_json:
        ready = {
            "admin": admin.url,
            "anchors": supervisor.anchors,
            "policy": supervisor.policy,
            "process": os.getpid(),
            "proxies": proxies,
            "ready": True,
            "relays": relays,
            "routes": supervisor.routes,
            "state": settings.state,
            "workers": settings.workers,
        }
        click.echo(msgspec.json.encode(ready))
        return
    for proxy, address in zip(egress.proxies, proxies, strict=True):
        towards = proxy.parent or proxy.to
        console.print(f"proxy      {address}  {proxy.mode}{f' {towards}' if towards else ''}")
    for relay, address in zip(egress.relays, relays, strict=True):
        for place, partner in relay.to.items():
            console.print(f"relay      {address}{place if place.startswith('/') else f' (Host: {place})'} -> {partner}")
    if proxies:
        console.print(f"authority  {egress.ca}: clients trust what `privacy-gateway egress ca show` names")
    console.print(f"admin      {admin.url}/healthz /readyz /metrics")
    console.print(f"rules      {settings.rules}: digest {supervisor.policy}")
    console.print(f"state      {settings.state}")
    console.print(f"workers    {settings.workers}")
    console.print(f"anchors    {', '.join(supervisor.anchors) or 'none here'}")
    console.print("Ctrl-C or SIGTERM drains and stops; a changed file or SIGHUP reloads.")
