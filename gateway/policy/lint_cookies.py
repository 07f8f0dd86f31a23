"""Lint of the cookies of all routes."""

from collections.abc import Sequence

from gateway.model.words import Basis
from gateway.policy.declarations import Declarations
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute
from gateway.policy.taxonomy import is_special


def lint_cookies(drafts: Sequence[DraftRoute], known: Declarations, report: Report) -> None:
    """Note cookies that nobody can agree to, and classes that need another basis."""
    anonymous = bool(drafts) and not any(draft.has_subject for draft in drafts)
    for rule in known.cookies:
        purpose = known.purposes.get(rule.purpose)
        if purpose is None:
            continue
        name = rule.address.name
        if purpose.basis.needs_consent and anonymous:
            message = f"'{purpose.name}' needs consent, but no route names a subject, so '{name}' never passes"
            hint = "add 'subject: {field: ADDRESS}' or 'subject: identity' to routes"
            report.add("PG413", known.places["purpose of cookie", name], message, hint)
        if is_special(rule.data_class) and purpose.basis is not Basis.EXPLICIT_CONSENT:
            message = f"{rule.data_class} is a special category, and '{purpose.name}' rests on {purpose.basis}"
            hint = "use a purpose with 'basis: explicit_consent', or make sure that another exemption holds"
            report.add("PG309", known.places["class of cookie", name], message, hint)
