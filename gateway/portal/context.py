"""What all pages share in one worker: whom they ask, what they show, and how a person's choices are looked up."""

from collections.abc import Sequence

import msgspec

from gateway.documents.cookie_names import CookieNames, carried
from gateway.engine.signals import with_signals
from gateway.model.facts import Facts
from gateway.policy.cookies import denied_cookies
from gateway.portal.csrf import CsrfTokens
from gateway.portal.identification import Identification
from gateway.portal.notices import NAME, Notice, Notices
from gateway.portal.preferences import Preference, preferences_of
from gateway.portal.views import Views
from gateway.portal.visits import Person, Visit
from gateway.runtime.gateway import Gateway
from gateway.runtime.services import Services
from gateway.runtime.settings_portal import PortalSettings
from gateway.stores.event import ConsentEvent, ServedNotice, new_event_id, now_microseconds
from gateway.stores.fold import fold


class Standings(msgspec.Struct, frozen=True):
    """A person's own events in the order in which they count, and what follows from them under the rules."""

    history: Sequence[ConsentEvent]
    preferences: tuple[Preference, ...]


class PortalContext:
    """The parts from which the pages are made."""

    def __init__(self, gateway: Gateway, settings: PortalSettings, notices: Notices, views: Views) -> None:
        self.gateway = gateway
        self.settings = settings
        self.notices = notices
        self.views = views
        self.identification = Identification(gateway.services)
        self.csrf_tokens = CsrfTokens(gateway.services.keys)

    @property
    def services(self) -> Services:
        return self.gateway.services

    async def standings(self, visit: Visit, person: Person | None) -> Standings:
        """What the person decided, and how everything stands now. Raises StoreDown."""
        history = [] if person is None else await self.services.decisions.history(person.handle)
        return Standings(history, preferences_of(visit.policy, history, self._facts(visit, person, history)))

    def _facts(self, visit: Visit, person: Person | None, history: Sequence[ConsentEvent]) -> Facts:
        handle = None if person is None else person.handle
        return with_signals(Facts(visit.now, handle, fold(history)), self.gateway.engine.signals.read(visit.head))

    async def forget(self, visit: Visit, person: Person) -> None:
        """Have the answer delete the cookies of purposes that the person does not want. Raises StoreDown.

        Those that came with the request, and those that stand in the rules by their whole names: a cookie
        that an application set for another path than this one's does not come here.
        """
        history = await self.services.decisions.history(person.handle)
        denied = denied_cookies(visit.policy, self._facts(visit, person, history))
        if not denied:
            return
        # By all names of the rules: one that is wanted may fit a pattern of those that are not.
        listed = CookieNames((rule.address.name, rule.address.name) for rule in visit.policy.cookies)
        sent = (name for name, found in carried(visit.head.headers, listed).items() if found in denied)
        visit.cookies += self.services.cookies.deletions(visit.head.host, dict.fromkeys((*sent, *sorted(denied))))

    async def show(self, visit: Visit, person: Person, layer: str, method: str) -> Notice:
        """The notice that the answer will hold; that it was shown is durable when this returns. Raises StoreDown.

        An answer to HEAD holds nothing, so it shows nothing.
        """
        notice = await self.notices.shown(visit.policy, visit.words.language, layer)
        if visit.head.method != "HEAD":
            await self.services.decisions.serve(served(notice, person, method))
        return notice


def served(notice: Notice, person: Person, method: str) -> ServedNotice:
    """That a notice is shown to somebody now."""
    at = now_microseconds()
    return ServedNotice(
        id=new_event_id(at),
        subject=person.handle,
        notice=NAME,
        version=notice.version,
        digest=notice.digest,
        language=notice.language,
        at=at,
        method=method,
    )
