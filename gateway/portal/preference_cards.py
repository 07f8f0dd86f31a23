"""Preferences in the words of one language, for the templates, which only lay them out. Pure."""

import msgspec

from gateway.model.words import Reason
from gateway.policy.policy import Policy
from gateway.portal.access_texts import word
from gateway.portal.notices import foreign, name_of, title_of
from gateway.portal.preferences import Answer, Kind, Preference
from gateway.portal.texts import Words


class State(msgspec.Struct, frozen=True):
    """How a purpose stands: `look` is `on`, `off` or `open`."""

    look: str
    label: str
    notes: tuple[str, ...]


class Box(msgspec.Struct, frozen=True):
    """A question about one recipient; `answer` is what the person said, None where nothing is said."""

    name: str
    field: str
    answer: bool | None
    state: State


class Card(msgspec.Struct, frozen=True):
    """A purpose; `tag` and `described_in` are languages of texts where these are other than the page's."""

    title: str
    tag: str
    description: str
    described_in: str
    basis: str
    parent: str
    field: str
    answer: bool | None
    state: State
    each: tuple[Box, ...]
    separate: bool

    @property
    def excepted(self) -> bool:
        return any(box.answer is False for box in self.each)


def card_of(preference: Preference, policy: Policy, words: Words) -> Card:
    """What the page says of a purpose."""
    purpose = preference.purpose
    title, tag = title_of(purpose, words)
    description, described_in = purpose.description.within(words.language)
    kind = {Kind.CONSENT: "choice:{}:*", Kind.OBJECTION: "object:{}", Kind.FIXED: ""}[preference.kind]
    without = [name_of(policy.recipients[each.recipient], words) for each in preference.each if each.answer is False]
    return Card(
        title=title,
        tag=tag,
        description=description,
        described_in=foreign(described_in, words),
        basis=word(words.language, "basis", purpose.basis),
        parent=title_of(policy.purposes[preference.parent], words)[0] if preference.parent else "",
        field=kind.format(purpose.name),
        answer=preference.whole.answer,
        state=state_of(preference.whole, words, without=() if preference.separate else tuple(without)),
        each=tuple(_box(each, preference, policy, words) for each in preference.each),
        separate=preference.separate,
    )


def _box(answer: Answer, preference: Preference, policy: Policy, words: Words) -> Box:
    name = name_of(policy.recipients[answer.recipient], words)
    field = f"{'choice' if preference.separate else 'except'}:{preference.purpose.name}:{answer.recipient}"
    return Box(name, field, answer.answer, state_of(answer, words))


def state_of(answer: Answer, words: Words, *, without: tuple[str, ...] = ()) -> State:
    """On or off, since when, by which notice and until when; and why, where the person's own answer is not why."""
    look, label = _look(answer, words)
    notes: list[str] = []
    event = answer.event
    if look == "off" and answer.answer is not False and answer.found.reason in _BECAUSE:
        notes.append(words(f"state.because.{_because(answer)}"))
    if event is not None and answer.ended and event.valid_until is not None:
        notes.append(words("state.ended", date=words.day(event.valid_until)))
    elif event is not None:
        overruled = look == "off" and answer.answer
        notes.append(words("state.agreed" if overruled else "state.since", date=words.minute(event.at)))
    if event is not None and event.notice_version:
        notes.append(words("state.notice", version=event.notice_version))
    if look == "on" and event is not None and event.valid_until is not None:
        notes.append(words("state.until", date=words.day(event.valid_until)))
    if look == "on" and without:
        notes.append(words("state.without", recipients=words.listed(without)))
    return State(look, label, tuple(notes))


_BECAUSE = frozenset({Reason.RESTRICTED, Reason.WITHDRAWN, Reason.NO_CONSENT, Reason.OBJECTED, Reason.GPC})


def _because(answer: Answer) -> str:
    """The reason in the words of the texts: one that no event of the person gives comes from the browser."""
    reason = answer.found.reason
    if reason in (Reason.OBJECTED, Reason.NO_CONSENT) and not answer.found.event:
        return "signal"
    return reason


def _look(answer: Answer, words: Words) -> tuple[str, str]:
    if answer.found.allows:
        return "on", words("state.on")
    unanswered = answer.answer is None and not answer.found.event and answer.found.reason is Reason.NO_CONSENT
    return ("open", words("state.open")) if unanswered else ("off", words("state.off"))
