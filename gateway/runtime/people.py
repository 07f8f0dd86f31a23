"""Handles of people for one event loop: those met lately from memory, all others without blocking it.

A thread with a connection of its own looks people up and makes keys for new ones; those who come while
it is at work share the next transaction, so that a crowd of new people costs a few syncs and not one each.
"""

import asyncio
from collections.abc import Callable, Collection

from gateway.crypto.keyring import KeyRing
from gateway.model.errors import StoreDown
from gateway.runtime.store_thread import StoreThread
from gateway.stores.ports import SubjectStore
from gateway.stores.subjects import Subject

_HELD = 65_536
"""Keys of which it is remembered that they are here, until one is erased."""


class People:
    """`store` belongs to the loop's thread; `open_another` is called in the thread that will use what it opens."""

    def __init__(self, keys: KeyRing, store: SubjectStore, open_another: Callable[[], SubjectStore]) -> None:
        self._keys = keys
        self._store = store
        self._meeting = StoreThread("people", open_another)
        self._waiting: dict[bytes, asyncio.Future[str]] = {}
        self._round: asyncio.Task[None] | None = None
        self._held: set[bytes] = set()
        self._held_at = -1

    def known(self, identifier: str) -> str | None:
        """The handle, if the person was met lately. Raises ValueError and StoreDown as the store does."""
        return self._store.known(identifier)

    def find(self, identifier: str) -> str | None:
        """The handle, None where there is no key; asks the disk for all but those met lately. Raises as `known`."""
        known = self._store.known(identifier)
        if known is not None:
            return known
        subject = self._store.find(identifier)
        return None if subject is None else subject.handle

    async def meet(self, identifier: str) -> str:
        """The handle; whoever is met for the first time gets a key, durable when this returns. Raises as `known`."""
        version = self._store.version()
        index = self._keys.subject_index(identifier)
        future = self._waiting.get(index)
        if future is None:
            future = self._waiting[index] = asyncio.get_running_loop().create_future()
        if self._round is None:
            self._round = asyncio.create_task(self._serve())
        handle = await asyncio.shield(future)
        self._store.remember(identifier, handle, version)
        return handle

    async def meet_all(self, identifiers: Collection[str]) -> dict[str, str]:
        """The handles of many people, all that were not met lately in one look-up; who names nobody is left out.

        Raises:
            StoreDown: as the store does.
        """
        known = self._store.known_of(identifiers)
        # All of them are waiting before the next round of the thread begins, which then answers them together.
        meeting = [identifier for identifier, handle in known.items() if handle is None]
        handles = await asyncio.gather(*map(self.meet, meeting)) if meeting else ()
        met = dict(zip(meeting, handles, strict=True))
        return {identifier: handle or met[identifier] for identifier, handle in known.items()}

    async def subject(self, identifier: str) -> Subject:
        """What is kept of the person, who gets a key where there is none. Raises as `known`."""
        while True:
            await self.meet(identifier)
            subject = self._store.find(identifier)
            if subject is not None:
                return subject

    def has(self, digest: bytes) -> bool:
        """Whether the key of this digest is here, so that its person was not erased. Raises StoreDown."""
        version = self._store.version()
        if version is None:
            return bool(self._store.holds([digest]))
        if version != self._held_at:
            self._held.clear()
            self._held_at = version
        if digest not in self._held:
            if not self._store.holds([digest]):
                return False
            if len(self._held) >= _HELD:
                self._held.clear()
            self._held.add(digest)
        return True

    def version(self) -> int | None:
        return self._store.version()

    def close(self) -> None:
        self._meeting.close()
        self._store.close()

    async def _serve(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                await self._answer(waiting)
        finally:
            self._round = None

    async def _answer(self, waiting: dict[bytes, asyncio.Future[str]]) -> None:
        try:
            handles = await self._meeting.ask(lambda store: store.handles(list(waiting)))
            for future, handle in zip(waiting.values(), handles, strict=True):
                future.set_result(handle)
        except StoreDown as error:
            for future in waiting.values():
                future.set_exception(error)
                future.exception()  # a caller that went away is no news for the log
        finally:
            for future in waiting.values():
                future.cancel()  # where this was cut off; nobody is to wait for ever
