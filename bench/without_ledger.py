"""A worker of the gateway with its ledger left out: what recording costs is the difference to the real one.

The product has no such switch. This puts the same parts together as a worker does, in one process.
"""

import asyncio
import gc
import signal
import sys
from pathlib import Path

import uvloop

from gateway.ingress.hop import ServiceHop
from gateway.ingress.server import IngressServer
from gateway.ingress.settings import IngressSettings
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.runtime import telemetry
from gateway.runtime.decisions import Decisions
from gateway.runtime.gateway import Gateway
from gateway.runtime.metrics import Metrics
from gateway.runtime.open_people import open_people
from gateway.runtime.reload import load_directory
from gateway.runtime.services import Services
from gateway.runtime.settings import Listener
from gateway.stores.consent import SqliteConsentStore
from gateway.stores.keyfile import load_keyring
from gateway.upstream import UpstreamPools


async def serve(rules: Path, state: Path, port: int, limits: Limits) -> None:
    policy, _ = load_directory(rules)
    keys = load_keyring(state)
    log = telemetry.configure("warning")
    services = Services(
        keys=keys,
        people=open_people(state, keys),
        consent=SqliteConsentStore(state / "consent.sqlite"),
        decisions=Decisions(state, None, log),
        ledger=None,
        metrics=Metrics(),
        log=log,
        limits=limits,
    )
    pools = UpstreamPools(limits, {})
    settings = IngressSettings(listeners=(Listener("127.0.0.1", port),), limits=limits)
    gateway = Gateway(policy, services)
    server = IngressServer(gateway, ServiceHop(gateway, pools, settings), settings)
    await server.start()
    gc.collect()
    gc.freeze()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await server.close()
    pools.abort()
    await services.close()


if __name__ == "__main__":
    rules, state, port, *connections = sys.argv[1:]
    given = Limits(connections_per_client=int(connections[0])) if connections else DEFAULT_LIMITS
    uvloop.run(serve(Path(rules), Path(state), int(port), given))
