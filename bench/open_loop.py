"""Load at a fixed rate: requests start when they are due, whether or not earlier ones are answered.

Latency counts from the moment at which a request was due, so that a server that stalls is charged
for everything that had to wait meanwhile (no coordinated omission).
"""

import asyncio
import os
import threading
import time
from collections import deque

import uvloop
from ways import Way


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.received = bytearray()
        self.due = 0.0
        self.complete_at = -1
        self.chunked = self.closes = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, due: float) -> None:
        self.due = due
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.complete_at < 0 and not self._read_head():
            return
        done = self.received.endswith(b"\r\n0\r\n\r\n") if self.chunked else len(self.received) >= self.complete_at
        if done:
            ok = self.received.startswith(b"HTTP/1.1 200 ")
            self.received.clear()
            self.complete_at = -1
            self.load.answered(self, ok)

    def _read_head(self) -> bool:
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.received[:end]).lower()
        self.chunked = b"\r\ntransfer-encoding: chunked" in head
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        self.complete_at = end + 4 + int(length or 0)
        self.closes = b"\r\nconnection: close" in head
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        self.load.lost(self)


class Load:
    """A run of `rate * seconds` times `request` over up to `connections` connections."""

    def __init__(self, way: Way, request: bytes, *, rate: float, seconds: float, connections: int) -> None:
        self.way, self.rate, self.total, self.connections = way, rate, int(rate * seconds), connections
        self.request = request
        self.latencies: list[float] = []
        self.failures = 0
        self.waiting: deque[float] = deque()
        self.idle: list[Connection] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self.over = asyncio.Event()
        for _ in range(self.connections):
            self.idle.append(await self.way.open(lambda: Connection(self)))
        ticks = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        start = time.perf_counter() + 0.05
        due = iter([start + number / self.rate for number in range(self.total)])

        def tick() -> None:
            for _ in range(os.eventfd_read(ticks)):
                self._begin(next(due))

        loop.add_reader(ticks, tick)
        pacer = threading.Thread(target=self._pace, args=(start, ticks), daemon=True)
        pacer.start()
        try:
            await asyncio.wait_for(self.over.wait(), self.total / self.rate + 30)
        except TimeoutError:
            self.failures = self.total - len(self.latencies)
        pacer.join()
        loop.remove_reader(ticks)
        os.close(ticks)
        for connection in self.idle:
            connection.transport.close()

    def _pace(self, start: float, ticks: int) -> None:
        """Wake the loop once for each request; its own timers count in whole milliseconds, which is too coarse."""
        for number in range(self.total):
            if (pause := start + number / self.rate - time.perf_counter()) > 0:
                time.sleep(pause)
            os.eventfd_write(ticks, 1)

    def _begin(self, due: float) -> None:
        if self.idle:
            self.idle.pop().send(due)
        else:
            self.waiting.append(due)

    def answered(self, connection: Connection, ok: bool) -> None:
        if ok:
            self.latencies.append(time.perf_counter() - connection.due)
        else:
            self.failures += 1
        if connection.closes:
            self.opening = asyncio.get_running_loop().create_task(self._connect())
        else:
            self._use(connection)
        self._count()

    async def _connect(self) -> None:
        """A connection in place of one that the server has ended, as it said it would."""
        self._use(await self.way.open(lambda: Connection(self)))

    def _use(self, connection: Connection) -> None:
        if self.waiting:
            connection.send(self.waiting.popleft())
        else:
            self.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        elif not connection.closes:
            self.failures += 1
            self._count()

    def _count(self) -> None:
        if len(self.latencies) + self.failures >= self.total:
            self.over.set()


def measure(port: int, path: str, *, rate: float, seconds: float, connections: int = 64) -> dict[str, float]:
    """Latencies of GET in milliseconds at `rate` requests a second.

    Returns:
        `p50`, `p99`, `max` (milliseconds), `failures` and `requests`.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()
    return run(Load(Way(port), request, rate=rate, seconds=seconds, connections=connections))


def run(load: Load) -> dict[str, float]:
    """The same for any load."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(load.run())
    found = sorted(load.latencies) or [float("nan")]

    def at(share: float) -> float:
        return 1000 * found[min(len(found) - 1, int(share * len(found)))]

    return {"p50": at(0.5), "p99": at(0.99), "max": 1000 * found[-1], "failures": load.failures, "requests": load.total}
