"""The fields of an answer whose head the adapter knows: worked out once for each plan, then only filled."""

import msgspec

from gateway.engine.entity import response_fields
from gateway.engine.plan import Plan, Plans
from gateway.engine.rewrite import RewrittenHeaders, rewrite_headers
from gateway.model.field_template import FieldTemplate, FilledFields, HeaderPairs, hole

_KEPT_AT_MOST = 256


class AnswerFields(msgspec.Struct, frozen=True, gc=False):
    """`rewritten` is what the plan makes of the template; the others are what goes out with and without a record."""

    rewritten: RewrittenHeaders
    recorded: FieldTemplate
    unrecorded: FieldTemplate

    def filled(self, values: tuple[bytes, ...], record: bytes) -> FilledFields:
        """The fields of one answer, of which `record` is the id of its record, empty if it leaves none."""
        return FilledFields(self.recorded, (*values, record)) if record else FilledFields(self.unrecorded, values)


def fields_of_answer(plans: Plans, plan: Plan, headers: HeaderPairs, record: bytes) -> HeaderPairs:
    """As `response_fields`, of a plan."""
    return response_fields(
        headers,
        plan.tag if plans.reads_body else b"",
        personal=plans.varies_by_person,
        vary=plans.vary,
        record=record,
    )


def answer_fields(plans: Plans, plan: Plan, fields: FilledFields) -> AnswerFields:
    """What holds whatever fills the template, which is so for a plan that goes `by_template`.

    Raises:
        Unreadable: as `rewrite_headers`.
    """
    derived = fields.template.derived
    known = derived.get(plan.record)
    if isinstance(known, AnswerFields):
        return known
    rewritten = rewrite_headers(plan, fields.template.pairs)
    recorded, unrecorded = (
        FieldTemplate(fields_of_answer(plans, plan, rewritten.headers, record))
        for record in (hole(len(fields.values)), b"")
    )
    if len(derived) >= _KEPT_AT_MOST:
        derived.clear()
    known = derived[plan.record] = AnswerFields(rewritten, recorded, unrecorded)
    return known
