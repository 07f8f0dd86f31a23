"""`egress-worker`: one worker process for outgoing calls. Started by `egress`, of no use by itself."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gateway.runtime.gateway import Gateway
    from gateway.runtime.settings import Settings
    from gateway.workers.worker import DataPort


@click.command(hidden=True)
@click.option("--control-fd", type=click.IntRange(min=3), required=True)
def command(control_fd: int) -> int:
    """Serve as the supervisor behind the inherited descriptor says."""
    from gateway.workers.worker import run_worker

    return run_worker(control_fd, _open_ports, outgoing=True)


def _open_ports(settings: "Settings", gateway: "Gateway", _log: Any) -> "DataPort":
    from gateway.runtime.applications import Applications
    from gateway.runtime.destination_map import PROXY, RELAY
    from gateway.runtime.outgoing import OutgoingCalls
    from gateway.workers.joined_ports import JoinedPorts

    egress = settings.egress
    assert egress is not None
    applications = Applications(egress.applications, gateway.services.metrics)
    ports: list[DataPort] = []
    if egress.proxies:
        # mitmproxy is an extra, which relays do without.
        from gateway.egress.port import ProxyPort

        ports.append(ProxyPort(settings, gateway, OutgoingCalls(gateway, applications, way=PROXY)))
    if egress.relays:
        from gateway.ingress.relay_port import RelayPort

        ports.append(RelayPort(settings, gateway, OutgoingCalls(gateway, applications, way=RELAY)))
    return JoinedPorts(ports)
