"""Load as fast as it is answered, over connections that wrk cannot open: TLS in a tunnel through a proxy."""

import asyncio
import time
from collections.abc import Callable

import uvloop
from open_loop import Connection, Load
from ways import Way


class Saturated(Load):
    """The next request of a connection follows the answer to the one before, until `seconds` are over.

    `meter` tells what is being counted, CPU seconds; it is read once all connections stand and again at the end,
    so that their handshakes are not in `spent`.
    """

    def __init__(
        self, way: Way, request: bytes, *, seconds: float, connections: int, meter: Callable[[], float]
    ) -> None:
        super().__init__(way, request, rate=1, seconds=0, connections=connections)
        self.seconds, self.meter = seconds, meter
        self.spent = self.lasted = 0.0
        self.answers = 0
        self.ending = False

    async def run(self) -> None:
        self.over = asyncio.Event()
        standing = [await self.way.open(lambda: Connection(self)) for _ in range(self.connections)]
        before, began = self.meter(), time.perf_counter()
        for connection in standing:
            connection.send(time.perf_counter())
        await asyncio.sleep(self.seconds)
        self.spent, self.lasted = self.meter() - before, time.perf_counter() - began
        self.answers = len(self.latencies)
        self.ending = True
        for connection in standing:
            connection.transport.close()

    def _use(self, connection: Connection) -> None:
        if self.ending:
            connection.transport.close()
        else:
            connection.send(time.perf_counter())

    def lost(self, connection: Connection) -> None:
        if not self.ending:
            super().lost(connection)

    def _count(self) -> None:
        """The clock ends it, not a number."""


def run(way: Way, request: bytes, *, seconds: float, connections: int, meter: Callable[[], float]) -> dict[str, float]:
    """One run.

    Returns:
        `requests` answered with 200, `rate` a second, `failures`, and `spent` of what the meter counts.
    """
    load = Saturated(way, request, seconds=seconds, connections=connections, meter=meter)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(load.run())
    return {
        "requests": load.answers,
        "rate": load.answers / load.lasted,
        "failures": load.failures,
        "spent": load.spent,
    }
