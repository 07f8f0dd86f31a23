"""One request's way through the gateway and its answer's way back.

Everything that may leave comes back as `Outgoing`, after its record is durable; everything that
may not is raised as `Refused`.
"""

import time
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING

from gateway.documents.people_list import PeopleList
from gateway.engine.each import people_listed
from gateway.engine.exchange import Exchange
from gateway.engine.forgetting import forgotten
from gateway.engine.plan import Plans
from gateway.engine.step import Refuse, Send, Step
from gateway.model.errors import Fault, GatewayError, StoreDown, Unreadable
from gateway.model.facts import Facts, SubjectState
from gateway.model.identity import ANONYMOUS, Identity, caller_of
from gateway.model.message import HeaderPairs, Outgoing, Refusal, ResponseHead
from gateway.model.words import Direction, Posture
from gateway.runtime.everyone import Everyone
from gateway.runtime.identities import Identities
from gateway.runtime.metrics import RouteCounts
from gateway.runtime.parts import BodyEditor
from gateway.runtime.reading import Reading
from gateway.runtime.receipt_line import receipt_line

if TYPE_CHECKING:
    from gateway.runtime.gateway import Gateway


class Refused(GatewayError):  # noqa: N818 - the word of the glossary, and no error of ours
    """The message does not pass; `refusal` is the answer to give."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class _Nothing:
    """Awaiting it is over at once, with no index."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_NOTHING = _Nothing()
ANYTIME = Facts(now=0.0)
"""For decisions that no fact can change."""


class Passage:
    """One request's way through the gateway and its answer's way back."""

    __slots__ = (
        "_counted", "_everyone", "_finished", "_flows", "_gateway", "_identified", "_identifier", "_index", "_started",
        "_state", "answer_editor", "direction", "editor", "exchange",
    )  # fmt: skip

    def __init__(self, gateway: "Gateway", exchange: Exchange) -> None:
        self._gateway = gateway
        self._started = time.perf_counter()
        counted = exchange.way.counted
        if not isinstance(counted, RouteCounts):
            counted = exchange.way.counted = gateway.services.metrics.route(exchange.route.name)
        self._counted = counted
        self._finished = False
        self._flows = False
        self._state: SubjectState | None = None
        self._index: int | None = None
        self._everyone: Everyone | None = None
        self._identified = False
        self._identifier: str | None = None
        self.exchange = exchange
        self.direction = Direction.REQUEST
        self.editor: BodyEditor | None = None
        self.answer_editor: BodyEditor | None = None
        gateway.services.metrics.in_flight += 1

    @property
    def upstream(self) -> str:
        """URL of the service that this route goes to."""
        return self.exchange.request_plans.recipient.upstream or ""

    @property
    def recipient(self) -> str:
        return self.exchange.treatment.to

    @property
    def request_id(self) -> str:
        return self.exchange.request_id.decode()

    @property
    def body_limit(self) -> int:
        """Bytes that a body which is read whole may have, codings on."""
        limit = self.exchange.treatment.body_limit
        return self._gateway.services.limits.body if limit is None else limit

    @property
    def passes_over_limit(self) -> bool:
        """Observe mode changes nothing: a body over the limit goes on unread, from its first byte."""
        return self.exchange.observes

    @property
    def streams_websocket(self) -> bool:
        return "websocket" in self.exchange.treatment.stream

    @property
    def request_reading(self) -> Reading:
        """How the body has to be handed to `admit_request`."""
        exchange = self.exchange
        if exchange.treatment.signs_in is not None and exchange.head.has_body and not exchange.observes:
            return Reading.WHOLE  # a session that the body brings along is no new one
        if not exchange.reads_request_body:
            return Reading.UNREAD
        return Reading.FLOWING if exchange.takes_flow and self._may_flow() else Reading.WHOLE

    def _may_flow(self) -> bool:
        identities = self._gateway.services.identities
        try:
            if identities is not None:
                if identities.awaits_keys(self.exchange.head):
                    return False
                self._identify(identities)
            identifier = self.exchange.open_request(None)
            people = self._gateway.services.people
            subject = self._known_subject or (None if identifier is None else people.handle_so_far(identifier))
            return self.exchange.may_flow(self._facts(subject))
        except (Unreadable, StoreDown):
            # `admit_request` meets the same failure, and refuses.
            return False

    def _identify(self, identities: Identities) -> None:
        """Ask the verified sources once, so that all of one exchange speaks of the same caller."""
        if not self._identified:
            self.exchange.identity = identities.resolve(self.exchange.head)
            self._identified = True

    @property
    def _known_subject(self) -> str:
        """The handle of the route's person, where a verified source gives it as such; else empty."""
        exchange = self.exchange
        if exchange.treatment.identified is None or exchange.identity is None:
            return ""
        return exchange.identity.handle

    async def _name_caller(self, identity: Identity, step: Step) -> None:
        """Have the caller's handle for a record, if there will be one. Raises StoreDown."""
        exchange = self.exchange
        if exchange.caller is ANONYMOUS and (isinstance(step, Refuse) or step.recorded or self._flows):
            handle = identity.handle or await self._gateway.services.people.handle(identity.name)
            if handle is not None:
                exchange.caller = caller_of(identity, handle)

    def _facts(self, subject: str | None) -> Facts:
        if subject is None:
            return Facts(time.time())
        return Facts(time.time(), subject, self._gateway.services.consent.state(subject))

    def response_reading(self, head: ResponseHead) -> Reading:
        """Raises Refused where the upstream sent only a part of a document that rules read."""
        self.direction = Direction.RESPONSE
        self._flows = False
        exchange = self.exchange
        try:
            if not exchange.reads_response_body(head):
                return Reading.UNREAD
            self._flows = exchange.answer_takes_flow(head) and exchange.answer_may_flow(
                head, self._facts(exchange.subject)
            )
        except (Unreadable, StoreDown) as cause:
            raise Refused(self._gateway.refuse(cause, self)) from cause
        if self._flows and exchange.takes_page(head):
            return Reading.TRIED
        return Reading.FLOWING if self._flows else Reading.WHOLE

    async def admit_request(self, body: bytes | None) -> Outgoing:
        """Decide the request; its record is durable when this returns. Raises Refused."""
        exchange = self.exchange
        gateway = self._gateway
        try:
            identities = gateway.services.identities
            if identities is not None:
                if not self._identified and identities.awaits_keys(exchange.head):
                    await identities.keys_come()
                self._identify(identities)
            self._flows = body is None and exchange.head.has_body and self.request_reading is Reading.FLOWING
            identifier = self._identifier = exchange.open_request(body)
            people = gateway.services.people
            subject = self._known_subject or (None if identifier is None else await people.handle(identifier))
            if subject is not None and exchange.treatment.identified is not None and exchange.identity is not None:
                exchange.caller = caller_of(exchange.identity, subject)
            step = await self._admit(subject, exchange.request_plans)
            if exchange.request_plans.signals is not None:
                self._count_unreadable()
            if exchange.treatment.session_at is not None:
                await self._follow_request(step)
            if gateway.sightings is not None:
                gateway.sightings.note(exchange, Direction.REQUEST, exchange.head.headers)
            if self._flows and isinstance(step, Send):
                self.editor = self._edit(step, exchange.request_plans, exchange.head.headers)
        except (Unreadable, Fault, StoreDown) as cause:
            raise Refused(gateway.refuse(cause, self)) from cause
        return self._outgoing(step)

    def _count_unreadable(self) -> None:
        """Count the kinds of strings in the request that could not be read."""
        for kind in self.exchange.unreadable_signals:
            self._gateway.services.metrics.unreadable_signals[kind] += 1

    def _forget(self, step: Step) -> None:
        """Have the answer delete the cookies that the person does not want."""
        head = self.exchange.head
        self.exchange.deletions = self._gateway.services.cookies.deletions(head.host, forgotten(step, head.headers))

    async def admit_response(self, head: ResponseHead, body: bytes | None) -> Outgoing:
        """Decide the answer; its record is durable when this returns. Raises Refused.

        Where its reading is FLOWING, or it was TRIED in vain, `answer_editor` then edits its body.
        """
        self.direction = Direction.RESPONSE
        self._index = None
        self._everyone = None
        exchange = self.exchange
        gateway = self._gateway
        try:
            identities = gateway.services.identities
            if identities is not None and identities.follows:
                await identities.follow(exchange, head, body, self._identifier)
            self._flows = self._flows and body is None
            exchange.open_response(head, body, flows=self._flows)
            if gateway.cookies is not None:
                gateway.services.cookies.note(gateway.cookies, exchange.head, head.fields)
            step = await self._admit(exchange.subject, exchange.response_plans)
            if self._flows and isinstance(step, Send):
                self.answer_editor = self._edit(step, exchange.response_plans, head.headers)
            if exchange.page is not None:
                gateway.services.metrics.embedded.note(exchange.page.hosts)
            if gateway.sightings is not None:
                gateway.sightings.note(exchange, Direction.RESPONSE, head.headers)
        except (Unreadable, Fault, StoreDown) as cause:
            raise Refused(gateway.refuse(cause, self)) from cause
        return self._outgoing(step)

    async def _follow_request(self, step: Step) -> None:
        """End the session of who signs out. Raises StoreDown."""
        identities = self._gateway.services.identities
        if (
            self.exchange.treatment.signs_out
            and isinstance(step, Send)
            and identities is not None
            and identities.sessions is not None
        ):
            await identities.sessions.sign_out(self.exchange.head)

    def _edit(self, step: Send, plans: Plans, headers: HeaderPairs) -> BodyEditor:
        # What the request's plan rests on is nothing to an answer whose plan rests on nobody.
        state = self._state if plans.varies_by_person else None
        return BodyEditor(self.exchange, step, self._gateway, headers, state)

    def receipt_line(self) -> bytes:
        """Where the answer's record stands, as a whole field line; empty where receipts are not asked for.

        To be asked as soon as `admit_response` is done: the ledger keeps leaf hashes only for a moment.
        """
        services = self._gateway.services
        if not services.receipts or self._index is None or services.ledger is None:
            return b""
        return receipt_line(services.ledger, self._index)

    def finish(self, status: int) -> None:
        """Count the exchange as over. Later calls do nothing."""
        if self._finished:
            return
        self._finished = True
        self._gateway.services.metrics.in_flight -= 1
        self._counted.exchange(status, time.perf_counter() - self._started)

    async def _admit(self, subject: str | None, plans: Plans) -> Step:
        """Decide, make the record durable, and decide anew if consent changed in the meantime (P4)."""
        if subject is not None and plans.varies_by_person:
            return await self._admit_for(subject)
        exchange, direction = self.exchange, self.direction
        if exchange.treatment.each is not None and (listed := people_listed(exchange.content)) is not None:
            return await self._admit_each(listed)
        timeless = plans.constant is not None and subject is None and not plans.constant.plan.timed
        facts = ANYTIME if timeless else Facts(time.time(), subject)
        step = exchange.decide_request(facts) if direction is Direction.REQUEST else exchange.decide_response(facts)
        if exchange.identity is not None:
            await self._name_caller(exchange.identity, step)
        if isinstance(step, Send):
            if step.decision.plan.mints:
                await self._mint(step)
            if step.recorded:
                try:
                    self._index = await self._committed(step)
                except StoreDown:
                    return self._stripped(facts)
            if step.recorded or not self._flows:
                self._counted.message(direction, recorded=step.recorded)
        return step

    async def _admit_for(self, subject: str) -> Step:
        consent = self._gateway.services.consent
        state = consent.state(subject)
        while True:
            facts = Facts(time.time(), subject, state)
            step = self._decide(facts)
            if (identity := self.exchange.identity) is not None:
                await self._name_caller(identity, step)
            if isinstance(step, Send) and step.decision.plan.mints:
                await self._mint(step)
            if isinstance(step, Send) and step.recorded:
                try:
                    self._index = await self._committed(step)
                except StoreDown:
                    return self._stripped(facts)
                self._counted.message(self.direction, recorded=True)
            self._state = state
            if self.still_stands():
                return step
            state = consent.state(subject)

    async def _admit_each(self, listed: PeopleList) -> Step:
        """The same as `_admit_for`, with everyone whom the message lists."""
        everyone = self._everyone = await Everyone.met(self._gateway, listed)
        step = await everyone.admit(self.exchange, self.direction, self._name_caller)
        self._index = everyone.index
        if isinstance(step, Send):
            self._counted.message(self.direction, recorded=step.recorded)
        return step

    @property
    def depends_on_consent(self) -> bool:
        """Whether what was decided last could fall with what a person decides."""
        return self._state is not None or self._everyone is not None

    def still_stands(self) -> bool:
        """Whether what was decided last still is what this person's consents say; asked right before bytes leave.

        Raises:
            StoreDown: nobody can tell.
        """
        if self._everyone is not None:
            return self._everyone.still_stands()
        subject = self.exchange.subject
        if self._state is None or subject is None:
            return True
        return self._gateway.services.consent.state(subject) == self._state

    def _decide(self, facts: Facts, *, strip: bool = False) -> Step:
        exchange = self.exchange
        request = self.direction is Direction.REQUEST
        step = exchange.decide_request(facts, strip=strip) if request else exchange.decide_response(facts, strip=strip)
        if isinstance(step, Send) and (strip or not step.recorded) and not self._flows:
            self._counted.message(self.direction, recorded=False)
        return step

    async def _mint(self, step: Send) -> None:
        """Keep whom the pseudonyms in the message stand for, before any of them leaves. Raises StoreDown."""
        subject, identifier = self.exchange.subject, self._identifier
        if subject is not None and identifier is not None:
            await self._gateway.services.people.mint(identifier, subject, step.decision.plan.mints)

    def _committed(self, step: Send) -> Awaitable[int | None]:
        """Done when the record is durable, with its index; raises StoreDown where it cannot be."""
        gateway, exchange = self._gateway, self.exchange
        ledger = gateway.services.ledger
        if ledger is None:
            return _NOTHING
        return ledger.commit(*exchange.entry(step, gateway.moments.now(exchange.request_id)))

    def _stripped(self, facts: Facts) -> Step:
        """What may go without a record: nothing personal, where the rules want that.

        Raises:
            StoreDown: the posture is `block`.
        """
        if self.exchange.treatment.postures[Posture.AUDIT_UNAVAILABLE] != "strip":
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, "the record cannot be written")
        return self._decide(facts, strip=True)

    def _outgoing(self, step: Step) -> Outgoing:
        if isinstance(step, Send):
            if step.decision.plan.forgets:
                self._forget(step)
            return step.outgoing
        gateway = self._gateway
        gateway.record_refusal(step.refusal, self.exchange.entry(step, gateway.moments.now(self.exchange.request_id)))
        raise Refused(step.refusal)
