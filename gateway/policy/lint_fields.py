"""Lint of the fields of one route: what can never match, never pass, or never matter."""

from collections.abc import Sequence

from gateway.model.action import Drop
from gateway.model.address import Address, Descend, Every, Step
from gateway.model.address import Place as Where
from gateway.model.cookie import ANY_ENDING
from gateway.model.errors import Severity
from gateway.model.words import Basis, Direction, Mode, Part, Rest
from gateway.policy.decide import permitted
from gateway.policy.declarations import Declarations
from gateway.policy.link import fields_of
from gateway.policy.policy import Recipient
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute
from gateway.policy.sections import DraftSection
from gateway.policy.taxonomy import is_special

_BODY_PLACES = (Where.BODY, Where.FORM, Where.PART)
_PARTS = {Where.QUERY: Part.QUERY, Where.HEADER: Part.HEADERS, Where.COOKIE: Part.COOKIES, Where.PATH: None}
_WITHOUT_REQUEST_BODY = frozenset(("GET", "HEAD"))
_WITHOUT_RESPONSE_BODY = frozenset(("HEAD",))


def lint_fields(draft: DraftRoute, known: Declarations, report: Report) -> None:
    """Everything that can be said about the fields of a route by looking at the route alone."""
    for direction, section in ((Direction.REQUEST, draft.request), (Direction.RESPONSE, draft.response)):
        _lint_bodies(draft, section, direction, report)
        _lint_order(section, report)
        _lint_rest(section, report)
    for name, section in ((draft.to.name if draft.to else "", draft.request), (draft.caller_name, draft.response)):
        if recipient := known.recipients.get(name):
            _lint_permissions(section, recipient, report)
    _lint_purposes(draft, known, report)
    _lint_subject(draft, report)


def covers(general: Sequence[Step], special: Sequence[Step]) -> bool:
    """Whether every value that `special` selects lies at or below one that `general` selects."""
    if not general:
        return True
    if not special:
        return False
    if isinstance(general[0], Descend):
        return any(covers(general[1:], special[skipped:]) for skipped in range(len(special)))
    if isinstance(special[0], Descend):
        return False
    step = general[0]
    return (isinstance(step, Every) or step == special[0]) and covers(general[1:], special[1:])


def _lint_bodies(draft: DraftRoute, section: DraftSection, direction: Direction, report: Report) -> None:
    request = direction is Direction.REQUEST
    bodiless = _WITHOUT_REQUEST_BODY if request else _WITHOUT_RESPONSE_BODY
    without_body = bool(draft.methods) and draft.methods <= bodiless
    first: Where | None = None
    for field in section.fields:
        place = field.rule.address.place
        if place not in _BODY_PLACES:
            continue
        if without_body:
            methods = " and ".join(sorted(draft.methods))
            hint = "use 'query:', 'header:' or 'cookie:', or match another method"
            message = f"a {direction} of {methods} has no body, so this never matches"
            report.add("PG302", field.rule.place, message, hint)
        elif first is not None and place is not first:
            message = f"'{field.rule.address.text}' and the '{first}' addresses above never match in one message"
            report.add("PG306", field.rule.place, message, "fine if the route takes both kinds of body")
        first = first or place


def _lint_order(section: DraftSection, report: Report) -> None:
    """The first field that covers a value decides, so a later one below it never does."""
    listed: dict[tuple[Where, object], int] = {}
    body: list[Address] = []
    for field in section.fields:
        address = field.rule.address
        key = (address.place, address.steps if address.place is Where.BODY else address.name)
        line = listed.setdefault(key, field.rule.place.line)
        if line != field.rule.place.line:
            message = f"'{address.text}' is the same address as that of line {line}"
            report.add("PG303", field.rule.place, message, "keep one of the two")
            continue
        if address.place is Where.BODY:
            above = next((other for other in body if covers(other.steps, address.steps)), None)
            body.append(address)
            if above:
                message = f"'{above.text}' above already covers '{address.text}', and the first one decides"
                report.add("PG304", field.rule.place, message, "put the more specific address first")


def _lint_rest(section: DraftSection, report: Report) -> None:
    for field in section.fields:
        rule = field.rule
        part = _PARTS.get(rule.address.place, Part.BODY)
        if part and section.rest[part] is Rest.DROP and isinstance(rule.action, Drop):
            message = f"'{rule.address.text}' would be dropped without being listed, by 'rest: drop'"
            report.add("PG305", rule.place, message, "leave it out, unless the record shall name it")


def _lint_permissions(section: DraftSection, recipient: Recipient, report: Report) -> None:
    for field in section.fields:
        rule = field.rule
        if not permitted(recipient, rule.data_class, rule.purpose):
            message = f"'{recipient.name}' may not receive {rule.data_class} for '{rule.purpose}'"
            report.add("PG308", field.class_at, message, "allow it under 'may_receive:', or leave the field out")


def _lint_purposes(draft: DraftRoute, known: Declarations, report: Report) -> None:
    severity = Severity.ERROR if draft.mode is Mode.ENFORCE else Severity.WARNING
    for field in fields_of(draft):
        purpose = known.purposes.get(field.rule.purpose)
        if purpose is None:
            continue
        if purpose.basis.needs_consent and not draft.has_subject:
            message = f"'{purpose.name}' needs consent, but the route names no subject, so nobody can have given it"
            hint = "add 'subject: {field: ADDRESS}' or 'subject: identity' to the route"
            report.add("PG301", field.purpose_at, message, hint, severity=severity)
        if is_special(field.rule.data_class) and purpose.basis is not Basis.EXPLICIT_CONSENT:
            message = f"{field.rule.data_class} is a special category, and '{purpose.name}' rests on {purpose.basis}"
            hint = "use a purpose with 'basis: explicit_consent', or make sure that another exemption holds"
            report.add("PG309", field.class_at, message, hint)


def _lint_subject(draft: DraftRoute, report: Report) -> None:
    address = draft.subject.address if draft.subject else None
    if draft.subject is None or address is None:
        return
    if any(isinstance(step, Every | Descend) for step in address.steps):
        message = f"'{address.text}' can select several people"
        report.add("PG307", draft.subject.at, message, "name the one value that identifies the person")
    if address.place is Where.COOKIE and address.name.endswith(ANY_ENDING):
        message = f"'{address.text}' can select several cookies"
        report.add("PG307", draft.subject.at, message, "name the one cookie that identifies the person")
    if address.place in _BODY_PLACES and draft.methods and draft.methods <= _WITHOUT_REQUEST_BODY:
        message = "requests of this route have no body, so the subject is never found"
        report.add("PG302", draft.subject.at, message, "use 'query:', 'path:', 'header:' or 'cookie:'")
