"""Sending a request body that arrives piece by piece, while the answer may already come."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from gateway.model.errors import Fault, Source


class Sink(Protocol):
    """The connection as an upload sees it."""

    def write(self, data: bytes) -> None: ...
    async def drained(self) -> None: ...
    def upload_finished(self) -> None: ...


async def upload(body: AsyncIterator[bytes], length: int | None, sink: Sink) -> None:
    """Send all of `body`, chunked unless its `length` in bytes is known, at the upstream's pace.

    Raises:
        Fault: internal_error, if the body has not the announced length: the connection is then of
            no use, since the upstream would read what follows as part of it.
    """
    sent = 0
    try:
        async for piece in body:
            if not piece:
                continue  # an empty chunk would end the body
            sent += len(piece)
            if length is None:
                sink.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            elif sent <= length:
                sink.write(piece)
            else:
                raise _wrong_length()
            await sink.drained()
        if length is None:
            sink.write(b"0\r\n\r\n")
        elif sent != length:
            raise _wrong_length()
    finally:
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
    sink.upload_finished()


def start_upload(
    body: AsyncIterator[bytes], length: int | None, sink: Sink, loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None]:
    """Run `upload` beside the exchange: only bodies that stream cost a task."""
    return loop.create_task(upload(body, length, sink))


def _wrong_length() -> Fault:
    return Fault("internal_error", Source.GATEWAY, "the request body has not the announced length", close=True)
