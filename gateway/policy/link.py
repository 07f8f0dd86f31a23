"""Checks that what rules refer to is declared, and makes routes out of their drafts."""

from collections.abc import Iterable, Iterator
from types import MappingProxyType

from gateway.model.address import Place as Where
from gateway.policy.cookies import with_cookies
from gateway.policy.declarations import Declarations
from gateway.policy.matches import Match
from gateway.policy.pages import with_pages
from gateway.policy.policy import CALLER, DEFAULT_POSTURES, Place, Route
from gateway.policy.report import Report, closest
from gateway.policy.routes import DraftRoute
from gateway.policy.sections import DraftField


def check_references(drafts: Iterable[DraftRoute], known: Declarations, report: Report) -> None:
    """Note every purpose, recipient, upstream and path name that does not exist."""
    for draft in drafts:
        if draft.match:
            _check_path_names(draft, draft.match, report)
    if report.broken:
        return  # what looks undeclared may stand in the file that could not be read
    for mention in known.purposes_mentioned:
        if mention.name not in known.purposes:
            hint = closest(mention.name, list(known.purposes)) or "declare it under 'purposes:'"
            report.add("PG201", mention.at, f"no file declares the purpose '{mention.name}'", hint)
    for mention in (*known.targets_mentioned, *known.callers_mentioned):
        if mention.name not in known.recipients and mention.name != CALLER:
            hint = closest(mention.name, list(known.recipients)) or "declare it under 'recipients:'"
            report.add("PG202", mention.at, f"no file declares the recipient '{mention.name}'", hint)
    for mention in known.targets_mentioned:
        # An upstream or a host that is written but cannot be read has a place and its own diagnostic.
        known_target = mention.name in known.recipients or mention.name == CALLER
        if known_target and not {("upstream", mention.name), ("hosts", mention.name)} & known.places.keys():
            message = f"the recipient '{mention.name}' has neither an upstream nor hosts to send requests to"
            hint = "give it an 'upstream:' for requests that come in, or 'hosts:' for calls that go out"
            report.add("PG203", mention.at, message, hint)


def fields_of(draft: DraftRoute) -> Iterator[DraftField]:
    yield from draft.request.fields
    yield from draft.response.fields


def route_of(draft: DraftRoute, known: Declarations, number: int) -> Route:
    """The route of a draft that has no errors; `number` is its place among the policy's."""
    assert draft.match is not None
    assert draft.to is not None
    cookies = () if known.only_goes_out(draft.to.name) else known.cookies
    return Route(
        name=draft.name,
        hosts=tuple(draft.match.hosts),
        methods=draft.match.methods,
        path=draft.match.pattern.text,
        to=draft.to.name,
        caller=draft.caller_name,
        mode=draft.mode,
        subject=draft.subject.address if draft.subject else None,
        request=with_cookies(draft.request.section(), cookies),
        response=with_cookies(with_pages(draft.response.section(), known), cookies),
        postures=MappingProxyType({**DEFAULT_POSTURES, **known.postures, **draft.options.postures}),
        stream=draft.options.stream,
        record_always=draft.options.record_always,
        body_limit=draft.options.body_limit,
        place=draft.place,
        number=number,
        signs_in=draft.session.signs_in,
        signs_out=draft.session.signs_out,
        session_at=draft.session.at,
        identified=draft.subject.at if draft.subject and draft.subject.identified else None,
        each=draft.subject.each if draft.subject else None,
    )


def _check_path_names(draft: DraftRoute, match: Match, report: Report) -> None:
    names = match.pattern.names
    named: list[tuple[str, Place]] = [
        (field.rule.address.name, field.rule.place)
        for field in draft.request.fields
        if field.rule.address.place is Where.PATH
    ]
    if draft.subject and draft.subject.address and draft.subject.address.place is Where.PATH:
        named.append((draft.subject.address.name, draft.subject.at))
    for name, place in named:
        if name not in names:
            hint = closest(name, names) or "name a segment in the pattern, as in '/users/{id}'"
            report.add("PG209", place, f"the path '{match.pattern.text}' has no segment '{{{name}}}'", hint)
