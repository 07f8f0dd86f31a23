"""`worker`: one worker process. Started by `serve`, of no use by itself."""

import click


@click.command(hidden=True)
@click.option("--control-fd", type=click.IntRange(min=3), required=True)
def command(control_fd: int) -> int:
    """Serve as the supervisor behind the inherited descriptor says."""
    from gateway.ingress.worker import run_worker
    from gateway.portal.portal import open_portal

    return run_worker(control_fd, open_portal)
