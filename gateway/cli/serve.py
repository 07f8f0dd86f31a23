"""`serve`: run the gateway until it is told to stop.

Standard output is for the person who starts it, standard error carries the operational log (JSON
lines without values), the admin listener is for machines.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from gateway.model.errors import Diagnostic
    from gateway.policy.policy import Policy
    from gateway.runtime.settings import Listener, Settings
    from gateway.workers.supervisor import Supervisor

DEFAULT_LISTEN = "127.0.0.1:8080"
DEFAULT_ADMIN = "127.0.0.1:9100"
SUMMARY_SECONDS = 5.0


class Options(msgspec.Struct, frozen=True):
    """What stands on the command line instead of a gateway.yaml."""

    rules: Path | None = None
    state: Path | None = None
    upstream: str | None = None
    listen: tuple[str, ...] = ()
    admin: str | None = None
    workers: int | None = None
    log_level: str | None = None


@click.command()
@click.option("-c", "--config", type=click.Path(dir_okay=False, path_type=Path), help="Settings (gateway.yaml).")
@click.option("--rules", type=click.Path(file_okay=False, path_type=Path), help="Directory of rule files.")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="Directory of keys, consent, ledger.")
@click.option("--upstream", metavar="URL", help="Only observe what passes to this service; needs no rules.")
@click.option("--listen", multiple=True, metavar="ADDRESS", help=f"HOST:PORT or unix:/path [{DEFAULT_LISTEN}].")
@click.option("--admin", metavar="ADDRESS", help=f"Health and metrics [{DEFAULT_ADMIN}].")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes [1].")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[info]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")
def command(config: Path | None, as_json: bool, **given: Any) -> int:
    """Run the gateway in front of your applications.

    Either -c gateway.yaml, or --rules DIR --state DIR, or --upstream URL to look before any rule
    is written. SIGTERM drains, a second one stops at once; SIGHUP, or a change of a file, reloads.
    """
    from gateway.model.errors import ConfigError
    from gateway.policy.observe import observe_policy
    from gateway.runtime.reload import load_directory
    from gateway.runtime.settings_egress import ingress_view
    from gateway.runtime.settings_file import check_policy, load_settings

    options = Options(**given)
    warnings: Sequence[Diagnostic] = ()
    with contextlib.ExitStack() as stack:
        if config is not None:
            if options != Options():
                raise click.UsageError("-c says everything: give the other options in the file")
            whole, warnings = load_settings(config)
            settings = ingress_view(whole, str(config))
        else:
            settings = whole = _settings(options, stack)
        policy: Policy
        if settings.upstream is not None:
            policy = observe_policy(_checked_upstream(settings.upstream))
        else:
            assert settings.rules is not None
            policy, more = load_directory(Path(settings.rules))
            contradictions = check_policy(whole, policy, str(config))
            if contradictions:
                raise ConfigError(contradictions)
            warnings = [*warnings, *more]
        _prepare_keys(settings)
        return asyncio.run(
            _serve(
                settings,
                policy,
                config,
                warnings,
                as_json=as_json,
                temporary=config is None and options.state is None,
            )
        )


def _settings(options: Options, stack: contextlib.ExitStack) -> "Settings":
    from gateway.runtime.settings import ListenerAddressError, Settings, parse_listener

    if (options.rules is None) == (options.upstream is None):
        raise click.UsageError("give -c FILE, or --rules DIR, or --upstream URL")
    if options.rules is not None and options.state is None:
        raise click.UsageError("--rules needs --state DIR; `privacy-gateway keys init --state DIR` creates its keys")
    state = options.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="privacy-gateway-")))
    try:
        listeners = tuple(parse_listener(text, base=Path.cwd()) for text in options.listen or (DEFAULT_LISTEN,))
        admin = parse_listener(options.admin or DEFAULT_ADMIN, base=Path.cwd())
    except ListenerAddressError as problem:
        raise click.UsageError(str(problem)) from None
    return Settings(
        listeners=listeners,
        admin=admin,
        state=str(state.absolute()),
        rules=str(options.rules.absolute()) if options.rules is not None else None,
        upstream=options.upstream,
        workers=options.workers or 1,
        log_level=options.log_level or "info",
    )


def _checked_upstream(url: str) -> str:
    from gateway.upstream import parse_upstream

    try:
        parse_upstream(url)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    return url


def _prepare_keys(settings: "Settings") -> None:
    """Observing creates its own keys; everything else refuses to start without those of `keys init`."""
    from gateway.stores.keyfile import create_keys, load_keyring

    state = Path(settings.state)
    if settings.upstream is not None:
        with contextlib.suppress(FileExistsError):
            create_keys(state)
    load_keyring(state)


async def _serve(
    settings: "Settings",
    policy: "Policy",
    config: Path | None,
    warnings: "Sequence[Diagnostic]",
    *,
    as_json: bool,
    temporary: bool,
) -> int:
    from gateway.cli.output import errors, print_diagnostics
    from gateway.runtime import telemetry
    from gateway.workers.admin import Admin
    from gateway.workers.supervisor import Supervisor

    log = telemetry.configure(settings.log_level)
    if not as_json:
        print_diagnostics(warnings, to=errors)
    supervisor = Supervisor(settings, policy, log, settings_file=config)
    # Other settings may be in force by the time that somebody asks.
    declare = lambda: supervisor.settings.ledger.declared()  # noqa: E731, PLW0108
    admin = Admin(settings.admin, supervisor.condition, declare)
    try:
        address = await admin.start()
        await supervisor.start()
        _announce(supervisor, address, as_json=as_json, temporary=temporary)
        if settings.upstream is not None and not as_json:
            async with _summaries(supervisor):
                clean = await supervisor.run()
            _print_sightings((await supervisor.condition()).metrics)
            return 0 if clean else 1
        return 0 if await supervisor.run() else 1
    finally:
        await admin.close()


def _announce(supervisor: "Supervisor", admin: "Listener", *, as_json: bool, temporary: bool) -> None:
    from gateway.cli.output import console

    settings = supervisor.settings
    addresses = [listener.url for listener in supervisor.listeners]
    if as_json:
        ready = {
            "admin": admin.url,
            "anchors": supervisor.anchors,
            "listeners": addresses,
            "policy": supervisor.policy,
            "process": os.getpid(),
            "ready": True,
            "routes": supervisor.routes,
            "state": settings.state,
            "workers": settings.workers,
        }
        click.echo(msgspec.json.encode(ready))
        return
    for address in addresses:
        console.print(f"listening  {address}")
    console.print(f"admin      {admin.url}/healthz /readyz /metrics")
    if settings.upstream is not None:
        console.print(f"observing  {settings.upstream}; nothing is changed")
    else:
        console.print(f"rules      {settings.rules}: digest {supervisor.policy}")
    console.print(f"state      {settings.state}{' (removed at the end; --state DIR keeps one)' if temporary else ''}")
    console.print(f"workers    {settings.workers}")
    console.print(f"anchors    {', '.join(supervisor.anchors) or 'none: nothing outside this machine keeps heads'}")
    console.print("Ctrl-C or SIGTERM drains and stops; a changed file or SIGHUP reloads.")


@contextlib.asynccontextmanager
async def _summaries(supervisor: "Supervisor") -> Any:
    """While observing, say every few seconds what has passed, if anything has."""
    task = asyncio.create_task(_summarise(supervisor))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _summarise(supervisor: "Supervisor") -> None:
    from gateway.cli.output import console

    last = ""
    while True:
        await asyncio.sleep(SUMMARY_SECONDS)
        text = "; ".join(_summary((await supervisor.condition()).metrics))
        if text != last:
            console.print(f"seen       {text}")
        last = text


def _print_sightings(metrics: Any) -> None:
    """What an operator needs to begin writing rules: endpoints, and the addresses their messages had."""
    from rich.table import Table
    from rich.text import Text

    from gateway.cli.output import console
    from gateway.runtime.sightings import summarise

    endpoints = summarise(metrics.sightings)
    if not endpoints:
        return
    table = Table("endpoint", "in requests", "in responses", title="seen", title_justify="left", show_lines=True)
    for each in endpoints:
        cells = (f"{each.method} {each.path}", "\n".join(each.requests), "\n".join(each.responses))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    console.print("Addresses only; names that look like data are written *. rules/README.md: how to list them.")


def _summary(metrics: Any) -> Iterator[str]:
    """Counts only: what stands in the messages is not for a terminal."""
    statuses: dict[int, int] = {}
    for _, status, count in metrics.exchanges:
        statuses[status] = statuses.get(status, 0) + count
    yield f"{sum(statuses.values())} exchanges"
    if statuses:
        yield "status " + ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    for direction in ("request", "response"):
        found = sum(row[3] for row in metrics.messages if row[1] == direction and row[2])
        if found:
            yield f"{found} {direction}s held values that an empty policy would drop"
