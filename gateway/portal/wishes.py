"""From what a person wants to the decisions that are recorded: only what changes something becomes an event. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from gateway.model.words import ConsentStatus
from gateway.portal.items import Answer, Item, Kind
from gateway.runtime.decisions import Choice
from gateway.stores.event import ANY_RECIPIENT, ConsentEvent

Wishes: TypeAlias = Mapping[tuple[str, str], bool]
"""Yes or no by purpose and recipient (or any, `*`); to what rests on another basis than consent, no is an objection."""


def wish_for_all(items: Sequence[Item], wanted: bool) -> Wishes:
    """The same answer to everything that needs consent. Objections are left as they are."""
    wishes: dict[tuple[str, str], bool] = {}
    for item in items:
        if item.kind is not Kind.CONSENT:
            continue
        if not item.separate:
            wishes[item.purpose.name, ANY_RECIPIENT] = wanted
        for each in item.each:
            if item.separate or (each.answer is not None and each.answer is not wanted):
                wishes[item.purpose.name, each.recipient] = wanted
        if item.separate and item.whole.answer and not wanted:
            wishes[item.purpose.name, ANY_RECIPIENT] = False
    return wishes


def left_over(items: Sequence[Item], history: Sequence[ConsentEvent]) -> list[Choice]:
    """Withdrawals of consent that still stands to what the rules no longer speak of."""
    known = {(item.purpose.name, each.recipient) for item in items for each in (item.whole, *item.each)}
    last = {(event.purpose, event.recipient): event for event in history}
    return [
        Choice(purpose, ConsentStatus.WITHDRAWN, recipient)
        for (purpose, recipient), event in last.items()
        if event.status.allows and (purpose, recipient) not in known
    ]


def choices_of(items: Sequence[Item], wishes: Wishes, *, until: int | None, renew: bool = False) -> list[Choice]:
    """What has to be recorded so that the wishes hold.

    Consent ends at `until` (microseconds since the epoch). With `renew`, consent that stands is given again.

    Raises:
        KeyError: a wish is for a purpose or recipient that the person cannot be asked about.
    """
    found: dict[tuple[str, str], Choice] = {}
    places = {(item.purpose.name, answer.recipient): (item, answer) for item in items for answer in _asked(item)}
    for key, wanted in wishes.items():
        for choice in _choices(*places[key], wanted, until, renew=renew):
            found.setdefault((choice.purpose, choice.recipient), choice)
    return list(found.values())


def _asked(item: Item) -> tuple[Answer, ...]:
    return () if item.kind is Kind.FIXED else (item.whole, *item.each)


def _choices(item: Item, answer: Answer, wanted: bool, until: int | None, *, renew: bool) -> Iterator[Choice]:
    purpose, recipient, event = item.purpose.name, answer.recipient, answer.event
    if not wanted:
        if item.kind is Kind.OBJECTION:
            status = ConsentStatus.OBJECTED
        else:
            status = ConsentStatus.WITHDRAWN if event is not None and event.status.allows else ConsentStatus.REFUSED
        if answer.answer is not False:
            yield Choice(purpose, status, recipient)
    elif item.kind is Kind.OBJECTION or (recipient != ANY_RECIPIENT and not item.separate):
        # Without the objection or exception, what is said for all holds again.
        if answer.answer is False:
            yield Choice(purpose, ConsentStatus.UNKNOWN, recipient)
    else:
        if renew or not answer.answer:
            again = event is not None and event.status.allows
            status = ConsentStatus.RENEWED if again else ConsentStatus.GIVEN
            yield Choice(purpose, status, recipient, until)
        if item.separate and item.whole.answer is False:
            yield Choice(purpose, ConsentStatus.UNKNOWN)
