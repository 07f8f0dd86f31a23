"""Everyone whom one message lists: looked up together, decided one by one, recorded before the message goes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gateway.documents.people_list import PeopleList
from gateway.engine.each import decide_each, entries_of, identifiers_of
from gateway.engine.exchange import Exchange
from gateway.engine.step import Send, Step
from gateway.model.errors import StoreDown
from gateway.model.facts import Facts, SubjectState
from gateway.model.identity import Identity
from gateway.model.words import Direction, Posture

if TYPE_CHECKING:
    from gateway.runtime.gateway import Gateway


class Everyone:
    """The handles and consents of the people whom a message lists; make it with `met`.

    `index` is that of the first record. All look-ups and `still_stands` raise StoreDown where nobody can tell.
    """

    def __init__(self, gateway: "Gateway", listed: PeopleList, handles: dict[str, str]) -> None:
        self._gateway = gateway
        self._listed = listed
        self._handles = handles
        self._subjects = tuple(dict.fromkeys(handles.values()))
        self._states: dict[str, SubjectState] = {}
        self.index: int | None = None
        self._look()

    @classmethod
    async def met(cls, gateway: "Gateway", listed: PeopleList) -> "Everyone":
        """One look-up for those whom this worker has not met lately; the new ones get their keys in one transaction."""
        return cls(gateway, listed, await gateway.services.people.meet_all(identifiers_of(listed)))

    async def admit(
        self, exchange: Exchange, direction: Direction, name_caller: Callable[[Identity, Step], Awaitable[None]]
    ) -> Step:
        """Decide the message, make its records durable, and decide anew if anyone's consent changed meanwhile (P4)."""
        while True:
            step = self._decide(exchange, direction)
            if exchange.identity is not None:
                await name_caller(exchange.identity, step)
            if isinstance(step, Send):
                await self._mint(step)
            if isinstance(step, Send) and step.recorded:
                try:
                    self.index = await self._record(exchange, step)
                except StoreDown as down:
                    if exchange.treatment.postures[Posture.AUDIT_UNAVAILABLE] != "strip":
                        raise StoreDown(Posture.AUDIT_UNAVAILABLE, "the records cannot be written") from down
                    return self._decide(exchange, direction, strip=True)
            if self.still_stands():
                return step
            self._look()

    def still_stands(self) -> bool:
        """Whether what was read last still is what everyone's consents say."""
        return self._gateway.services.consent.states(self._subjects) == self._states

    def _look(self) -> None:
        """Read what all of them decided, in one look-up for those who are not in memory."""
        self._states = self._gateway.services.consent.states(self._subjects)

    def _decide(self, exchange: Exchange, direction: Direction, *, strip: bool = False) -> Step:
        now = time.time()
        facts = {subject: Facts(now, subject, state) for subject, state in self._states.items()}
        people = {identifier: facts[handle] for identifier, handle in self._handles.items()}
        return decide_each(exchange, direction, self._listed, people, now=now, strip=strip)

    async def _mint(self, step: Send) -> None:
        """Keep whom the pseudonyms in the items stand for, before any of them leaves. Raises StoreDown."""
        mints = {share.subject: share.decision.plan.mints for share in step.shares if share.decision.plan.mints}
        if mints:
            people = self._gateway.services.people
            named = [(identifier, handle) for identifier, handle in self._handles.items() if handle in mints]
            await asyncio.gather(*[people.mint(identifier, handle, mints[handle]) for identifier, handle in named])

    async def _record(self, exchange: Exchange, step: Send) -> int | None:
        """All records in one group, where they fit into one; gives the index of the first. Raises StoreDown."""
        ledger = self._gateway.services.ledger
        if ledger is None:
            return None
        moments, request_id = self._gateway.moments, exchange.request_id
        entries = entries_of(exchange, step, lambda: moments.now(request_id))
        indexes = await asyncio.gather(*[ledger.commit(*entry) for entry in entries])
        return indexes[0]
