"""Compare two policies: which fields of which routes change verdict, and under which facts."""

from collections.abc import Iterable, Mapping
from itertools import product

import msgspec

from gateway.model.action import action_name
from gateway.model.facts import NOTHING_DENIED, Consent, Facts, SubjectState
from gateway.model.words import STANDINGS, ConsentScope, ConsentStatus, Direction, Part
from gateway.policy.decide import Verdict, contract_end, receives, rule_standing, rule_verdict, with_parents
from gateway.policy.policy import FieldRule, Policy, Purpose, Recipient, Route

_ANY_RECIPIENT = "*"
_PERSON = "s1.AAAAAAAAAAAAAAAAAAAAAA"
_STANDINGS: tuple[ConsentStatus | None, ...] = (None, *STANDINGS)
"""None: no person could be resolved; UNKNOWN: a person who has not answered."""


class Change(msgspec.Struct, frozen=True, order=True):
    """`facts` names every state of consent and signal under which old and new differ."""

    route: str
    direction: str
    address: str
    old: str
    new: str
    facts: tuple[str, ...] = ()


def compare(old: Policy, new: Policy, *, now: float) -> list[Change]:
    """All changes of verdicts, rests and targets between two policies, sorted by route."""
    before = {route.name: route for route in old.routes}
    after = {route.name: route for route in new.routes}
    changes = list(_egress_changes(old, new))
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            changes.append(Change(name, "", "", "route", "no route"))
        elif name not in before:
            changes.append(Change(name, "", "", "no route", "route"))
        else:
            changes += _route_changes(old, new, before[name], after[name], now)
    return changes


def _egress_changes(old: Policy, new: Policy) -> Iterable[Change]:
    if old.egress.unknown is not new.egress.unknown:
        yield Change("*", Direction.REQUEST, "unknown hosts", old.egress.unknown, new.egress.unknown)


def _route_changes(old: Policy, new: Policy, before: Route, after: Route, now: float) -> Iterable[Change]:
    for what, left, right in (
        ("match", _match(before), _match(after)),
        ("to", before.to, after.to),
        ("reached at", _reached_at(old.recipients[before.to]), _reached_at(new.recipients[after.to])),
        ("contract", _contract(old.recipients[before.to], now), _contract(new.recipients[after.to], now)),
        ("mode", str(before.mode), str(after.mode)),
        ("subject", _subject(before), _subject(after)),
        ("stream", _words(before.stream), _words(after.stream)),
        ("session", _session(before), _session(after)),
        ("pages", _pages(before), _pages(after)),
    ):
        if left != right:
            yield Change(before.name, "", what, left, right)
    for posture in before.postures:
        if before.postures[posture] != after.postures[posture]:
            yield Change(before.name, "", posture, before.postures[posture], after.postures[posture])
    for direction in Direction:
        yield from _section_changes(old, new, before, after, direction=direction, now=now)


def _section_changes(
    old: Policy, new: Policy, before: Route, after: Route, *, direction: Direction, now: float
) -> Iterable[Change]:
    left, right = before.section(direction), after.section(direction)
    for part in Part:
        if left.rest_of(part) is not right.rest_of(part):
            yield Change(before.name, direction, f"rest of {part}", left.rest_of(part), right.rest_of(part))
    old_rules = {rule.address.text: rule for rule in left.fields}
    new_rules = {rule.address.text: rule for rule in right.fields}
    for address in dict.fromkeys([*old_rules, *new_rules]):
        grouped: dict[tuple[str, str], list[str]] = {}
        rules = (old_rules.get(address), new_rules.get(address))
        purposes = {rule.purpose for rule in rules if rule is not None}
        scopes = {_ANY_RECIPIENT: ""}
        if any(_asks_for_recipient(policy, name) for policy in (old, new) for name in purposes):
            sides = ((old, before, rules[0]), (new, after, rules[1]))
            names = [receives(policy, route, direction, rule).name for policy, route, rule in sides if rule]
            scopes |= {name: f" for {name} alone" for name in names}
        known = list(_all_facts(purposes, scopes, _signals_of(purposes, old, new), now))
        for facts, text in known:
            was = _verdict_text(old, before, direction, old_rules.get(address), facts)
            now_is = _verdict_text(new, after, direction, new_rules.get(address), facts)
            if was != now_is:
                grouped.setdefault((was, now_is), []).append(text)
        for (was, now_is), texts in grouped.items():
            every = len(texts) == len(known)
            yield Change(before.name, direction, address, was, now_is, () if every else tuple(texts))


def _asks_for_recipient(policy: Policy, purpose: str) -> bool:
    declared = policy.purposes.get(purpose)
    return declared is not None and declared.consent_scope is ConsentScope.RECIPIENT


def _signals_of(purposes: Iterable[str], *policies: Policy) -> list[tuple[Facts, str]]:
    """No signal, and each one that a policy reads, with its name."""
    signals = [policy.signals for policy in policies]
    found = [(Facts(now=0.0), ""), (Facts(now=0.0, gpc=True), ", Sec-GPC")]
    if any(each.dnt for each in signals):
        found.append((Facts(now=0.0, dnt=True), ", DNT"))
    if any(each.gpp for each in signals):
        found.append((Facts(now=0.0, opted_out=True), ", opted out by GPP"))
    if any(each.tcf or each.gpp for each in signals):
        denied = frozenset((name, _ANY_RECIPIENT) for name in purposes)
        found.append((Facts(now=0.0, denied=denied), ", TC string without consent"))
    return found


def _all_facts(
    purposes: Iterable[str], scopes: Mapping[str, str], signals: Iterable[tuple[Facts, str]], now: float
) -> Iterable[tuple[Facts, str]]:
    """Each state of consent and signal, and its name; `scopes` are the recipients that a consent may be for."""
    for status, (said, signal) in product(_STANDINGS, signals):
        if status is None:
            yield msgspec.structs.replace(said, now=now), "no person" + signal
        elif status is ConsentStatus.UNKNOWN:
            yield msgspec.structs.replace(said, now=now, subject=_PERSON), f"consent {status}{signal}"
        else:
            for scope, named in scopes.items():
                state = SubjectState({(name, scope): Consent(name, scope, status, "") for name in purposes})
                facts = msgspec.structs.replace(said, now=now, subject=_PERSON, state=state)
                yield facts, f"consent {status}{named}{signal}"


def _as_read(policy: Policy, purpose: Purpose, facts: Facts) -> Facts:
    """The facts without the signals that this policy does not read."""
    signals = policy.signals
    maps = any(name in policy.purposes and policy.purposes[name].tcf for name in with_parents(purpose.name))
    return msgspec.structs.replace(
        facts,
        dnt=facts.dnt and signals.dnt,
        opted_out=facts.opted_out and signals.gpp is not None,
        denied=facts.denied if maps and (signals.tcf or signals.gpp) else NOTHING_DENIED,
    )


def _verdict_text(policy: Policy, route: Route, direction: Direction, rule: FieldRule | None, facts: Facts) -> str:
    if rule is None:
        return "not listed"
    recipient: Recipient = receives(policy, route, direction, rule)
    pages = route.section(direction).pages
    if rule.purpose:
        facts = _as_read(policy, policy.purposes[rule.purpose], facts)
    found = rule_verdict(policy, pages, rule, recipient, rule_standing(policy, rule, recipient, facts))
    purpose = f" for {rule.purpose}" if rule.purpose else ""
    return f"{_action_text(found)} ({found.reason}){purpose} as {rule.data_class}"


def _action_text(found: Verdict) -> str:
    settings: dict[str, object] = msgspec.structs.asdict(found.action)
    if found.rule.limits is not None:
        settings |= {name: value for name, value in msgspec.structs.asdict(found.rule.limits).items() if value}
    inside = ", ".join(f"{name} {value}" for name, value in settings.items())
    return action_name(found.action) + (f" [{inside}]" if inside else "")


def _subject(route: Route) -> str:
    if route.identified is not None:
        return "identity"
    if route.each is not None:
        return f"{route.each.field.text} of each {route.each.items.text} in the {route.each.direction}"
    return route.subject.text if route.subject else "none"


def _session(route: Route) -> str:
    if route.signs_in is None:
        return "signs out" if route.signs_out else "as it is"
    person = route.signs_in.person
    said = [*map(str, sorted(route.signs_in.statuses)), *(each.decode() for each in sorted(route.signs_in.locations))]
    return f"signs in {person.text if person is not None else 'the subject'} with {', '.join(said)}"


def _pages(route: Route) -> str:
    pages = route.response.pages
    if pages is None:
        return "none"
    settings: dict[str, object] = msgspec.to_builtins(pages)
    return ", ".join(f"{name} {value}" for name, value in settings.items() if name != "place")


def _match(route: Route) -> str:
    return f"{_words(route.methods) or 'any'} {_words(route.hosts) or '*'} {route.path}"


def _reached_at(recipient: Recipient) -> str:
    return recipient.upstream or _words(recipient.hosts)


def _contract(recipient: Recipient, now: float) -> str:
    if recipient.contract is None:
        return "none"
    end = contract_end(recipient)
    if end is None:
        return "without an end"
    return f"{'until' if now < end else 'ended on'} {recipient.contract.expires}"


def _words(words: Iterable[str]) -> str:
    return ",".join(sorted(words))
