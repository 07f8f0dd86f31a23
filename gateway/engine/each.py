"""Messages that list many people: each item is decided for its own person, and what is around them for nobody.

The driver asks `people_listed` once the body is open, looks up all `identifiers_of` them together, and
calls `decide_each` in place of the exchange's own decision.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from gateway.crypto.keyring import names_visitor
from gateway.documents.document import Opened
from gateway.documents.json_body import JsonDocument
from gateway.documents.media import Media
from gateway.documents.people_list import NOBODY, PeopleList, open_people_list
from gateway.engine.record import Entry, Moment
from gateway.engine.rewrite import Content
from gateway.engine.signals import with_signals
from gateway.engine.step import Refuse, Send, Share, Step
from gateway.model.errors import Unreadable
from gateway.model.facts import Facts
from gateway.model.limits import Limits
from gateway.model.words import Direction, Posture
from gateway.policy.policy import Each

if TYPE_CHECKING:
    from gateway.engine.exchange import Exchange


def with_people(content: Content, each: Each, direction: Direction, limits: Limits) -> Content:
    """The content with its items told apart, where it is the message that lists people, and JSON with a list.

    Raises:
        Unreadable: UNKNOWN_MEDIA_TYPE for lines of JSON, whose people nobody could tell apart; DUPLICATE_KEY.
    """
    document = content.opened.document
    if direction is not each.direction:
        return content
    if document.media is Media.NDJSON:
        raise Unreadable(Posture.UNKNOWN_MEDIA_TYPE, "people are listed in one JSON array, not in lines")
    if not isinstance(document, JsonDocument):
        return content
    found = open_people_list(document, content.plain, each.path, each.field, limits)
    if found is None:
        return content
    return Content(content.received, Opened(content.plain, content.opened.codings, found))


def people_listed(content: Content | bytes | None) -> PeopleList | None:
    """The list of people that a body is, once it is open."""
    if isinstance(content, Content) and isinstance(content.document, PeopleList):
        return content.document
    return None


def met_in_items(content: Content | bytes | None) -> bool:
    """Whether anything was classified or decided in the items of somebody, at the last edit."""
    listed = people_listed(content)
    return listed is not None and any(each.unlisted or any(each.counts) for each in listed.outcomes)


def identifiers_of(listed: PeopleList) -> list[str]:
    """Each identifier of the list once, in its order; a visitor's name, from here, is nobody's."""
    found = dict.fromkeys(text for text in listed.identifiers if text)
    return [text for text in found if not names_visitor(text)]


def decide_each(
    exchange: "Exchange",
    direction: Direction,
    listed: PeopleList,
    people: Mapping[str, Facts],
    *,
    now: float,
    strip: bool = False,
) -> Step:
    """What becomes of the message; refused as a whole if that of anybody is.

    Args:
        exchange: whose body is open.
        direction: of the message that lists people.
        listed: what `people_listed` gave.
        people: facts by identifier; whom it leaves out is nobody. Several identifiers can be one person.
        now: the time of all those facts, in seconds since the epoch.
        strip: let nothing personal pass.
    """
    request = direction is Direction.REQUEST
    plans = exchange.request_plans if request else exchange.response_plans
    subjects: dict[str | None, int] = {}
    persons: list[Facts] = []
    owners: dict[str | None, int] = {}
    for identifier, facts in people.items():
        owner = owners[identifier] = subjects.setdefault(facts.subject, len(persons))
        if owner == len(persons):
            persons.append(facts)
    reader = plans.signals
    if reader is not None:
        said = reader.read(exchange.head)
        persons = [with_signals(facts, said) for facts in persons]
    decisions = [plans.decide(facts, strip=strip) for facts in persons]
    listed.assign(
        [owners.get(identifier, NOBODY) for identifier in listed.identifiers],
        [decision.plan.body for decision in decisions],
    )
    exchange.subject = None  # of an earlier round, whose refusal spoke of somebody
    nobody = Facts(now=now)
    step = exchange.decide_request(nobody, strip=strip) if request else exchange.decide_response(nobody, strip=strip)
    if isinstance(step, Refuse):
        return step
    shares = []
    for facts, decision, outcome in zip(persons, decisions, listed.outcomes, strict=True):
        counts = decision.plan.record.counts(outcome.counts, (outcome.unlisted, 0, 0, 0))
        if decision.plan.may_refuse and not exchange.observes:
            refused = exchange.refused(decision, counts)
            if refused is not None:
                exchange.subject = facts.subject
                return refused
        if counts.personal and facts.subject is not None:
            shares.append(Share(facts.subject, decision, counts))
    return msgspec.structs.replace(step, shares=tuple(shares))


def entries_of(exchange: "Exchange", step: Send, moment: Callable[[], Moment]) -> list[Entry]:
    """The records of a step: one for each person whose items hold something, and one for what is nobody's.

    Each gets a `moment` of its own, all with the id of the request.
    """
    entries = []
    if step.counts.personal or step.posture or exchange.treatment.record_always or not step.shares:
        entries.append(exchange.entry(step, moment()))
    method = exchange.head.method.encode()
    for share in step.shares:
        entry = share.decision.plan.record.entry(
            moment(),
            share.counts,
            method=method,
            route=exchange.name,
            subject=share.subject,
            caller=exchange.caller,
            events=share.decision.events,
            status=step.outgoing.status,
        )
        entries.append(entry)
    return entries
