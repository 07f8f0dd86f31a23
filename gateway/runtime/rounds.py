"""Questions to a store that are asked together: those who come while one is answered share the next.

So a crowd of new people costs a few syncs of the disk and not one each.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.model.errors import StoreDown

_Key = TypeVar("_Key")
_Answer = TypeVar("_Answer")


class Rounds(Generic[_Key, _Answer]):
    """For one event loop. `answer` is given all that is asked for at a time, each once, and answers in that order."""

    def __init__(self, answer: Callable[[list[_Key]], Awaitable[Sequence[_Answer]]]) -> None:
        self._answer = answer
        self._waiting: dict[_Key, asyncio.Future[_Answer]] = {}
        self._round: asyncio.Task[None] | None = None

    def ask(self, key: _Key) -> asyncio.Future[_Answer]:
        """The answer, which others may wait for too: to be shielded. StoreDown where `answer` raises that."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._round is None:
            self._round = asyncio.create_task(self._serve())
        return future

    async def _serve(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                await self._give(waiting)
        finally:
            self._round = None

    async def _give(self, waiting: dict[_Key, asyncio.Future[_Answer]]) -> None:
        try:
            answers = await self._answer(list(waiting))
            for future, answer in zip(waiting.values(), answers, strict=True):
                future.set_result(answer)
        except StoreDown as error:
            for future in waiting.values():
                future.set_exception(error)
                future.exception()  # a caller that went away is no news for the log
        finally:
            for future in waiting.values():
                future.cancel()  # where this was cut off; nobody is to wait for ever
