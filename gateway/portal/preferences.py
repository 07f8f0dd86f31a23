"""What a person can decide and has decided, from the rules and the person's own events. Pure.

>>> preferences = preferences_of(policy, history, facts)
>>> [(preference.purpose.name, preference.kind, preference.whole.answer) for preference in preferences]
[('ads', <Kind.CONSENT: 'consent'>, None)]
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from gateway.model.facts import Facts
from gateway.model.words import Basis, ConsentScope, ConsentStatus, Role
from gateway.policy.decide import ANY, Standing, standing
from gateway.policy.policy import Policy, Purpose
from gateway.policy.uses import Use, uses_of
from gateway.stores.event import MICROSECONDS, ConsentEvent
from gateway.stores.fold import OF_RESTRICTION

_OBJECTABLE = (Basis.LEGITIMATE_INTEREST, Basis.PUBLIC_INTEREST)
"""Bases against which there is a right to object (GDPR Art. 21(1))."""


class Kind(StrEnum):
    """What can be done about a purpose."""

    CONSENT = "consent"
    OBJECTION = "objection"
    FIXED = "fixed"


class Answer(msgspec.Struct, frozen=True):
    """How a purpose stands for one recipient (or any, `*`): `event` is the person's last answer to just that.

    `found` is what the rules make of all answers. `answer` is what the person said, None where nothing is said, or
    what was said has ended.
    """

    recipient: str
    found: Standing
    event: ConsentEvent | None = None
    answer: bool | None = None
    ended: bool = False


class Preference(msgspec.Struct, frozen=True):
    """One purpose; `parent` is the nearest declared one that it is a part of.

    `whole` is the answer for any recipient. `each` are those for single recipients: where `separate`, all of
    them have to be asked, otherwise they are exceptions.
    """

    purpose: Purpose
    kind: Kind
    uses: tuple[Use, ...]
    whole: Answer
    each: tuple[Answer, ...] = ()
    separate: bool = False
    parent: str = ""


def preferences_of(policy: Policy, history: Sequence[ConsentEvent], facts: Facts) -> tuple[Preference, ...]:
    """All purposes of the rules, parts behind what they are parts of. `facts` hold the fold of the `history`."""
    answers = {(event.purpose, event.recipient): event for event in history if event.status not in OF_RESTRICTION}
    uses = uses_of(policy)
    purposes = sorted(policy.purposes.values(), key=lambda purpose: _family(purpose.name, list(policy.purposes)))
    return tuple(_preference(policy, purpose, uses[purpose.name], answers, facts) for purpose in purposes)


def _family(name: str, declared: list[str]) -> tuple[int, str]:
    """Puts a purpose where the rules first speak of its family."""
    family = name.partition(".")[0]
    first = next(at for at, each in enumerate(declared) if each.partition(".")[0] == family)
    return first, name


def _preference(
    policy: Policy,
    purpose: Purpose,
    uses: tuple[Use, ...],
    answers: Mapping[tuple[str, str], ConsentEvent],
    facts: Facts,
) -> Preference:
    kind = _kind(purpose)
    separate = kind is Kind.CONSENT and purpose.consent_scope is ConsentScope.RECIPIENT
    names = [use.recipient.name for use in uses if separate or use.recipient.role is not Role.CONTROLLER]
    if kind is not Kind.CONSENT or (not separate and len(uses) < 2):
        names = []
    names += [
        recipient
        for asked, recipient in answers
        if kind is Kind.CONSENT and asked == purpose.name and recipient in policy.recipients and recipient not in names
    ]
    return Preference(
        purpose=purpose,
        kind=kind,
        uses=uses,
        whole=_answer(purpose, ANY, answers, facts),
        each=tuple(_answer(purpose, name, answers, facts) for name in names),
        separate=separate,
        parent=_parent(purpose.name, policy),
    )


def _kind(purpose: Purpose) -> Kind:
    if purpose.basis.needs_consent:
        return Kind.CONSENT
    return Kind.OBJECTION if purpose.basis in _OBJECTABLE or purpose.sale_or_share else Kind.FIXED


def _parent(name: str, policy: Policy) -> str:
    while "." in name:
        name = name.rpartition(".")[0]
        if name in policy.purposes:
            return name
    return ""


def _answer(purpose: Purpose, recipient: str, answers: Mapping[tuple[str, str], ConsentEvent], facts: Facts) -> Answer:
    event = answers.get((purpose.name, recipient))
    if event is not None and event.status is ConsentStatus.UNKNOWN:
        event = None
    ended = event is not None and event.valid_until is not None and event.valid_until <= facts.now * MICROSECONDS
    answer = None if event is None or ended else event.status.allows
    return Answer(recipient, standing(purpose, recipient, facts), event, answer, ended)
