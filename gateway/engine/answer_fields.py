"""The fields of an answer whose head the adapter knows: worked out once for each plan, then only filled."""

import msgspec

from gateway.engine.entity import response_fields
from gateway.engine.plan import Plan, Plans
from gateway.engine.rewrite import RewrittenHeaders, rewrite_headers
from gateway.model.field_template import FieldTemplate, FilledFields, HeaderPairs, hole
from gateway.model.message import header_values

_KEPT_AT_MOST = 256


class AnswerFields(msgspec.Struct, frozen=True, gc=False):
    """`rewritten` is what the plan makes of the template; the others are what goes out with and without a record."""

    rewritten: RewrittenHeaders
    recorded: FieldTemplate
    unrecorded: FieldTemplate

    def filled(self, values: tuple[bytes, ...], record: bytes) -> FilledFields:
        """The fields of one answer, of which `record` is the id of its record, empty if it leaves none."""
        return FilledFields(self.recorded, (*values, record)) if record else FilledFields(self.unrecorded, values)


def fields_of_answer(
    plans: Plans, plan: Plan, headers: HeaderPairs, counts: tuple[int, ...], record: bytes, *, deletes: bool = False
) -> HeaderPairs:
    """As `response_fields`, of a plan. `counts` says which of its fields were met.

    An answer that sets a cookie of all routes, or `deletes` one, is the person's; the same answer without
    any is everybody's, so that caches may keep what every page loads.
    """
    cookies = any(counts[plan.general_from :])
    return response_fields(
        headers,
        plan.tag if plans.reads_body else b"",
        personal=plans.always_personal or deletes or (cookies and plans.varies_by_person),
        vary=plans.vary_with_cookies if cookies else plans.vary,
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
