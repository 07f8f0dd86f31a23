"""A response as it arrives: the head is here, the body may still be on its way.

The body is taken once, either whole with `read` or piece by piece with `async for`. What nobody
takes is bounded: beyond `HIGH` bytes the connection stops reading until the buffer is taken, so
that a slow client slows its upstream.

>>> async for chunk in response: ...
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from gateway.model.errors import Unreadable
from gateway.model.message import ResponseHead
from gateway.model.words import Posture
from gateway.upstream.fields import JudgedHead
from gateway.upstream.tunnel import Tunnel

HIGH = 256 * 1024
RELEASE_AT_MOST = 64 * 1024
"""Bytes of an unwanted rest that are read away to keep its connection; beyond, closing is cheaper."""


class Origin(Protocol):
    """The connection as its response sees it."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...


class UpstreamResponse:
    """`onward` is the head without the fields of this hop; `upgraded` is set for a 101."""

    upgraded: Tunnel | None = None
    _size = 0
    _limit = -1
    complete = False
    """Whether the last byte of the body has arrived."""
    _paused = False
    _discard = False
    _error: Exception | None = None
    _waiter: asyncio.Future[None] | None = None

    def __init__(self, judged: JudgedHead, origin: Origin, loop: asyncio.AbstractEventLoop) -> None:
        self._judged = judged
        self.onward = judged.onward
        self._origin = origin
        self._loop = loop
        self._chunks: list[bytes] = []

    @property
    def head(self) -> ResponseHead:
        """The head with all its fields."""
        return ResponseHead(self.onward.status, self._judged.fields)

    async def read(self, limit: int) -> bytes:
        """The whole body of at most `limit` bytes.

        Raises:
            Unreadable: over_size; the connection is closed and nothing more is read.
            Fault: upstream_broken if the body ends early, upstream_timeout if it stalls.
        """
        self._limit = limit
        if self._size > limit or self._announces_more_than(limit):
            self._fail_over_size()
        self._continue()
        while not self.complete:
            if self._error is not None:
                raise self._error
            await self._wait()
        return self._take()

    def take_whole(self, limit: int) -> bytes:
        """As `read`, of a body that is complete: nothing is left to wait for."""
        if self._size > limit:
            self._fail_over_size()
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes that arrived; errors as `read`, without a limit."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.complete:
                raise StopAsyncIteration
            await self._wait()
        if self._error is not None:
            raise self._error
        chunk = self._take()
        self._continue()
        return chunk

    def release(self) -> None:
        """Give up the rest of the body. A short one is read away, a long one costs the connection."""
        if self.complete or self._error is not None:
            return
        self._discard = True
        self._chunks.clear()
        self._size = 0
        if self._announces_more_than(RELEASE_AT_MOST):
            self._origin.abort()
        else:
            self._continue()

    def abort(self) -> None:
        """Close the connection unless the response is complete: its client is gone."""
        if not self.complete:
            self._origin.abort()

    def receive(self, data: bytes) -> None:
        """Take bytes of the body from the connection."""
        self._size += len(data)
        if self._discard:
            if self._size > RELEASE_AT_MOST:
                self._origin.abort()
            return
        self._chunks.append(data)
        if self._limit >= 0:
            if self._size > self._limit and self._error is None:
                self._error = _over_size()
                self._origin.abort()
                self._wake()
            return
        if self._size > HIGH and not self._paused and not self.complete:
            self._paused = True
            self._origin.pause()
        self._wake()

    def arrive(self, chunks: list[bytes]) -> None:
        """Take the whole of a body that came together with its head: nobody can be waiting yet."""
        self._chunks = chunks
        self._size = len(chunks[0]) if len(chunks) == 1 else sum(map(len, chunks))
        self.complete = True

    def finish(self) -> None:
        """The body is complete; the connection is about to serve others."""
        self.complete = True
        self._continue()
        self._wake()

    def fail(self, error: Exception) -> None:
        """The body will never be complete; what is buffered is not handed out any more."""
        if self._error is None and not self.complete:
            self._error = error
            self._chunks.clear()
            self._wake()

    def _take(self) -> bytes:
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._size = 0
        return body

    def _continue(self) -> None:
        if self._paused and self._error is None:
            self._paused = False
            self._origin.resume()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self._origin.abort()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _announces_more_than(self, limit: int) -> bool:
        if self.complete:
            return False
        length = self._judged.length
        return length is not None and length > limit

    def _fail_over_size(self) -> None:
        self.abort()
        self._error = _over_size()
        raise self._error


def _over_size() -> Unreadable:
    return Unreadable(Posture.OVER_SIZE, "the response's body is over the limit")
