"""The fields of an answer whose head the adapter knows: worked out once for each plan, then only filled."""

import msgspec

from gateway.engine.entity import request_fields, response_fields
from gateway.engine.page_fields import CLIENT_HINTS, Kind, without_hints
from gateway.engine.plan import Plan, Plans
from gateway.engine.rewrite import RewrittenHeaders, rewrite_headers
from gateway.model.facts import Facts
from gateway.model.field_template import FieldTemplate, FilledFields, HeaderPairs, hole
from gateway.model.message import RequestHead, header_values
from gateway.model.words import PageMode

_KEPT_AT_MOST = 256
_DERIVED_AT_MOST = 32
"""Routes that one connection asks with the same header fields, for which the outcome is kept."""


class AnswerFields(msgspec.Struct, frozen=True, gc=False):
    """`rewritten` is what the plan makes of the template; the others are what goes out with and without a record."""

    rewritten: RewrittenHeaders
    recorded: FieldTemplate
    unrecorded: FieldTemplate

    def filled(self, values: tuple[bytes, ...], record: bytes) -> FilledFields:
        """The fields of one answer, of which `record` is the id of its record, empty if it leaves none."""
        return FilledFields(self.recorded, (*values, record)) if record else FilledFields(self.unrecorded, values)


def onward_fields(plan: Plan, answers: Plans, facts: Facts, head: RequestHead, suffix: bytes) -> RewrittenHeaders:
    """The header fields of a request after its plan, worked out once for each header block of a connection.

    `answers` are the plans of what it asks for, `suffix` is that of the policy.

    Raises:
        Unreadable: as `rewrite_headers`.
    """
    tag = (answers.constant or answers.decide(facts)).plan.condition
    derived = head.derived
    # Where the plan touches no field, all routes of one kind share the outcome.
    key = (plan.record if plan.edits_headers else plan.size, tag, answers.reads_as)
    done = derived.get(key)
    if not isinstance(done, RewrittenHeaders):
        if len(derived) >= _DERIVED_AT_MOST:
            derived.clear()
        done = derived[key] = rewrite_headers(plan, fields_for_answer(answers, head.headers, suffix, tag))
    return done


def fields_for_answer(plans: Plans, headers: HeaderPairs, suffix: bytes, tag: bytes) -> HeaderPairs:
    """As `request_fields`, for answers of these plans.

    What is no page can be asked for in parts, where only pages are read.
    """
    pages = plans.pages
    if pages is None:
        return request_fields(headers, suffix, tag, reads_answer=plans.reads_body)
    if not pages.client_hints and pages.mode is PageMode.ENFORCE:
        listed = {rule.address.name.encode() for rule in plans.route.request.fields}
        headers = without_hints(headers, CLIENT_HINTS - listed)
    return request_fields(headers, suffix, tag, reads_answer=True, keeps_ranges=not plans.reads_body)


def fields_of_answer(
    plans: Plans, plan: Plan, headers: HeaderPairs, counts: tuple[int, ...], record: bytes, *, deletes: bool = False
) -> HeaderPairs:
    """As `response_fields`, of a plan. `counts` says which of its fields were met.

    An answer that sets a cookie of all routes, or `deletes` one, is the person's, as a page is that may embed
    others; the same answer without any is everybody's, so that caches may keep what every page loads.
    """
    kind = Kind.OTHER if plan.page is None else plan.page.kind(headers)
    if plan.page is not None and kind is not Kind.OTHER:
        headers = plan.page.fields.apply(headers)
    decided = kind is not Kind.OTHER or any(counts[plan.general_from :])
    return response_fields(
        headers,
        plan.tag if plans.reads_body or kind is Kind.PAGE else b"",
        personal=plans.always_personal or deletes or (decided and plans.varies_by_person),
        vary=plans.vary_with_cookies if decided else plans.vary,
        record=record,
    )


def answer_fields(plans: Plans, plan: Plan, fields: FilledFields) -> AnswerFields | None:
    """What holds whatever fills the template, which is so for a plan that goes `by_template`.

    None where it does not hold: what the answer sets may end at another moment each time.

    Raises:
        Unreadable: as `rewrite_headers`.
    """
    derived = fields.template.derived
    known = derived.get(plan.record)
    if isinstance(known, AnswerFields):
        return known
    if plan.timed and header_values(fields.template.pairs, b"set-cookie"):
        return None
    rewritten = rewrite_headers(plan, fields.template.pairs)
    recorded, unrecorded = (
        FieldTemplate(fields_of_answer(plans, plan, rewritten.headers, rewritten.counts, record))
        for record in (hole(len(fields.values)), b"")
    )
    if len(derived) >= _KEPT_AT_MOST:
        derived.clear()
    known = derived[plan.record] = AnswerFields(rewritten, recorded, unrecorded)
    return known
