"""What people send: each answer is checked whole before any of it is recorded.

An answer has to come from a page of ours that was made for this very person. One that gives consent has to
cite the notice as it is now, and that this person was shown it; what only takes consent away never fails for that.
"""

from collections.abc import Sequence

from gateway.model.errors import GatewayError
from gateway.portal.choices import Selection, choices_of, left_over, select_all
from gateway.portal.context import PortalContext
from gateway.portal.forms import ACCEPT_ALL, REFUSE_ALL, Form
from gateway.portal.notices import NAME
from gateway.portal.visits import Person, Visit
from gateway.runtime.decisions import Choice
from gateway.stores.event import MICROSECONDS, EventRefused, ServedNotice, now_microseconds

MOST_A_DAY = 2000
"""Events of one person in a day, after which only what takes consent away is recorded: each page of the person, and
each look at their consent, takes as long as their history is."""
_DAY = 86_400 * MICROSECONDS


class Stale(GatewayError):  # noqa: N818 - the word of the pages
    """The answer is to another notice, to one that the person was never shown, or to questions that there are not."""

    def __init__(self) -> None:
        super().__init__("the answer is not to what would be asked now")


class TooMany(GatewayError):  # noqa: N818 - the word of the pages
    """The person gave and took back consent so often in a day that no more consent is taken today."""

    def __init__(self) -> None:
        super().__init__("the person decided too often today")


class Submissions:
    """Records answers. All methods give whether anything changed, and raise StoreDown, Stale and TooMany."""

    def __init__(self, context: PortalContext) -> None:
        self._context = context

    async def answer(self, visit: Visit, person: Person, form: Form, *, method: str) -> bool:
        """What a form says: everything, nothing, or one by one."""
        standings = await self._context.standings(visit, person)
        if form.do == REFUSE_ALL:
            return await self.withdraw(visit, person, notice=form.notice, method=method)
        accepting = form.do == ACCEPT_ALL
        selection = select_all(standings.preferences, True) if accepting else form.selection
        try:
            choices = choices_of(standings.preferences, selection, until=_end(visit), renew=accepting)
        except KeyError:
            raise Stale from None
        widens = not all(choice.status.narrows for choice in choices)
        today = now_microseconds() - _DAY
        if widens and sum(event.at > today for event in standings.history) >= MOST_A_DAY:
            raise TooMany
        return await self._record(visit, person, choices, form.notice, method)

    async def withdraw(self, visit: Visit, person: Person, *, notice: str, method: str) -> bool:
        """No to everything that needs consent, also to what the rules no longer speak of."""
        standings = await self._context.standings(visit, person)
        selection: Selection = select_all(standings.preferences, False)
        choices = choices_of(standings.preferences, selection, until=None) + left_over(
            standings.preferences, standings.history
        )
        return await self._record(visit, person, choices, notice, method)

    async def _record(self, visit: Visit, person: Person, choices: Sequence[Choice], digest: str, method: str) -> bool:
        shown = await self._shown(visit, person, digest)
        if shown is None and not all(choice.status.narrows for choice in choices):
            raise Stale
        try:
            events = await self._context.services.decisions.decide(
                person.handle, choices, method=method, assurance=person.assurance, notice=shown
            )
        except EventRefused:
            raise Stale from None
        return bool(events)

    async def _shown(self, visit: Visit, person: Person, digest: str) -> ServedNotice | None:
        """The showing that an answer cites, if that notice is the present one and was shown to this person."""
        notice = await self._context.notices.cited(visit.policy, digest)
        if notice is None:
            return None
        served = await self._context.services.decisions.served(person.handle)
        fitting = [each for each in served if each.notice == NAME and each.digest == digest]
        return next((each for each in reversed(fitting) if each.version == notice.version), None)


def _end(visit: Visit) -> int | None:
    notice = visit.policy.notice
    return None if notice is None or notice.valid is None else notice.valid.after(now_microseconds())
