"""The connections to one upstream: kept, bounded, watched, and shared fairly.

The freshest idle connection serves first, so that spare ones age out. At the size limit callers
queue in order. One timer per pool watches every deadline; it runs only while something is open.
"""

import asyncio
import ssl
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from gateway.model.errors import Fault, Source
from gateway.model.limits import Limits
from gateway.upstream.address import Upstream, parse_upstream
from gateway.upstream.connection import Dropped, UpstreamConnection
from gateway.upstream.head import FieldBlock, broken, encode_head
from gateway.upstream.parent import open_tunnel
from gateway.upstream.response import UpstreamResponse
from gateway.upstream.templates import HeadTemplates
from gateway.upstream.tls import UpstreamTls
from gateway.upstream.tunnel import Tunnel

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class PoolStats(msgspec.Struct, frozen=True):
    """Counters since the start (`requests` to `faults`) and the present state (the rest)."""

    requests: int
    connects: int
    reuses: int
    retries: int
    unsolicited: int
    faults: int
    open: int
    idle: int
    waiting: int


class UpstreamPool:
    """HTTP/1.1 connections to one upstream, inside one event loop."""

    def __init__(self, upstream: Upstream, limits: Limits) -> None:
        self.upstream = upstream
        self._limits = limits
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all: set[UpstreamConnection] = set()
        self._idle: list[UpstreamConnection] = []
        self._tunnels: weakref.WeakSet[Tunnel] = weakref.WeakSet()
        self._free = limits.upstream_pool_size
        self._queue: deque[tuple[asyncio.Future[UpstreamConnection | None], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._templates = HeadTemplates(limits)
        self._closed = False
        self._requests = self._connects = self._reuses = self._retries = self._unsolicited = self._faults = 0
        shortest = min(limits.upstream_first_byte_timeout, limits.upstream_idle_timeout, limits.upstream_pool_idle)
        self._period = min(1.0, shortest / 4, limits.upstream_connect_timeout / 4)

    async def request(
        self,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]] | FieldBlock,
        body: bytes | AsyncIterator[bytes] | None = None,
        *,
        content_length: int | None = None,
        strict_singletons: bool = False,
        upgrade: bool = False,
        still: Callable[[], bool] | None = None,
    ) -> UpstreamResponse:
        """Send one request and return its final response as soon as the head is here.

        `headers` are complete but for framing, which is added here; framing fields among them are
        ignored. A `body` of None sends no framing at all, b"" sends `Content-Length: 0`; an
        iterator is sent with `content_length` if that is known, else chunked, and goes on while a
        2xx response already arrives; any other early response stops it.

        GET, HEAD and OPTIONS without an iterator are sent once more where their connection turns
        out to have been closed meanwhile (RFC 9110 section 9.2.2). `strict_singletons` refuses a
        response that repeats Content-Type, Location, ETag or Content-Disposition. `upgrade` asks
        for a WebSocket and lets a 101 through. `still` is asked right before the first byte goes,
        however long that took: False means that it must not.

        Cancelling the caller closes the connection at once.

        Raises:
            Fault: consent_changed, where `still` says no; upstream_unreachable, upstream_tls,
                upstream_timeout, upstream_broken, upstream_overloaded; internal_error for a request
                that cannot be written. What the body's iterator raises passes through.
        """
        self._requests += 1
        stream = None if body is None or isinstance(body, bytes) else body
        length = len(body) if isinstance(body, bytes) else None if stream is None else content_length
        chunked = stream is not None and length is None
        start = encode_head(method, target, headers, length=length, chunked=chunked, upgrade=upgrade)
        if isinstance(body, bytes):
            start += body
        fresh = False
        try:
            while True:
                connection = None if fresh else self._take_idle()
                if connection is None:
                    connection = await self._acquire(fresh=fresh)
                self._check(still, connection)
                waiter = connection.send(start, is_head=method == "HEAD", strict=strict_singletons, upgrade=upgrade)
                if stream is not None:
                    connection.send_body(stream, length)
                try:
                    return await waiter
                except Dropped:
                    if fresh or not connection.served or stream is not None or method not in _SAFE:
                        raise
                    self._retries += 1
                    fresh = True
                except asyncio.CancelledError:
                    connection.give_up(waiter)
                    raise
        except Fault:
            self._faults += 1
            raise

    def _check(self, still: Callable[[], bool] | None, connection: UpstreamConnection) -> None:
        if still is not None and not still():
            self.take_back(connection)
            raise Fault("consent_changed", Source.GATEWAY, "consent changed while the request waited")

    @property
    def stats(self) -> PoolStats:
        return PoolStats(
            requests=self._requests,
            connects=self._connects,
            reuses=self._reuses,
            retries=self._retries,
            unsolicited=self._unsolicited,
            faults=self._faults,
            open=len(self._all),
            idle=len(self._idle),
            waiting=sum(not waiter.done() for waiter, _ in self._queue),
        )

    def close(self) -> None:
        """Close idle connections now and the others after their exchange; refuse new requests."""
        self._closed = True
        for connection in list(self._idle):
            connection.abort()
        for waiter, _ in self._queue:
            if not waiter.done():
                waiter.set_exception(_overloaded())
        self._queue.clear()

    def abort(self) -> None:
        """Close everything at once; exchanges under way end with a fault."""
        self.close()
        for connection in list(self._all):
            connection.abort()
        for tunnel in list(self._tunnels):
            tunnel.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Connections come and go

    async def _acquire(self, *, fresh: bool) -> UpstreamConnection:
        if self._closed:
            raise _overloaded()
        if fresh:
            if not self._free and self._idle:
                self._idle[0].abort()
        else:
            connection = self._take_idle()
            if connection is not None:
                return connection
        if self._free:
            self._free -= 1
            return await self._connect()
        connection = await self._wait_for_turn()
        if connection is None:
            return await self._connect()
        if connection.usable() and not fresh:
            self._reuses += 1
            return connection
        connection.abort()
        return await self._acquire(fresh=fresh)

    def _take_idle(self) -> UpstreamConnection | None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable():
                self._reuses += 1
                return connection
            connection.abort()
        return None

    async def _wait_for_turn(self) -> UpstreamConnection | None:
        """A connection that came back, or None for the right to open one."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[UpstreamConnection | None] = loop.create_future()
        self._queue.append((waiter, loop.time() + self._limits.upstream_connect_timeout))
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                granted = waiter.result()
                if granted is None:
                    self._free_slot()
                else:
                    self.take_back(granted)
            raise

    async def _connect(self) -> UpstreamConnection:
        """Open a connection in the slot that the caller holds; a slot that came to nothing is free again."""
        loop = self._loop = asyncio.get_running_loop()
        try:
            connection = await self._open(loop)
        except BaseException:
            self._free_slot()
            raise
        self._all.add(connection)
        if self._timer is None:
            self._timer = loop.call_later(self._period, self._sweep)
        return connection

    async def _open(self, loop: asyncio.AbstractEventLoop) -> UpstreamConnection:
        upstream = self.upstream
        connection = UpstreamConnection(self, self._limits, loop, self._templates)
        try:
            async with asyncio.timeout(self._limits.upstream_connect_timeout):
                await self._reach(loop, connection)
        except TimeoutError:
            raise Fault("upstream_timeout", Source.UPSTREAM, "connecting to the upstream took too long") from None
        except ssl.SSLError:
            raise Fault("upstream_tls", Source.UPSTREAM, "TLS with the upstream failed") from None
        except (OSError, UnicodeError) as error:  # the latter: a name that DNS cannot hold
            if upstream.ssl is not None and isinstance(error, ConnectionResetError):
                raise Fault("upstream_tls", Source.UPSTREAM, "the upstream refused TLS") from None
            raise Fault("upstream_unreachable", Source.UPSTREAM, "the upstream cannot be reached") from None
        self._connects += 1
        if connection.closed:
            raise broken("the upstream ended the connection before any request")
        return connection

    async def _reach(self, loop: asyncio.AbstractEventLoop, connection: UpstreamConnection) -> None:
        """Connect, with TLS where that is the upstream's way, and through its parent where it has one."""
        upstream = self.upstream
        name = upstream.server_name if upstream.ssl is not None else None
        if upstream.parent is None:
            await loop.create_connection(
                lambda: connection, upstream.host, upstream.port, ssl=upstream.ssl, server_hostname=name
            )
            return
        if upstream.ssl is None:
            raise Fault("tls_required", Source.CLIENT, "only what TLS protects goes through a parent proxy")
        tunnel = await open_tunnel(upstream.parent, upstream.host, upstream.port)
        try:
            encrypted = await loop.start_tls(tunnel, connection, upstream.ssl, server_hostname=name)
        except BaseException:
            tunnel.abort()
            raise
        if encrypted is None:
            raise Fault("upstream_unreachable", Source.UPSTREAM, "the parent proxy closed the connection")
        connection.connection_made(encrypted)

    def take_back(self, connection: UpstreamConnection) -> None:
        """A connection is free again: the longest waiting caller gets it, else it idles."""
        if self._closed:
            connection.abort()
            return
        waiter = self._next_in_line() if self._queue else None
        if waiter is not None:
            waiter.set_result(connection)
        else:
            self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection is closed: its place is free."""
        if connection in self._all:
            self._all.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._free_slot()

    def hand_over(self, connection: UpstreamConnection, tunnel: Tunnel) -> None:
        """A connection became a tunnel, which takes no place in the pool."""
        self.forget(connection)
        self._tunnels.add(tunnel)

    def count_unsolicited(self) -> None:
        """An upstream sent bytes that belong to no exchange."""
        self._unsolicited += 1

    def _free_slot(self) -> None:
        waiter = self._next_in_line()
        if waiter is not None:
            waiter.set_result(None)
        else:
            self._free += 1

    def _next_in_line(self) -> asyncio.Future[UpstreamConnection | None] | None:
        while self._queue:
            waiter, _ = self._queue.popleft()
            if not waiter.done():
                return waiter
        return None

    def _sweep(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        for connection in [each for each in self._all if each.deadline <= now]:
            connection.expire()
        while self._queue and (self._queue[0][0].done() or self._queue[0][1] <= now):
            waiter, _ = self._queue.popleft()
            if not waiter.done():
                waiter.set_exception(_overloaded())
        open_or_awaited = self._all or self._queue
        self._timer = self._loop.call_later(self._period, self._sweep) if open_or_awaited else None


class UpstreamPools:
    """One pool per upstream URL, made when first asked for. `tls` maps URLs to their TLS files."""

    def __init__(self, limits: Limits, tls: Mapping[str, UpstreamTls] | None = None) -> None:
        self._limits = limits
        self._tls = tls or {}
        self._pools: dict[str, UpstreamPool] = {}

    def of(self, url: str) -> UpstreamPool:
        """The pool of the upstream at `url`.

        Raises:
            ValueError: as `parse_upstream`.
        """
        pool = self._pools.get(url)
        if pool is None:
            pool = UpstreamPool(parse_upstream(url, self._tls.get(url)), self._limits)
            self._pools[url] = pool
        return pool

    def stats(self) -> dict[str, PoolStats]:
        return {url: pool.stats for url, pool in self._pools.items()}

    def close(self) -> None:
        """As `UpstreamPool.close`, for all."""
        for pool in self._pools.values():
            pool.close()

    def abort(self) -> None:
        """As `UpstreamPool.abort`, for all."""
        for pool in self._pools.values():
            pool.abort()


def _overloaded() -> Fault:
    return Fault("upstream_overloaded", Source.UPSTREAM, "no connection to the upstream came free in time")
