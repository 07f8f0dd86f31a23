"""Lint of `pages:`: what keeps third parties from being held back, and what can never be asked for."""

from collections.abc import Sequence

from gateway.model.errors import Severity
from gateway.model.words import Mode, Part, Rest
from gateway.policy.declarations import Declarations
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute


def lint_pages(drafts: Sequence[DraftRoute], known: Declarations, report: Report) -> None:
    """Note what the routes with pages, and the recipients that these embed, cannot mean."""
    with_pages = [draft for draft in drafts if draft.response.pages is not None]
    for draft in with_pages:
        _lint_route(draft, known, report)
    for recipient in known.recipients.values():
        if not recipient.embedded_for:
            continue
        place = known.places["embedded_for", recipient.name]
        if not recipient.hosts:
            message = f"'{recipient.name}' has no hosts by which pages could be seen to embed it"
            report.add("PG450", place, message, "add 'hosts: [NAME]' to the recipient")
        if not with_pages:
            message = f"no route has 'pages:', so that nothing of '{recipient.name}' is seen in any"
            report.add("PG451", place, message, "write 'response: {pages: {}}' on the routes that answer with pages")


def _lint_route(draft: DraftRoute, known: Declarations, report: Report) -> None:
    pages = draft.response.pages
    assert pages is not None
    if draft.response.rest[Part.BODY] is not Rest.PASS:
        message = "a page passes as a whole, or not at all: 'rest' would drop all of it"
        report.add("PG452", pages.place, message, "write 'rest: {body: pass}' beside 'pages:'")
    needed = sorted(
        {
            purpose
            for recipient in known.recipients.values()
            for purpose in recipient.embedded_for
            if purpose in known.purposes and known.purposes[purpose].basis.needs_consent
        }
    )
    if needed and not draft.has_subject:
        severity = Severity.ERROR if draft.mode is Mode.ENFORCE else Severity.WARNING
        message = f"what pages embed for '{needed[0]}' needs consent, but the route names no subject"
        report.add("PG301", pages.place, message, "add 'subject: identity' to the route", severity=severity)
