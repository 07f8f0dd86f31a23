"""A body on its way through the passage's editor: what comes out is on record already."""

from collections.abc import AsyncIterator, Iterable

from gateway.model.errors import Fault, Source
from gateway.runtime.parts import BodyEditor


async def edited(
    editor: BodyEditor | None, pieces: AsyncIterator[bytes], first: Iterable[bytes] = ()
) -> AsyncIterator[bytes]:
    """The body as the editor lets it go on, never an empty piece; `first` is what was read of it already.

    Raises:
        Unreadable, Fault, StoreDown: what came before has gone on, nothing else may.
    """
    if editor is None:
        raise Fault("internal_error", Source.GATEWAY, "nobody edits this body", close=True)
    for piece in first:
        if content := await editor.feed(piece):
            yield content
    async for piece in pieces:
        if content := await editor.feed(piece):
            yield content
    if content := await editor.finish():
        yield content


async def begun(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same once its first piece is there: a body that is broken at its start can still be refused in full."""
    try:
        first = await anext(pieces)
    except StopAsyncIteration:
        first = b""
    return _from(first, pieces)


async def _from(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in pieces:
        yield piece
