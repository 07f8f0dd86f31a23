"""One request and its answer, without any I/O.

The driver reads bytes, clock and stores; the exchange says what is to happen::

    exchange = engine.receive(head, request_id)      the route, from the head alone
    exchange.open_request(body)                      reads the body, resolves the person
    exchange.decide_request(facts)                   -> Send | Refuse
    exchange.entry(step, moment)                     the record, durable before the message leaves
    exchange.open_response(head, body)
    exchange.decide_response(facts)                  -> Send | Refuse

The same engine serves traffic, `explain`, `test` and `diff`.
"""

from collections.abc import Sequence

import msgspec

from gateway.documents.document import Label, label_of, open_body
from gateway.engine.answer_fields import answer_fields, fields_of_answer, onward_fields
from gateway.engine.each import met_in_items, with_people
from gateway.engine.entity import request_changed
from gateway.engine.forgetting import with_deletions
from gateway.engine.items import ITEMS, may_flow, takes_items
from gateway.engine.pages import Page, is_page, may_be_long, open_page
from gateway.engine.plan import BODY_PLACES, Decision, Plan, Plans
from gateway.engine.reading import (
    EVENT_STREAM,
    identifier_at,
    is_partial,
    may_have_content,
    streams_events,
    takes_parts,
)
from gateway.engine.record import Counts, Entry, Moment
from gateway.engine.refusals import refusal
from gateway.engine.rewrite import Content, rewrite, rewrite_headers
from gateway.engine.sign_in import names_person_in_body
from gateway.engine.signals import with_signals
from gateway.engine.step import Refuse, Send, Step
from gateway.model.errors import Unreadable
from gateway.model.facts import Facts
from gateway.model.field_template import Fields, FilledFields
from gateway.model.identity import ANONYMOUS, Identity
from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, Outgoing, RequestHead, ResponseHead, header_values
from gateway.model.words import Direction, Kind, Mode, Posture, Reason
from gateway.policy.policy import Route
from gateway.policy.router import RouteMatch


class Way(msgspec.Struct, gc=False):
    """A route as one engine runs it: its name as JSON, and the plans of its two directions.

    `counted` is where the driver keeps what it counts for the route, `portal` the path of the person's pages.
    """

    engine: object
    name: bytes
    request: Plans
    response: Plans
    counted: object = None
    portal: str = ""


class Exchange:
    """The life of one request and its answer; see the module's text for the order of calls.

    `name` is that of the route as JSON, as records have it. `identity` is whom a verified source
    names, set by the driver before `open_request`, and `caller` how records name them. `deletions` are
    values of Set-Cookie fields that the driver wants in the answer (see `forgetting`). `page`: an answer that is one.
    """

    __slots__ = (
        "_content", "_flows", "_limits", "_passed_over", "_response", "_suffix", "caller", "deletions", "head",
        "identity", "match", "name", "observes", "page", "request_id", "request_plans", "response_plans", "subject",
        "treatment", "way",
    )  # fmt: skip

    def __init__(
        self,
        head: RequestHead,
        match: RouteMatch,
        request_id: bytes,
        *,
        way: Way,
        limits: Limits,
        suffix: bytes,
    ) -> None:
        self.head = head
        self.match = match
        self.request_id = request_id
        self.way = way
        self.name = way.name
        self.request_plans = way.request
        self.response_plans = way.response
        self.treatment: Route = way.request.route
        self._limits = limits
        self._suffix = suffix
        self.observes = self.treatment.mode is Mode.OBSERVE
        self._content: Content | bytes | None = None
        self.page: Page | None = None
        self._passed_over = ""
        self._flows = False
        self._response: ResponseHead | None = None
        self.subject: str | None = None
        self.identity: Identity | None = None
        self.caller = ANONYMOUS
        self.deletions: Sequence[bytes] = ()

    @property
    def route(self) -> Route:
        """The route as it stands in the rules; what is done is in `treatment`, which alike routes share."""
        return self.match.route

    @property
    def content(self) -> Content | bytes | None:
        """The body last opened: of the request, or of the answer once there is one."""
        return self._content

    @property
    def reads_request_body(self) -> bool:
        """Whether a rule, or the search for the person, reads the body of this request."""
        if not self.head.has_body:
            return False
        subject = self.treatment.subject
        return self.request_plans.reads_body or (subject is not None and subject.place in BODY_PLACES)

    @property
    def takes_flow(self) -> bool:
        """Whether the request's body could be edited as it flows: part by part, or item by item."""
        headers = self.head.headers
        return takes_parts(self.treatment, headers) or (
            ITEMS in self.treatment.stream and takes_items(self.treatment, Direction.REQUEST, headers, self._limits)
        )

    def answer_takes_flow(self, head: ResponseHead) -> bool:
        """The same of an answer that rules read."""
        if self.takes_page(head):
            limit = self.treatment.body_limit or self._limits.body
            return not self.observes and may_be_long(head.headers, limit, self._limits)
        if ITEMS not in self.treatment.stream or self._names_person(head):
            return False
        return takes_items(self.treatment, Direction.RESPONSE, head.headers, self._limits)

    def may_flow(self, facts: Facts) -> bool:
        """Whether nothing that the request's body holds can refuse it; by then its beginning would be gone."""
        return may_flow(self.request_plans.decide(self._with_signals(facts)).plan, self.head.headers)

    def answer_may_flow(self, head: ResponseHead, facts: Facts) -> bool:
        """The same of the answer."""
        return may_flow(self.response_plans.decide(self._with_signals(facts)).plan, head.headers)

    def reads_response_body(self, head: ResponseHead) -> bool:
        """Whether a rule reads the content of this response; False also where it can have none.

        Raises:
            Unreadable: the upstream sent a part of a document, which cannot be judged.
        """
        reads = self.response_plans.reads_body or self.takes_page(head)
        if not (reads and may_have_content(self.head.method, head)):
            return self._names_person(head)
        if (self.observes or self.treatment.stream) and streams_events(self.treatment, head):
            return False
        if not self.observes and is_partial(head):
            raise Unreadable(Posture.UNPARSABLE_BODY, "the answer holds only a part of the document")
        return True

    def takes_page(self, head: ResponseHead) -> bool:
        """Whether this answer is a page whose tags are read."""
        return self.response_plans.pages is not None and is_page(head.headers)

    def _names_person(self, head: ResponseHead) -> bool:
        """Whether this answer says in its body who signed in."""
        signs_in = self.treatment.signs_in
        return signs_in is not None and names_person_in_body(signs_in, self.head.method, head)

    def open_request(self, body: bytes | None) -> str | None:
        """Read the body where a rule needs it, and find the person. Returns the person's identifier.

        None where there is nobody, and where a verified source gives the person's handle instead.

        Raises:
            Unreadable: the body, or the field that names the person, cannot be read without doubt
                and the route's posture is `block`; or the body is only a part of a document.
        """
        if self.reads_request_body and not self.observes and header_values(self.head.headers, b"content-range"):
            raise Unreadable(Posture.UNPARSABLE_BODY, "the body holds only a part of the document")
        self._content = body
        if body and self.reads_request_body:
            self._content = self._open(self.head.headers, self.head.derived, body)
        elif body is None and self.observes and self.reads_request_body:
            self._passed_over = Posture.OVER_SIZE
        address = self.treatment.subject
        if address is None:
            identity = self.identity
            return identity.name or None if identity is not None and self.treatment.identified is not None else None
        try:
            return identifier_at(address, self.head, self.match.spans, self._content)
        except Unreadable as doubt:
            self._tolerate(doubt)
            return None

    def open_response(self, head: ResponseHead, body: bytes | None, *, flows: bool = False) -> None:
        """Take the answer, and read its body where a rule needs it. Raises as `open_request`.

        `flows` says that its body will be edited on its way, where `answer_may_flow`.
        """
        self._response = head
        self.page = None
        self._flows = flows
        self._passed_over = ""
        self._content = body
        page = self.takes_page(head)
        if not (self.response_plans.reads_body or page):
            return
        if body:
            fields = head.fields
            if isinstance(fields, FilledFields):
                self._content = self._open(fields.template.pairs, fields.template.derived, body, page=page)
            else:
                self._content = self._open(fields, {}, body, page=page)
        elif body is None and not flows and may_have_content(self.head.method, head):
            # The adapter lets it stream past the rules: events, or an observed body over the limit.
            self._passed_over = EVENT_STREAM if streams_events(self.treatment, head) else Posture.OVER_SIZE

    def decide_request(self, facts: Facts, *, strip: bool = False) -> Step:
        """What becomes of the request under these facts; `strip` lets nothing personal pass."""
        self.subject = facts.subject
        head = self.head
        facts = self._with_signals(facts)
        plans = self.request_plans
        decision = plans.constant
        if decision is None or strip:
            decision = plans.decide(facts, strip=strip)
        if self.observes:
            return self._observe(decision, head.target, head.headers)
        plan = decision.plan
        if plan.refused is not None:
            return self._refuse(decision, plan.nothing, plan.refused)
        content = self._content
        try:
            rewritten = onward_fields(plan, self.response_plans, facts, head, self._suffix)
            if plan.only_headers and not isinstance(content, Content) and self._is_only_headers(plan):
                counts = plan.record.counts(rewritten.counts, (0, 0, rewritten.unlisted, rewritten.unlisted_cookies))
                recorded = not strip and self._needs_record(counts)
                return Send(Outgoing(rewritten.headers, content, head.target), decision, counts, recorded)
            done = rewrite(plan, head.target, self.match.spans, rewritten, content)
        except Unreadable as doubt:
            return self._refuse(decision, plan.nothing, doubt.posture)
        if plan.may_refuse and (refused := self.refused(decision, done.counts)) is not None:
            return refused
        body = b"" if strip and head.has_body and done.body is None else done.body
        headers = done.headers
        streams_parts = content is None and head.has_body and plan.body.reads
        if done.body_changed or self._passed_over or streams_parts:
            headers = request_changed(headers, emptied=not body and not streams_parts)
        recorded = self._needs_record(done.counts) and not strip
        return Send(Outgoing(headers, body, done.target), decision, done.counts, recorded, self._passed_over)

    def _is_only_headers(self, plan: Plan) -> bool:
        """Whether neither a query nor a body of this request is looked at."""
        head = self.head
        body = self._passed_over or (head.has_body and plan.body.reads)
        return not body and not (plan.query.reads and b"?" in head.target)

    def decide_response(self, facts: Facts, *, strip: bool = False) -> Step:
        """What becomes of the answer under these facts."""
        head = self._response
        assert head is not None
        plans = self.response_plans
        decision = plans.constant
        if decision is None or strip:
            decision = plans.decide(self._with_signals(facts), strip=strip)
        if self.observes:
            return self._observe(decision, b"", head.headers, head.status)
        plan = decision.plan
        if plan.refused is not None:
            return self._refuse(decision, plan.nothing, plan.refused)
        by_template = plan.by_template and not self.deletions
        template = head.fields if by_template and isinstance(head.fields, FilledFields) else None
        try:
            known = None if template is None else answer_fields(plans, plan, template)
            rewritten = rewrite_headers(plan, head.headers, now=facts.now) if known is None else known.rewritten
            done = rewrite(plan, b"", self.match.spans, rewritten, self.page or self._content)
        except Unreadable as doubt:
            return self._refuse(decision, plan.nothing, doubt.posture)
        if plan.may_refuse and (refused := self.refused(decision, done.counts)) is not None:
            return refused
        recorded = self._needs_record(done.counts) and not strip
        record = self.request_id if recorded or self._flows else b""
        fields: Fields
        if known is None or template is None:
            headers, deletes = done.headers, bool(self.deletions)
            if deletes:
                headers = with_deletions(headers, self.deletions)
            fields = fields_of_answer(plans, plan, headers, done.counts.fields, record, deletes=deletes)
        else:
            fields = known.filled(template.values, record)
        body = b"" if strip and done.body is None else done.body
        out = Outgoing(fields, body, b"", head.status)
        if self._passed_over and body == b"":
            fields = tuple(pair for pair in out.headers if pair[0].lower() != b"content-encoding")
            out = Outgoing(fields, body, b"", head.status)
        return Send(out, decision, done.counts, recorded, self._passed_over)

    def entry(self, step: Step, moment: Moment) -> Entry:
        """The record of a step, for the ledger."""
        kind: Kind | None = None
        if isinstance(step, Refuse):
            kind, reason, status = Kind.REFUSE, step.reason, 0
        else:
            reason, status = step.posture, step.outgoing.status
        return step.decision.plan.record.entry(
            moment,
            step.counts,
            method=self.head.method.encode(),
            route=self.name,
            subject=self.subject,
            caller=self.caller,
            events=step.decision.events,
            kind=kind,
            reason=reason,
            status=status,
        )

    def _open(
        self, headers: HeaderPairs, derived: dict[object, object], body: bytes, *, page: bool = False
    ) -> Content | bytes:
        collapse = self.treatment.postures[Posture.DUPLICATE_KEY] == "collapse"
        try:
            if page:
                self.page = open_page(headers, body, self.head, self._limits)
                return body
            label = derived.get(Label)
            if not isinstance(label, Label):
                label = derived[Label] = label_of(headers, self._limits)
            content = Content(body, open_body(label, body, self._limits, collapse_duplicates=collapse))
            each, direction = self.treatment.each, Direction.REQUEST if self._response is None else Direction.RESPONSE
            return content if each is None else with_people(content, each, direction, self._limits)
        except Unreadable as doubt:
            return self._tolerate(doubt, body)

    def _tolerate(self, doubt: Unreadable, body: bytes = b"") -> bytes:
        """What goes on in place of what cannot be read, where the posture is not `block`."""
        if self.observes:
            self._passed_over = doubt.posture
            return body
        if self.treatment.postures[doubt.posture] != "drop":
            raise doubt
        self._passed_over = doubt.posture
        return b""

    def _with_signals(self, facts: Facts) -> Facts:
        signals = self.request_plans.signals
        return facts if signals is None else with_signals(facts, signals.read(self.head))

    @property
    def unreadable_signals(self) -> tuple[str, ...]:
        """The kinds of strings that this request carries and nobody can read."""
        signals = self.request_plans.signals
        return () if signals is None else signals.read(self.head).unreadable

    def _observe(self, decision: Decision, target: bytes, headers: HeaderPairs, status: int = 0) -> Send:
        """Run the plan for its counts only; what came in is what goes on."""
        received = self._content.received if isinstance(self._content, Content) else self._content
        plan = decision.plan
        try:
            content = self.page or self._content
            counts = rewrite(plan, target, self.match.spans, rewrite_headers(plan, headers), content).counts
        except Unreadable as doubt:
            self._passed_over = doubt.posture
            counts = plan.nothing
        out = Outgoing(headers, received, target, status)
        return Send(out, decision, counts, self._needs_record(counts), self._passed_over)

    def refused(self, decision: Decision, counts: Counts) -> Refuse | None:
        """The refusal that what the message holds leads to."""
        reason, index = decision.plan.refusing(counts)
        return None if reason is None else self._refuse(decision, counts, reason, index)

    def _refuse(self, decision: Decision, counts: Counts, reason: Reason | Posture, index: int = -1) -> Refuse:
        plan = decision.plan
        policy = self.request_plans.policy
        purpose = plan.verdicts[index].rule.purpose if index >= 0 and reason is not Reason.LISTED else ""
        answer = refusal(
            reason,
            request_id=self.request_id.decode(),
            answers_response=plan.direction is Direction.RESPONSE,
            purpose=purpose,
            title=policy.purposes[purpose].title.first if purpose else "",
            contact=policy.controller.get("contact", "") if purpose else "",
            where=self.way.portal,
        )
        return Refuse(answer, decision, counts, reason)

    def _needs_record(self, counts: Counts) -> bool:
        personal = counts.personal or (self.treatment.each is not None and met_in_items(self._content))
        return personal or bool(self._passed_over) or self.treatment.record_always
