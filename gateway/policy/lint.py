"""Lint of a whole policy: declarations that nobody uses, bases that do not fit, and what its parts' lint finds."""

from collections.abc import Iterable, Sequence
from datetime import date

from gateway.model.words import Basis, Direction
from gateway.policy.declarations import Declarations
from gateway.policy.each import lint_each
from gateway.policy.lint_contracts import lint_contracts
from gateway.policy.lint_cookies import lint_cookies
from gateway.policy.lint_destinations import lint_destinations
from gateway.policy.lint_fields import lint_fields
from gateway.policy.lint_items import lint_items
from gateway.policy.lint_outgoing import lint_outgoing
from gateway.policy.lint_pages import lint_pages
from gateway.policy.lint_routes import lint_routes
from gateway.policy.lint_signals import lint_signals
from gateway.policy.lint_transfers import lint_transfers
from gateway.policy.policy import CALLER, Place, Purpose
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute
from gateway.policy.sign_in import lint_session

_NO_SALE = (Basis.CONTRACT, Basis.LEGAL_OBLIGATION, Basis.VITAL_INTEREST, Basis.PUBLIC_INTEREST)
_WITHOUT_LEGITIMATE_INTEREST = ("CN",)
"""Jurisdictions whose law does not know that basis (PIPL Art. 13)."""


def lint(drafts: Sequence[DraftRoute], known: Declarations, today: date, report: Report) -> None:
    """Note everything that is written correctly but cannot be meant."""
    for draft in drafts:
        lint_fields(draft, known, report)
        lint_items(draft, known, report)
        by_field = draft.subject is not None and draft.subject.address is not None
        lint_session(draft.session, by_field=by_field, report=report)
        if draft.subject is not None and draft.subject.each is not None:
            sections = {Direction.REQUEST: draft.request, Direction.RESPONSE: draft.response}
            each, at = draft.subject.each, draft.subject.at
            lint_each(each, at, sections, known, report, flows_at=draft.options.items_at)
    lint_cookies(drafts, known, report)
    lint_pages(drafts, known, report)
    lint_routes(drafts, report)
    lint_destinations(drafts, known, report)
    lint_outgoing(drafts, known, report)
    _lint_bases(known, report)
    lint_signals(known, report)
    lint_transfers(known, report)
    lint_contracts(drafts, known, today, report)
    if not report.broken:
        _lint_unused(drafts, known, report)


def _lint_unused(drafts: Iterable[DraftRoute], known: Declarations, report: Report) -> None:
    purposes = {mention.name for mention in known.purposes_mentioned}
    recipients = {mention.name for mention in (*known.targets_mentioned, *known.callers_mentioned)}
    for name in known.purposes.keys() - purposes:
        report.add("PG404", known.places["purpose", name], f"nothing is listed for the purpose '{name}'")
    embedded = {name for name, recipient in known.recipients.items() if recipient.embedded_for}
    for name in known.recipients.keys() - recipients - embedded - {CALLER}:
        report.add("PG405", known.places["recipient", name], f"no route leads to the recipient '{name}'")
    if ("controller", "controller") not in known.places and drafts:
        start = Place(min(draft.place.file for draft in drafts), 1, 1)
        hint = "add 'controller: {name: …, contact: …}'"
        report.add("PG411", start, "no file says who the controller is", hint)


def _lint_bases(known: Declarations, report: Report) -> None:
    jurisdiction = known.controller.get("jurisdiction", "")
    for purpose in known.purposes.values():
        place = known.places["purpose", purpose.name]
        if purpose.basis is Basis.LEGITIMATE_INTEREST and jurisdiction in _WITHOUT_LEGITIMATE_INTEREST:
            message = f"the law of {jurisdiction} knows no legitimate interest, on which '{purpose.name}' rests"
            report.add("PG408", place, message, "ask for consent, or name another basis")
        _lint_sale(purpose, place, report)
        if not purpose.basis.needs_consent and ("consent_scope", purpose.name) in known.places:
            message = f"'{purpose.name}' rests on {purpose.basis}, so nobody is asked for consent to it"
            report.add("PG412", known.places["consent_scope", purpose.name], message, "leave 'consent_scope' out")


def _lint_sale(purpose: Purpose, place: Place, report: Report) -> None:
    if purpose.sale_or_share and purpose.basis in _NO_SALE:
        message = f"'{purpose.name}' is a sale or sharing of data, which cannot rest on {purpose.basis}"
        report.add("PG409", place, message, "use 'basis: consent'")
