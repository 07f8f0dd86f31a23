"""From what a person selected to the decisions to record: only what changes something becomes an event. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from gateway.model.words import ConsentStatus
from gateway.portal.preferences import Answer, Kind, Preference
from gateway.runtime.decisions import Choice
from gateway.stores.event import ANY_RECIPIENT, ConsentEvent

Selection: TypeAlias = Mapping[tuple[str, str], bool]
"""Yes or no by purpose and recipient (or any, `*`); to what rests on another basis than consent, no is an objection."""


def select_all(preferences: Sequence[Preference], wanted: bool) -> Selection:
    """The same answer to everything that needs consent. Objections are left as they are."""
    selection: dict[tuple[str, str], bool] = {}
    for preference in preferences:
        if preference.kind is not Kind.CONSENT:
            continue
        if not preference.separate:
            selection[preference.purpose.name, ANY_RECIPIENT] = wanted
        for each in preference.each:
            if preference.separate or (each.answer is not None and each.answer is not wanted):
                selection[preference.purpose.name, each.recipient] = wanted
        if preference.separate and preference.whole.answer and not wanted:
            selection[preference.purpose.name, ANY_RECIPIENT] = False
    return selection


def left_over(preferences: Sequence[Preference], history: Sequence[ConsentEvent]) -> list[Choice]:
    """Withdrawals of consent that still stands to what the rules no longer speak of."""
    known = {
        (preference.purpose.name, each.recipient)
        for preference in preferences
        for each in (preference.whole, *preference.each)
    }
    last = {(event.purpose, event.recipient): event for event in history}
    return [
        Choice(purpose, ConsentStatus.WITHDRAWN, recipient)
        for (purpose, recipient), event in last.items()
        if event.status.allows and (purpose, recipient) not in known
    ]


def choices_of(
    preferences: Sequence[Preference], selection: Selection, *, until: int | None, renew: bool = False
) -> list[Choice]:
    """What has to be recorded so that the selection holds.

    Consent ends at `until` (microseconds since the epoch). With `renew`, consent that stands is given again.

    Raises:
        KeyError: the selection names a purpose or recipient that the person cannot be asked about.
    """
    found: dict[tuple[str, str], Choice] = {}
    places = {
        (preference.purpose.name, answer.recipient): (preference, answer)
        for preference in preferences
        for answer in _asked(preference)
    }
    for key, wanted in selection.items():
        if wanted and places[key][0].separate and key[1] == ANY_RECIPIENT:
            raise KeyError(key)  # nobody is asked for all of them at once
        for choice in _choices(*places[key], wanted, until, renew=renew):
            found.setdefault((choice.purpose, choice.recipient), choice)
    return list(found.values())


def _asked(preference: Preference) -> tuple[Answer, ...]:
    return () if preference.kind is Kind.FIXED else (preference.whole, *preference.each)


def _choices(
    preference: Preference, answer: Answer, wanted: bool, until: int | None, *, renew: bool
) -> Iterator[Choice]:
    purpose, recipient, event = preference.purpose.name, answer.recipient, answer.event
    if not wanted:
        if preference.kind is Kind.OBJECTION:
            status = ConsentStatus.OBJECTED
        else:
            status = ConsentStatus.WITHDRAWN if event is not None and event.status.allows else ConsentStatus.REFUSED
        if answer.answer is not False:
            yield Choice(purpose, status, recipient)
    elif preference.kind is Kind.OBJECTION or (recipient != ANY_RECIPIENT and not preference.separate):
        # Without the objection or exception, what is said for all holds again.
        if answer.answer is False:
            yield Choice(purpose, ConsentStatus.UNKNOWN, recipient)
    else:
        if renew or not answer.answer:
            again = event is not None and event.status.allows
            status = ConsentStatus.RENEWED if again else ConsentStatus.GIVEN
            yield Choice(purpose, status, recipient, until)
        if preference.separate and preference.whole.answer is False:
            yield Choice(purpose, ConsentStatus.UNKNOWN)
