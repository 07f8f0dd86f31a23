"""Plans: the verdicts of one route, direction and set of facts, compiled into edits.

Deciding per route and facts instead of per request is what makes purity cheap: a plan is built
once, memoised, and afterwards only runs.
"""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from gateway.crypto.keyring import KeyRing
from gateway.documents.edit import FieldEdit, PartEdit, Replace, Transform
from gateway.engine.entity import suffix_of
from gateway.engine.page_insertion import insertion_of
from gateway.engine.page_plan import PagePlan, asks, page_plan
from gateway.engine.record import Counts, RecordTemplate
from gateway.engine.signals import SignalReader
from gateway.model.action import Block, Drop, Pseudonym, action_name
from gateway.model.address import Place
from gateway.model.facts import Facts
from gateway.model.field_template import VARYING
from gateway.model.words import Direction, Mode, Part, Posture, Reason, Rest
from gateway.policy.cookies import is_forgotten
from gateway.policy.decide import (
    Standings,
    Verdict,
    asked,
    contract_end,
    receives,
    recipient_of,
    rule_verdict,
    standings,
)
from gateway.policy.pages import is_embedded
from gateway.policy.policy import FieldRule, PageRules, Policy, Recipient, Route
from gateway.transforms import operation_of

_NO_TAG = b"\0"
"""No entity tag ends so (RFC 9110 section 5.5)."""

BODY_PLACES = frozenset({Place.BODY, Place.FORM, Place.PART})
_PLACES: Mapping[Part, frozenset[Place]] = {
    Part.BODY: BODY_PLACES,
    Part.QUERY: frozenset({Place.QUERY}),
    Part.HEADERS: frozenset({Place.HEADER}),
    Part.COOKIES: frozenset({Place.COOKIE}),
}


class Plan(msgspec.Struct, frozen=True):
    """Everything fixed about one direction of a route under one set of facts.

    `refused` is the reason for which nothing may pass at all; `blocking` are the indexes of the
    fields whose presence refuses the message; `may_refuse` tells whether what a message holds can
    refuse it at all, `passes_rest` whether values that no rule lists pass in any part. The
    `edits_…` flags say which parts have to be looked at; `by_template` that no rule names a header
    field of which a template leaves the value open; `only_headers` that a message without query and
    body is its header fields, and nothing in it refuses it. From `general_from` on, the fields are
    cookies of all routes; `forgets` are the fields whose cookies are dropped because the person does
    not consent, `timed` that a cookie's lifetime has a limit.
    `page` is what becomes of pages, None where the rules do not speak of them. `mints` make, of the identifier
    by which a person is found, the pseudonyms that take its place in the message.
    `tag` ends the entity tags that are given out, `condition` those under which a client's copy is still
    what it would be given: of a list of people none is, since each of them can change it.
    """

    route: Route
    direction: Direction
    recipient: Recipient
    verdicts: tuple[Verdict, ...]
    refused: Reason | None
    blocking: tuple[int, ...]
    body: PartEdit
    query: PartEdit
    headers: PartEdit
    cookies: PartEdit
    path: PartEdit
    record: RecordTemplate
    size: int
    may_refuse: bool
    passes_rest: bool
    nothing: Counts
    tag: bytes
    condition: bytes
    edits_target: bool
    edits_headers: bool
    by_template: bool
    only_headers: bool
    general_from: int
    forgets: tuple[int, ...]
    timed: bool
    page: PagePlan | None
    mints: tuple[Transform, ...]

    def refusing(self, counts: Counts) -> tuple[Reason | Posture | None, int]:
        """Why what a message holds refuses it, with the index of the field if it is one; None if nothing does."""
        for index in self.blocking:
            if counts.fields[index]:
                return self.verdicts[index].reason, index
        rests = (self.body.rest, self.query.rest, self.headers.rest, self.cookies.rest)
        for rest, unlisted in zip(rests, counts.unlisted, strict=True):
            if unlisted and rest is Rest.BLOCK:
                return Reason.UNLISTED_FIELD, -1
        if self.route.names_person and self.route.postures[Posture.UNRESOLVED_SUBJECT] == "block":
            for index, count in enumerate(counts.fields):
                if count and _needs_person(self.verdicts[index]):
                    return Posture.UNRESOLVED_SUBJECT, index
        return None, -1


class Decision(msgspec.Struct, frozen=True):
    """A plan and the consent events that it relies on."""

    plan: Plan
    events: tuple[str, ...] = ()


class Plans:
    """The memo of plans for one direction of routes that are treated alike (see `treatment.py`).

    `constant` is the decision that no fact can change. `signals` reads what the client carries, None where
    none of it matters either way; `vary` are the request fields on which either way depends. A message
    without any cookie of all routes depends on facts only where it is `always_personal` or
    `always_by_signal`; one with such cookies, and a page, varies by `vary_with_cookies`.
    """

    def __init__(
        self,
        policy: Policy,
        route: Route,
        direction: Direction,
        keys: KeyRing,
        signals: SignalReader,
        *,
        portal: str = "",
    ) -> None:
        """`portal` is the path of the person's pages, empty where there are none."""
        self.policy = policy
        self.route = route
        self.direction = direction
        self.recipient = recipient_of(policy, route, direction)
        self._keys = keys
        self._contract_end = contract_end(self.recipient)
        self._asked = asked(policy, route, direction)
        section = route.section(direction)
        self.pages = section.pages
        self._portal = portal
        listed = [rule for rule in section.fields if rule.purpose]
        purposes = [policy.purposes[rule.purpose] for rule in listed]
        own = [policy.purposes[rule.purpose] for rule in listed if not (rule.general or is_embedded(rule))]
        self.varies_by_person = route.names_person and bool(purposes)
        self.varies_by_signal = signals.matters(purposes)
        self.always_personal = route.names_person and bool(own)
        self.always_by_signal = signals.matters(own)
        rules = [rule for each in Direction for rule in route.section(each).fields if rule.purpose]
        either_way = [policy.purposes[rule.purpose] for rule in rules]
        self.signals = signals if signals.matters(either_way) else None
        self.vary = signals.varies_by(
            policy.purposes[rule.purpose] for rule in rules if not (rule.general or is_embedded(rule))
        )
        self.vary_with_cookies = signals.varies_by(either_way)
        self.reads_body = section.rest_of(Part.BODY) is not Rest.PASS or any(
            rule.address.place in BODY_PLACES for rule in section.fields
        )
        self._memo: dict[tuple[object, ...], Plan] = {}
        self.constant: Decision | None = None
        # Alike for all routes that read alike, but for pages: those say what requests leave out.
        self.reads_as: object = self.reads_body if self.pages is None else self
        ends = any(contract_end(receives(policy, route, direction, rule)) is not None for rule in section.fields)
        if not (self.varies_by_person or self.varies_by_signal or ends) and self._contract_end is None:
            self.constant = self.decide(Facts(now=0.0))

    def decide(self, facts: Facts, *, strip: bool = False) -> Decision:
        """The plan under these facts; with `strip`, the one that lets nothing personal pass."""
        if self.constant is not None and not strip:
            return self.constant
        found = standings(self.policy, self._asked, facts)
        in_force = self._contract_end is None or facts.now < self._contract_end
        banner = self.pages is not None and self.pages.banner and asks(self.policy, self.route, found)
        key = (*(item.reason for item in found.values()), in_force, strip, banner)
        plan = self._memo.get(key)
        if plan is None:
            plan = self._memo[key] = self._build(found, in_force=in_force, strip=strip, banner=banner)
        return Decision(plan, tuple(dict.fromkeys(item.event for item in found.values() if item.event)))

    def _build(self, found: Standings, *, in_force: bool, strip: bool, banner: bool) -> Plan:
        section = self.route.section(self.direction)
        verdicts = tuple(self._verdict(rule, found) for rule in section.fields)
        if strip:
            verdicts = tuple(msgspec.structs.replace(each, action=_stripped(each)) for each in verdicts)
        edits = [self._edit(index, each) for index, each in enumerate(verdicts)]
        rest = {part: Rest.DROP if strip else section.rest_of(part) for part in Part}
        size = len(verdicts)
        parts = {part: PartEdit(_of(edits, _PLACES[part]), rest[part], size) for part in Part}
        record = RecordTemplate(
            self.policy.digest,
            self.route,
            direction=self.direction,
            sender=None if self.direction is Direction.REQUEST else self.policy.recipients[self.route.to],
            recipient=self.recipient,
            verdicts=verdicts,
            rest=tuple(rest.items()),
        )
        blocking = tuple(index for index, each in enumerate(verdicts) if isinstance(each.action, Block))
        unresolved = any(_needs_person(each) for each in verdicts)
        path = PartEdit(_of(edits, frozenset({Place.PATH})), Rest.PASS, size)
        may_refuse = bool(blocking) or unresolved or Rest.BLOCK in rest.values()
        general_from = sum(not each.rule.general for each in verdicts)
        decided = self._decided(verdicts[:general_from], banner=banner) if self.varies else b""
        tag = suffix_of(self.policy.digest) + decided
        by_item = self.route.each is not None and self.route.each.direction is self.direction
        return Plan(
            self.route,
            self.direction,
            self.recipient,
            verdicts,
            None if in_force else Reason.CONTRACT_EXPIRED,
            blocking,
            body=parts[Part.BODY],
            query=parts[Part.QUERY],
            headers=parts[Part.HEADERS],
            cookies=parts[Part.COOKIES],
            path=path,
            size=size,
            may_refuse=may_refuse,
            passes_rest=Rest.PASS in rest.values(),
            nothing=record.counts((0,) * size),
            tag=tag,
            condition=_NO_TAG if by_item else tag,
            edits_target=path.reads or parts[Part.QUERY].reads,
            edits_headers=parts[Part.HEADERS].reads or parts[Part.COOKIES].reads,
            only_headers=in_force and not path.reads and not may_refuse,
            by_template=VARYING.isdisjoint(_header_names(edits)),
            record=record,
            general_from=general_from,
            forgets=self._forgotten(verdicts),
            page=None if self.pages is None else self._page(self.pages, verdicts, banner=banner),
            timed=any(each.rule.limits is not None and each.rule.limits.max_age is not None for each in verdicts),
            mints=self._mints(verdicts, edits),
        )

    def _mints(self, verdicts: tuple[Verdict, ...], edits: Iterable[FieldEdit]) -> tuple[Transform, ...]:
        """Of the fields at the very address that names the person, those whose values become pseudonyms."""
        named = None if self.route.mode is Mode.OBSERVE else self.route.named_at(self.direction)
        if named is None:
            return ()
        place = (named.place, named.name, named.steps)
        return tuple(
            edit.operation.transform
            for found, edit in zip(verdicts, edits, strict=True)
            if isinstance(found.action, Pseudonym)
            and isinstance(edit.operation, Replace)
            and (edit.address.place, edit.address.name, edit.address.steps) == place
        )

    def _verdict(self, rule: FieldRule, found: Standings) -> Verdict:
        recipient = receives(self.policy, self.route, self.direction, rule)
        return rule_verdict(self.policy, self.pages, rule, recipient, found[rule.purpose, recipient.name])

    def _page(self, pages: PageRules, verdicts: tuple[Verdict, ...], *, banner: bool) -> PagePlan:
        insertion = insertion_of(self._portal, banner=banner, link=pages.link)
        return page_plan(self.policy, self.route, pages, verdicts, insertion)

    def _forgotten(self, verdicts: tuple[Verdict, ...]) -> tuple[int, ...]:
        if self.direction is Direction.RESPONSE or self.route.mode is Mode.OBSERVE or not self.policy.cookies:
            return ()
        return tuple(index for index, each in enumerate(verdicts) if is_forgotten(each))

    @property
    def varies(self) -> bool:
        """Whether two requests for one thing can be answered with different content."""
        pages = self.pages is not None and (self.varies_by_person or self.varies_by_signal)
        return pages or self.always_personal or self.always_by_signal or self._contract_end is not None

    @staticmethod
    def _decided(verdicts: tuple[Verdict, ...], *, banner: bool) -> bytes:
        """Six hex digits that tell sets of verdicts apart in entity tags."""
        actions = "".join(f"{action_name(each.action)} " for each in verdicts) + "banner" * banner
        return hashlib.sha256(actions.encode()).hexdigest()[:6].encode()

    def _edit(self, index: int, found: Verdict) -> FieldEdit:
        rule = found.rule
        operation = operation_of(
            found.action, data_class=rule.data_class, recipient=self.recipient.name, keys=self._keys
        )
        return FieldEdit(index, rule.address, operation, rule.limits)


def _needs_person(found: Verdict) -> bool:
    """Whether a field needs somebody and nobody was found. Cookies of all routes just go then, and refuse nothing."""
    return found.reason is Reason.UNRESOLVED_SUBJECT and not found.rule.general


def _stripped(found: Verdict) -> Block | Drop:
    return Block() if isinstance(found.action, Block) or found.rule.address.place is Place.PATH else Drop()


def _header_names(edits: Iterable[FieldEdit]) -> Iterable[bytes]:
    return (edit.address.name.encode().replace(b"_", b"-") for edit in edits if edit.address.place is Place.HEADER)


def _of(edits: Iterable[FieldEdit], places: frozenset[Place]) -> tuple[FieldEdit, ...]:
    return tuple(edit for edit in edits if edit.address.place in places)
