"""The servers of the curves, each for some work: the gateway with and without its ledger, nginx with Lua, and plain."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import bodies
import gateway_rules
import nginx_conf
import peers
from process_tree import Server, free_port

_DEPLOYMENT = """\
version: 1
listeners: [{{address: "127.0.0.1:{port}"}}]
admin: 127.0.0.1:{admin}
workers: {workers}
rules: rules
state: state
log_level: warning
limits: {{connections_per_client: {connections}}}
"""
LARGE_BUFFERS = "nginx, 64 KB buffers"
"""Plain nginx as one would set it up for large bodies; by default it has 4 KB and spills what is read late to disk."""

CONNECTIONS = 1000
"""All load comes from one address; by default the gateway takes 100 connections from one."""


@dataclass(frozen=True)
class Work:
    """What is to be done to each answer: drop the fields `strip`, on one route among `routes` more.

    Nothing is done to what `whole_routes` name.
    `people` is a directory with keys and stores of people that the gateway starts with, whose consent decides then.
    """

    strip: tuple[str, ...] = bodies.STRIPPED
    routes: int = 0
    people: Path | None = None
    workers: int = 1
    whole_routes: tuple[str, ...] = ()


def start(name: str, work: Work, home: Path, upstream: int, core: set[int] | None) -> Server:
    """Start the server `name` of `peers` below `home`, on `core` where that is given, and wait for it."""
    home = home / f"{name.replace(' ', '-').replace(',', '').replace('+', '')}-{len(list(home.iterdir()))}"
    port = free_port()
    paths = [gateway_rules.path_of(number) for number in range(work.routes)]
    if name == peers.STRIPS_NOTHING:
        command = nginx_conf.plain_proxy(home, port=port, upstream_port=upstream)
    elif name == LARGE_BUFFERS:
        command = nginx_conf.plain_proxy(home, port=port, upstream_port=upstream, large_buffers=True)
    elif name == peers.BASELINE:
        command = nginx_conf.lua_proxy(
            home, port=port, upstream_port=upstream, strip=work.strip, paths=paths, workers=work.workers
        )
    else:
        command = _gateway(home, port, upstream, work, ledger=name == peers.GATEWAY)
    server = Server(command, port=port, log=home.with_suffix(".log"), core=core)
    server.wait(120)
    return server


def _gateway(home: Path, port: int, upstream: int, work: Work, *, ledger: bool) -> list[str]:
    home.mkdir(parents=True)
    state, rules = home / "state", home / "rules"
    gateway_rules.write_rules(
        rules,
        upstream_port=upstream,
        routes=work.routes,
        strip=work.strip,
        by_consent=work.people is not None,
        whole=("/blob.bin", *work.whole_routes),
    )
    if work.people is not None:
        shutil.copytree(work.people, state)
    else:
        program = [sys.executable, "-m", "gateway"]
        subprocess.run([*program, "keys", "init", "--state", str(state)], check=True, capture_output=True)
    if not ledger:
        script = Path(__file__).parent / "without_ledger.py"
        return [sys.executable, str(script), str(rules), str(state), str(port), str(CONNECTIONS)]
    deployment = home / "gateway.yaml"
    deployment.write_text(
        _DEPLOYMENT.format(port=port, admin=free_port(), workers=work.workers, connections=CONNECTIONS)
    )
    return [sys.executable, "-m", "gateway", "serve", "-c", str(deployment)]
