"""Who reads a page: whom a verified source names, or else a new visitor, where the deployment has visitors."""

from gateway.model.identity import Identity
from gateway.model.message import RequestHead
from gateway.portal.visits import Person
from gateway.runtime.services import Services


class Identification:
    """Raises StoreDown from every call where the store of people does not answer."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def find(self, head: RequestHead) -> Person | None:
        """Whom the request names; None for nobody, or nobody without doubt."""
        identities = self._services.identities
        if identities is None:
            return None
        if identities.awaits_keys(head):
            await identities.keys_come()
        identity = identities.resolve(head)
        return None if identity is None else await self._known(identity)

    def may_meet(self, head: RequestHead) -> bool:
        """Whether somebody whom the request does not name can be a visitor: not who claims to be somebody else."""
        identities = self._services.identities
        return identities is not None and identities.visitors is not None and not identities.is_claimed(head)

    async def meet(self, head: RequestHead) -> tuple[Person, bytes] | None:
        """A new visitor, and the Set-Cookie that makes the browser that; None where it may not be one."""
        visitors = self._services.visitors
        if visitors is None or not self.may_meet(head):
            return None
        identity, cookie = visitors.new()
        person = await self._known(identity)
        return None if person is None else (person, cookie)

    async def _known(self, identity: Identity) -> Person | None:
        if identity.handle:
            return Person(identity.handle, identity)
        handle = await self._services.people.handle(identity.name)
        return None if handle is None else Person(handle, identity)
