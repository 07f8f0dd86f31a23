"""A store for an event loop that must not wait: asked in a thread, by a connection of that thread's own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What a store is to the thread that holds it."""

    def close(self) -> None: ...


_Store = TypeVar("_Store", bound=Closable)
_Answer = TypeVar("_Answer")


class StoreThread(Generic[_Store]):
    """`open_store` is called in the thread, by the first question; one that raised is followed by another try."""

    def __init__(self, name: str, open_store: Callable[[], _Store]) -> None:
        self._open = open_store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.store: _Store | None = None

    async def ask(self, question: Callable[[_Store], _Answer]) -> _Answer:
        """What `question` answers, given the store. One question is answered after another."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)

    def close(self) -> None:
        """Wait for the questions that were asked, then close the store in its thread."""
        if self.store is not None:
            self._thread.submit(self.store.close).result()
        self._thread.shutdown()

    def _answer(self, question: Callable[[_Store], _Answer]) -> _Answer:
        if self.store is None:
            self.store = self._open()
        return question(self.store)
