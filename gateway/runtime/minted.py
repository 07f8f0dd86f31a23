"""Pseudonyms that left the gateway: kept before they leave, so that later they name the person they stand for.

Kept are those of the identifiers by which people are told apart: only these can come back as somebody.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from gateway.runtime.rounds import Rounds
from gateway.runtime.store_thread import StoreThread
from gateway.stores.holders import Holders
from gateway.stores.subjects import Subject

_REMEMBERED = 65_536
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Minted:
    """For one event loop. `holders` belongs to its thread; `open_another` is called in the one that writes.

    Every call raises StoreDown (CONSENT_STORE_DOWN) where nobody can tell.
    """

    def __init__(self, holders: Holders, open_another: Callable[[], Holders]) -> None:
        self._holders = holders
        self._thread = StoreThread("pseudonyms", open_another)
        self._rounds = Rounds(self._keep_all)
        self._found: OrderedDict[str, Subject] = OrderedDict()
        self._kept: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._versions: tuple[int, int] | None = None

    def holder(self, text: str) -> Subject | None:
        """Whom a pseudonym stands for; None where that is nobody, or not one person alone."""
        versions = self._settle()
        found = self._found.get(text)
        if found is None:
            found = self._holders.find([text]).get(text)
            if found is not None and versions is not None:
                _remember(self._found, text, found)
        return found

    async def holders(self, texts: Collection[str]) -> dict[str, str]:
        """The handles by pseudonym, without those that stand for nobody; all that are not in memory in one look-up."""
        versions = self._settle()
        known = {text: self._found[text] for text in texts if text in self._found}
        if len(known) < len(texts):
            unknown = [text for text in texts if text not in known]
            found = await self._thread.ask(lambda holders: holders.find(unknown))
            if versions is not None and versions == self._settle():
                for text, subject in found.items():
                    _remember(self._found, text, subject)
            known |= found
        return {text: subject.handle for text, subject in known.items()}

    def is_kept(self, handle: str, pseudonyms: Sequence[str]) -> bool:
        """Whether it is known, without asking the disk, that all of these lead to the person."""
        self._settle()
        return all((pseudonym, handle) in self._kept for pseudonym in pseudonyms)

    async def keep(self, identifier: str, pseudonyms: Sequence[str]) -> None:
        """Have these lead to whom the identifier names from now on, durable when this returns."""
        versions = self._settle()
        person = await asyncio.shield(self._rounds.ask((identifier, tuple(pseudonyms))))
        if person is not None and versions is not None and versions == self._settle():
            for pseudonym in pseudonyms:
                _remember(self._kept, (pseudonym, person.handle), None)

    def version(self) -> tuple[int, int] | None:
        return self._holders.versions()

    def close(self) -> None:
        self._thread.close()
        self._holders.close()

    async def _keep_all(self, asked: list[tuple[str, tuple[str, ...]]]) -> list[Subject | None]:
        pseudonyms: dict[str, tuple[str, ...]] = {}
        for identifier, theirs in asked:
            pseudonyms[identifier] = pseudonyms.get(identifier, ()) + theirs
        people = await self._thread.ask(lambda holders: holders.keep(pseudonyms))
        return [people.get(identifier) for identifier, _ in asked]

    def _settle(self) -> tuple[int, int] | None:
        """The stores' versions; forgets what may no longer be so."""
        versions = self._holders.versions()
        if versions is None or versions != self._versions:
            self._found.clear()
            self._kept.clear()
            self._versions = versions
        return versions


def _remember(memory: "OrderedDict[_Key, _Value]", key: _Key, value: _Value) -> None:
    if len(memory) >= _REMEMBERED:
        memory.popitem(last=False)
    memory[key] = value
