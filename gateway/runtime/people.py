"""Handles of people for one event loop: those met lately from memory, all others without blocking it.

A thread with a connection of its own looks people up and makes keys for new ones. A pseudonym that this gateway
gave out stands for whom it was made for (`minted`), and any other text of that form for nobody.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

from gateway.crypto.keyring import KeyRing
from gateway.runtime.minted import Minted
from gateway.runtime.rounds import Rounds
from gateway.runtime.store_thread import StoreThread
from gateway.stores.ports import SubjectStore
from gateway.stores.subjects import Subject

NEVER_MET = "s1." + "A" * 22
"""Somebody of whom nothing is kept: no key and no consent."""
_HELD = 65_536
"""Keys of which it is remembered that they are here, until one is erased."""


class People:
    """`store` belongs to the loop's thread; `open_another` is called in the thread that will use what it opens."""

    def __init__(
        self, keys: KeyRing, store: SubjectStore, open_another: Callable[[], SubjectStore], minted: Minted
    ) -> None:
        self._keys = keys
        self._store = store
        self._meeting = StoreThread("people", open_another)
        self._rounds = Rounds(self._handles)
        self._held: set[bytes] = set()
        self._held_at = -1
        self.minted = minted

    def known(self, identifier: str) -> str | None:
        """The handle, if the person was met lately. Raises ValueError and StoreDown as the store does."""
        try:
            return self._store.known(identifier)
        except ValueError:
            return self._stands_for(identifier).handle

    def find(self, identifier: str) -> str | None:
        """The handle, None where there is no key; asks the disk for all but those met lately. Raises as `known`."""
        known = self.known(identifier)
        if known is not None:
            return known
        subject = self._store.find(identifier)
        return None if subject is None else subject.handle

    async def meet(self, identifier: str) -> str:
        """The handle; whoever is met for the first time gets a key, durable when this returns. Raises as `known`."""
        version = self._store.version()
        try:
            index = self._keys.subject_index(identifier)
        except ValueError:
            return self._stands_for(identifier).handle
        handle = await asyncio.shield(self._rounds.ask(index))
        self._store.remember(identifier, handle, version)
        return handle

    async def handle(self, identifier: str) -> str | None:
        """The handle of a person, who gets a key where there is none; None where the text names nobody.

        Raises:
            StoreDown: as the store does.
        """
        try:
            return self.known(identifier) or await self.meet(identifier)
        except ValueError:
            return None

    def handle_so_far(self, identifier: str) -> str | None:
        """The same where nothing is to be kept yet: for somebody who was never met, a handle that is nobody's."""
        try:
            return self.find(identifier) or NEVER_MET
        except ValueError:
            return None

    async def mint(self, identifier: str, handle: str, mints: Sequence[Callable[[str], str]]) -> None:
        """Have the pseudonyms that `mints` make of the identifier lead to its person (with that handle, if not
        erased meanwhile) from now on, durable when this returns.

        Raises:
            StoreDown: as the store does; then the pseudonyms must not leave.
        """
        pseudonyms = [mint(identifier) for mint in mints]
        if not self.minted.is_kept(handle, pseudonyms):
            await self.minted.keep(identifier, pseudonyms)

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
        named = {identifier: handle or met[identifier] for identifier, handle in known.items()}
        if len(named) < len(identifiers):
            named |= await self.minted.holders([each for each in identifiers if each not in named])
        return named

    async def subject(self, identifier: str) -> Subject:
        """What is kept of the person, who gets a key where there is none. Raises as `known`."""
        while True:
            await self.meet(identifier)
            try:
                subject = self._store.find(identifier)
            except ValueError:
                return self._stands_for(identifier)
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
        self.minted.close()
        self._meeting.close()
        self._store.close()

    async def _handles(self, indexes: list[bytes]) -> Sequence[str]:
        return await self._meeting.ask(lambda store: store.handles(indexes))

    def _stands_for(self, text: str) -> Subject:
        """Whom a pseudonym stands for. Raises ValueError where that is nobody, and StoreDown as the stores do."""
        found = self.minted.holder(text)
        if found is None:
            raise ValueError("the text names nobody")
        return found
