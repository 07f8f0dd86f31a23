"""Lint of `stream: [items]`: what keeps the bodies of a direction from being edited item by item.

Such bodies are read whole, up to the limit, as without the word. That is safe, and hardly meant.
"""

from gateway.documents.item_array import array_named, needs_whole, path_of
from gateway.model.action import Block
from gateway.model.address import Place as Where
from gateway.model.words import Mode, Part, Posture, Rest
from gateway.policy.declarations import Declarations
from gateway.policy.policy import DEFAULT_POSTURES, Place
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute
from gateway.policy.sections import DraftSection

_BODY_PLACES = (Where.BODY, Where.FORM, Where.PART)
_WITHOUT_REQUEST_BODY = frozenset(("GET", "HEAD"))
_BROKEN_OFF = (Posture.UNPARSABLE_BODY, Posture.UNDECODABLE_CHARSET, Posture.AUDIT_UNAVAILABLE)
"""Postures whose other choices would have to be made before the first byte goes on."""


def lint_items(draft: DraftRoute, known: Declarations, report: Report) -> None:
    """Note why bodies of a route that names `items` are read whole nevertheless."""
    at = draft.options.items_at
    if at is None:
        return
    if draft.mode is Mode.OBSERVE:
        report.add("PG310", at, "an observed route changes nothing, and edits no items", "take out 'items'")
        return
    chosen = {**DEFAULT_POSTURES, **known.postures, **draft.options.postures}
    for posture in _BROKEN_OFF:
        if chosen[posture] != "block":
            message = f"'{posture}: {chosen[posture]}' has to be decided before the first item goes on"
            report.add("PG310", at, message, f"write 'postures: {{{posture}: block}}' on this route")
    if not (draft.methods and draft.methods <= _WITHOUT_REQUEST_BODY):
        _lint_subject(draft, report)
        _lint_section(at, draft.request, report)
    _lint_section(at, draft.response, report)


def _lint_subject(draft: DraftRoute, report: Report) -> None:
    address = draft.subject.address if draft.subject else None
    if draft.subject and address and address.place in _BODY_PLACES and _reads_body(draft.request):
        message = f"'{address.text}' is looked for in the whole request before its first item goes on"
        hint = "fine if only answers are large; else use 'header:', 'cookie:', 'query:' or 'path:'"
        report.add("PG310", draft.subject.at, message, hint)


def _lint_section(at: Place, section: DraftSection, report: Report) -> None:
    if section.rest[Part.BODY] is Rest.BLOCK:
        message = "'rest: block' has to see the whole body before its first item goes on"
        report.add("PG310", at, message, "use 'rest: {body: drop}', or take out 'items'")
    body = [field for field in section.fields if field.rule.address.place is Where.BODY]
    for field in section.fields:
        if field.rule.address.place in _BODY_PLACES and isinstance(field.rule.action, Block):
            message = f"'{field.rule.address.text}' is blocked, so that the whole body has to be seen first"
            report.add("PG310", field.rule.place, message, "use 'as: drop', or take out 'items'")
    path = path_of(field.rule.address for field in body)
    if path is None:
        named = [field for field in body if array_named(field.rule.address) is not None]
        other = next(each for each in named if array_named(each.rule.address) != array_named(named[0].rule.address))
        message = "items of a second array are listed, so a JSON body is read whole; NDJSON is edited line by line"
        report.add("PG310", other.rule.place, message, "list one array with '[*]', or make two routes")
        return
    for field in body:
        if needs_whole(field.rule.address, path):
            whole = "".join(("$", *(f".{name}" for name in path)))
            message = (
                f"'{field.rule.address.text}' selects '{whole}' as a whole or by index, so a JSON body is read whole"
            )
            report.add("PG310", field.rule.place, message, f"write '{whole}[*]' to select its items")


def _reads_body(section: DraftSection) -> bool:
    listed = any(field.rule.address.place in _BODY_PLACES for field in section.fields)
    return listed or section.rest[Part.BODY] is not Rest.PASS
