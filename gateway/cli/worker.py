"""`worker`: one worker process. Started by `serve`, of no use by itself."""

import click


@click.command(hidden=True)
@click.option("--control-fd", type=click.IntRange(min=3), required=True)
def command(control_fd: int) -> int:
    """Serve as the supervisor behind the inherited descriptor says."""
    from gateway.ingress.port import IngressPort
    from gateway.portal.portal import open_portal
    from gateway.workers.worker import run_worker

    return run_worker(control_fd, lambda settings, gateway, _log: IngressPort(settings, gateway, open_portal))
