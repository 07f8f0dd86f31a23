"""Decide: one listed field, one recipient, the facts -> a verdict. Pure and total.

The order is fixed (DESIGN section 6): restriction > withdrawal or refusal > objection (of the person,
by DNT, by a GPP opt-out) > GPC > consent for this recipient > consent for any recipient > declared
non-consent basis > deny. A TC string is asked last, where all else lets pass a purpose that needs
consent: it can only narrow. Under `consent_scope: recipient` consent for any recipient counts for none.
A denial of a parent purpose counts for its children; a grant never does.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

import msgspec

from gateway.model.action import Action
from gateway.model.address import Place
from gateway.model.facts import Consent, Facts
from gateway.model.words import (
    Basis,
    ConsentScope,
    ConsentStatus,
    Direction,
    PageMode,
    Reason,
    Role,
    UnknownHosts,
)
from gateway.policy.policy import CALLER, FieldRule, PageRules, Policy, Purpose, Recipient, Route

ANY = "*"

_DENIALS: tuple[tuple[ConsentStatus, Reason], ...] = (
    (ConsentStatus.RESTRICTED, Reason.RESTRICTED),
    (ConsentStatus.WITHDRAWN, Reason.WITHDRAWN),
    (ConsentStatus.REVOKED, Reason.WITHDRAWN),
    (ConsentStatus.REFUSED, Reason.NO_CONSENT),
    (ConsentStatus.INVALIDATED, Reason.NO_CONSENT),
    (ConsentStatus.OBJECTED, Reason.OBJECTED),
)


class Standing(msgspec.Struct, frozen=True):
    """May this purpose be pursued for this person and recipient now, why, and by which event."""

    reason: Reason
    event: str = ""

    @property
    def allows(self) -> bool:
        return self.reason is Reason.LISTED


class Verdict(msgspec.Struct, frozen=True):
    """What happens to one field, why, and which rule said so. Hosts of nobody in a page have no basis."""

    rule: FieldRule
    action: Action
    reason: Reason
    basis: Basis | None


def standing(purpose: Purpose, recipient: str, facts: Facts) -> Standing:
    """Judge one purpose towards one recipient in the fixed order of decision."""
    consents = facts.state.consents
    if consents:
        concerning = _concerning(purpose.name, recipient, consents)
        for status, reason in _DENIALS:
            for consent in concerning:
                if consent.status is status:
                    return Standing(reason, consent.event)
    signalled = _signalled(purpose, facts)
    if signalled is not None:
        return Standing(signalled)
    if not purpose.basis.needs_consent:
        return Standing(Reason.LISTED)
    if facts.subject is None:
        return Standing(Reason.UNRESOLVED_SUBJECT)
    found = _consented(purpose, recipient, facts)
    if facts.denied and found.allows and not facts.denied.isdisjoint(_keys(with_parents(purpose.name), recipient)):
        return Standing(Reason.NO_CONSENT)
    return found


def _signalled(purpose: Purpose, facts: Facts) -> Reason | None:
    """Why a signal ends the purpose: an objection by opting out or DNT, or Global Privacy Control."""
    if facts.opted_out and purpose.sale_or_share:
        return Reason.OBJECTED
    if facts.dnt and purpose.basis is Basis.LEGITIMATE_INTEREST:
        return Reason.OBJECTED
    return Reason.GPC if facts.gpc and purpose.sale_or_share else None


def with_parents(purpose: str) -> list[str]:
    """A purpose and those that it is a part of, itself first."""
    names = [purpose]
    while "." in purpose:
        purpose = purpose.rpartition(".")[0]
        names.append(purpose)
    return names


def _keys(names: list[str], recipient: str) -> list[tuple[str, str]]:
    return [(name, scope) for name in names for scope in (recipient, ANY)]


def _concerning(purpose: str, recipient: str, consents: Mapping[tuple[str, str], Consent]) -> list[Consent]:
    keys = _keys([ANY, *with_parents(purpose)], recipient)
    return [consents[key] for key in keys if key in consents]


def _consented(purpose: Purpose, recipient: str, facts: Facts) -> Standing:
    expired: Standing | None = None
    for scope in (recipient,) if purpose.consent_scope is ConsentScope.RECIPIENT else (recipient, ANY):
        consent = facts.state.consents.get((purpose.name, scope))
        if consent is None:
            continue
        if consent.status is ConsentStatus.EXPIRED or (
            consent.valid_until is not None and consent.valid_until <= facts.now
        ):
            expired = expired or Standing(Reason.EXPIRED_CONSENT, consent.event)
        elif consent.status.allows:
            return Standing(Reason.LISTED, consent.event)
    return expired or Standing(Reason.NO_CONSENT)


def permitted(recipient: Recipient, data_class: str, purpose: str) -> bool:
    """Whether the recipient's declaration lets it receive this class, or a parent of it, for the purpose."""
    if recipient.may_receive is None:
        return True
    while data_class:
        if purpose in recipient.may_receive.get(data_class, ()):
            return True
        data_class = data_class.rpartition(".")[0]
    return False


def verdict(rule: FieldRule, recipient: Recipient, purpose: Purpose, found: Standing) -> Verdict:
    """The verdict of one field, given the standing of its purpose."""
    if not permitted(recipient, rule.data_class, rule.purpose):
        return Verdict(rule, rule.otherwise, Reason.NOT_PERMITTED_FOR_RECIPIENT, purpose.basis)
    action = rule.action if found.allows else rule.otherwise
    return Verdict(rule, action, found.reason, purpose.basis)


def contract_end(recipient: Recipient) -> float | None:
    """The moment, in seconds since the epoch (UTC), from which the contract is no longer in force."""
    if recipient.contract is None or recipient.contract.expires is None:
        return None
    return _day_after(recipient.contract.expires)


@lru_cache(maxsize=1024)
def _day_after(day: str) -> float:
    return (datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)).timestamp()


def recipient_of(policy: Policy, route: Route, direction: Direction) -> Recipient:
    """Who receives what goes this way: the service of the route, or the caller."""
    if direction is Direction.REQUEST:
        return policy.recipients[route.to]
    return policy.recipients.get(route.caller) or Recipient(CALLER, Role.SUBJECT)


def receives(policy: Policy, route: Route, direction: Direction, rule: FieldRule) -> Recipient:
    """Whose consent and permissions count for a field.

    A cookie of all routes is a means of the service, which gets it back: also where an answer sets it,
    it is judged as the service's. What a page embeds is received by whose it is.
    """
    if rule.address.place is Place.HTML:
        return policy.recipients.get(rule.address.name) or Recipient(ANY, Role.PUBLIC)
    return recipient_of(policy, route, Direction.REQUEST if rule.general else direction)


Standings: TypeAlias = Mapping[tuple[str, str], Standing]
"""By purpose and recipient."""


Asked: TypeAlias = Mapping[tuple[str, str], tuple[FieldRule, Recipient]]
"""Every purpose that fields name and every recipient of theirs, each with the first such field."""


def asked(policy: Policy, route: Route, direction: Direction) -> Asked:
    """What the fields of one direction need to have decided; known once for all facts."""
    wanted: dict[tuple[str, str], tuple[FieldRule, Recipient]] = {}
    for rule in route.section(direction).fields:
        recipient = receives(policy, route, direction, rule)
        wanted.setdefault((rule.purpose, recipient.name), (rule, recipient))
    return wanted


def standings(policy: Policy, wanted: Asked, facts: Facts) -> dict[tuple[str, str], Standing]:
    """The standing of each purpose towards each recipient."""
    return {key: rule_standing(policy, rule, recipient, facts) for key, (rule, recipient) in wanted.items()}


def rule_standing(policy: Policy, rule: FieldRule, recipient: Recipient, facts: Facts) -> Standing:
    """The standing of one field's purpose. What a page embeds needs a contract in force, too."""
    if not rule.purpose:
        return Standing(Reason.UNKNOWN_RECIPIENT)
    if rule.address.place is Place.HTML:
        end = contract_end(recipient)
        if end is not None and facts.now >= end:
            return Standing(Reason.CONTRACT_EXPIRED)
    return standing(policy.purposes[rule.purpose], recipient.name, facts)


def rule_verdict(
    policy: Policy, pages: PageRules | None, rule: FieldRule, recipient: Recipient, found: Standing
) -> Verdict:
    """The verdict of a field of a section whose rules for pages are `pages`."""
    if pages is None or rule.address.place is not Place.HTML:
        return verdict(rule, recipient, policy.purposes[rule.purpose], found)
    if not rule.purpose:
        held = pages.unknown is UnknownHosts.HOLD
        judged = Verdict(rule, rule.otherwise if held else rule.action, found.reason, None)
    else:
        # A page is not refused because nobody is known; nobody has agreed then.
        nobody = found.reason is Reason.UNRESOLVED_SUBJECT
        found = Standing(Reason.NO_CONSENT) if nobody else found
        judged = verdict(rule, recipient, policy.purposes[rule.purpose], found)
    return msgspec.structs.replace(judged, action=rule.action) if pages.mode is PageMode.REPORT else judged
