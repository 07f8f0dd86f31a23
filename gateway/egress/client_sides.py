"""All connections of clients of one worker: how many there are, for how long they are waited for, how they end."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from mitmproxy import http

from gateway.egress.client_side import ClientSide
from gateway.model.limits import Limits

_LOG = logging.getLogger("gateway.egress")
_SWEEPS_PER_DEADLINE = 4
_LONGEST_PERIOD = 1.0
_LOOK_EVERY = 0.02


class ClientSides:
    """`count` takes the code of what is refused without an answer."""

    def __init__(self, limits: Limits, count: Callable[[str], None]) -> None:
        self.limits = limits
        self.count = count
        self.draining = False
        self.ended: Callable[[http.HTTPFlow], None] = lambda _flow: None
        """Told of each request that was under way when its connection ended."""
        self._by_client: dict[str, ClientSide] = {}
        self._by_peer: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        shortest = min(limits.header_timeout, limits.body_idle_timeout, limits.keepalive_timeout)
        self._period = min(_LONGEST_PERIOD, shortest / _SWEEPS_PER_DEADLINE)

    def __len__(self) -> int:
        return len(self._by_client)

    def of(self, client: str) -> ClientSide:
        """The connection of the client with this number of mitmproxy's.

        Raises:
            KeyError: it has ended.
        """
        return self._by_client[client]

    def end(self, flow: http.HTTPFlow) -> None:
        """A request was answered, or broke off."""
        side = self._by_client.get(flow.client_conn.id)
        if side is not None:
            side.end(flow)

    @property
    def under_way(self) -> int:
        """Requests that have begun and not been answered."""
        return sum(len(side.under_way) for side in self._by_client.values())

    def turned_away(self, peer: str) -> str | None:
        """The code for a connection from `peer` that is one too many, else None."""
        if self.draining:
            return "draining"
        if len(self._by_client) >= self.limits.connections:
            return "overloaded"
        if self._by_peer[peer] >= self.limits.connections_per_client:
            return "too_many_connections"
        return None

    def serve(self, side: ClientSide) -> None:
        """Begin with a connection."""
        self._by_client[side.client.id] = side
        self._by_peer[side.peer] += 1
        task = asyncio.get_running_loop().create_task(side.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._sweep)

    def forget(self, side: ClientSide) -> None:
        """A connection has ended."""
        if self._by_client.pop(side.client.id, None) is None:
            return
        for flow in list(side.under_way.values()):
            self.ended(flow)
        self._by_peer[side.peer] -= 1
        if not self._by_peer[side.peer]:
            del self._by_peer[side.peer]

    def crashed(
        self,
        error: Literal[True] | tuple[type[BaseException], BaseException, TracebackType | None] | BaseException,
    ) -> None:
        """A part of mitmproxy failed: nothing of the message that it failed at passes."""
        self.count("internal_error")
        _LOG.error("interception failed", exc_info=error)

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the contract of graceful shutdown
        """Take no more requests, wait for answers that are under way, close everything."""
        self.draining = True
        until = asyncio.get_running_loop().time() + timeout
        while self._by_client and asyncio.get_running_loop().time() < until:
            for side in list(self._by_client.values()):
                if not side.under_way:
                    side.finish()
            await asyncio.sleep(_LOOK_EVERY)
        await self.close()

    async def close(self) -> None:
        """Close every connection at once, and wait until they are gone."""
        self.draining = True
        for side in list(self._by_client.values()):
            side.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for side in list(self._by_client.values()):
            if side.overdue(now):
                self.count("request_timeout")
                side.abort()
        self._timer = loop.call_later(self._period, self._sweep) if self._by_client else None
