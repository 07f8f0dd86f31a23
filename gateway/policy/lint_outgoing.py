"""Lint of routes for calls that go out: what only people's own requests have, and what such calls have to say."""

from collections.abc import Iterator, Sequence

from gateway.model.words import Part, Rest
from gateway.policy.declarations import Declarations
from gateway.policy.policy import Place, Recipient
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute

_HOLDS_DATA = (Part.BODY, Part.QUERY, Part.COOKIES)


def lint_outgoing(drafts: Sequence[DraftRoute], known: Declarations, report: Report) -> None:
    """Note what a route for calls that go out cannot mean, or leaves open."""
    for draft in drafts:
        recipient = known.recipients.get(draft.to.name) if draft.to else None
        if recipient is None or not known.only_goes_out(recipient.name):
            continue
        for at, what, hint in _of_people_only(draft):
            report.add("PG242", at, f"the calls of the route '{draft.name}' are an application's: {what}", hint)
        if draft.caller is None:
            message = f"no caller is named, so the answers of '{recipient.name}' are recorded as if a person got them"
            report.add(
                "PG462", draft.place, message, "add 'caller:' with the application, a recipient of the controller"
            )
        _lint_rest(draft, recipient, report)


def _of_people_only(draft: DraftRoute) -> Iterator[tuple[Place, str, str]]:
    if draft.subject is not None and draft.subject.identified:
        hint = "name the person with 'subject: {field: ADDRESS}'"
        yield draft.subject.at, "no source of identity names a person in them", hint
    if draft.session.at is not None:
        yield draft.session.at, "they sign nobody in or out", "leave it out"
    if draft.response.pages is not None:
        yield draft.response.pages.place, "no page in an answer is shown to a person as it is", "leave 'pages:' out"


def _lint_rest(draft: DraftRoute, recipient: Recipient, report: Report) -> None:
    passed = [part for part in _HOLDS_DATA if draft.request.rest[part] is Rest.PASS]
    if recipient.may_receive is not None and passed:
        message = f"'{recipient.name}' may not receive everything, and what is not listed of the {passed[0]} passes"
        rest = ", ".join(f"{part}: drop" for part in passed)
        report.add("PG463", draft.place, message, f"write 'request: {{rest: {{{rest}}}}}', and list what is to pass")
