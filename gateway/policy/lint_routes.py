"""Lint of the routes among one another: which of them requests can reach.

A route is shadowed where one that the router tries earlier matches every path that it matches. The
search runs over a trie of patterns, so it does not compare each route with each other one.
"""

from collections.abc import Iterator, Sequence

import msgspec

from gateway.policy.matches import Match
from gateway.policy.pattern import Rank, Segment, compile_regex
from gateway.policy.report import Report
from gateway.policy.routes import DraftRoute
from gateway.policy.segment_regex import doubt_about

ANY_METHOD = "*"

_MATCHES_ALL = frozenset((".*", ".+", "[^/]*", "[^/]+"))


class _Candidate(msgspec.Struct, frozen=True):
    """A route whose patterns are fully known."""

    draft: DraftRoute
    match: Match


class _Step(msgspec.Struct):
    """A node of the trie; `ended` are the routes whose pattern ends here, in the order of the rules."""

    literals: dict[bytes, "_Step"] = {}
    open: dict[tuple[Rank, bytes | str], "_Step"] = {}
    ended: list[_Candidate] = []

    def child(self, segment: Segment) -> "_Step":
        if segment.rank is Rank.LITERAL:
            return self.literals.setdefault(segment.literal, _Step())
        return self.open.setdefault(_edge(segment), _Step())

    def beside(self, segment: Segment) -> Iterator[tuple[tuple[Rank, bytes | str], "_Step"]]:
        """The edge of the segment itself and all edges that are no literals, as the router tries them."""
        if segment.literal in self.literals and segment.rank is Rank.LITERAL:
            yield _edge(segment), self.literals[segment.literal]
        yield from sorted(self.open.items(), key=_rank)


def lint_routes(drafts: Sequence[DraftRoute], report: Report) -> None:
    """Note routes that no request can reach, wholly or in part, and segments that nothing can match."""
    tries: dict[str, _Step] = {}
    candidates = [_Candidate(draft, draft.match) for draft in drafts if draft.match]
    for candidate in candidates:
        _lint_regexes(candidate.match, report)
    candidates = [candidate for candidate in candidates if candidate.match.whole]
    for candidate in candidates:
        for host in candidate.match.hosts or ("*",):
            step = tries.setdefault(host, _Step())
            for segment in candidate.match.pattern.segments:
                step = step.child(segment)
            step.ended.append(candidate)
    for candidate in candidates:
        _lint_reach(candidate, tries, report)


def _lint_regexes(match: Match, report: Report) -> None:
    for segment in match.pattern.segments:
        doubt = doubt_about(segment.regex) if segment.rank is Rank.REGEX else None
        if doubt:
            hint = "it is matched against one whole segment, without slashes"
            offset = segment.column + match.path_offset
            report.add("PG403", match.path_at, f"'{segment.regex}' {doubt}", hint, offset=offset)


def _lint_reach(candidate: _Candidate, tries: dict[str, _Step], report: Report) -> None:
    match, draft = candidate.match, candidate.draft
    asked = [(host, method) for host in match.hosts or ("*",) for method in sorted(match.methods) or (ANY_METHOD,)]
    shadows: dict[tuple[str, str], DraftRoute] = {}
    for host, method in asked:
        shadow = _shadow(candidate, method, tries[host])
        if shadow is not None:
            shadows[host, method] = shadow.draft
    if not shadows:
        return
    other = next(iter(shadows.values()))
    where = f"'{other.name}' ({other.place.file}, line {other.place.line})"
    if len(shadows) == len(asked):
        hint = "remove one of them, or make the other's pattern narrower"
        report.add("PG401", draft.place, f"the route '{draft.name}' is never reached: {where} answers first", hint)
        return
    parts = ", ".join(f"{method} on host {host}" if host != "*" else method for host, method in shadows)
    report.add("PG402", draft.place, f"for {parts}, {where} answers before '{draft.name}'", "narrow one of the two")


def _shadow(candidate: _Candidate, method: str, root: _Step) -> _Candidate | None:
    for other, same_pattern in _tried(root, candidate.match.pattern.segments, 0, same=True):
        if other is candidate:
            break
        methods = other.match.methods
        if same_pattern:
            if method in methods or (method == ANY_METHOD and not methods):
                return other
        elif not methods or method in methods or (method == "HEAD" and "GET" in methods):
            return other
    return None


def _tried(step: _Step, segments: Sequence[Segment], depth: int, *, same: bool) -> Iterator[tuple[_Candidate, bool]]:
    """Routes that cover all the paths of a pattern, in the order in which the router tries them.

    The pattern's own routes are among them: what comes after those cannot hide anything. `same` says
    that the edges so far are those of the pattern itself; the flag of a result, that all of them are.
    """
    if depth == len(segments):
        yield from ((route, same) for route in step.ended)
        if rest := step.open.get((Rank.REST, b"")):
            yield from ((route, False) for route in rest.ended)
        return
    segment = segments[depth]
    own = _edge(segment)
    for edge, child in step.beside(segment):
        if edge[0] is Rank.REST:
            yield from ((route, same and edge == own) for route in child.ended)
        elif edge == own or _covers(edge, segment):
            yield from _tried(child, segments, depth + 1, same=same and edge == own)


def _rank(item: tuple[tuple[Rank, bytes | str], _Step]) -> Rank:
    return item[0][0]


def _edge(segment: Segment) -> tuple[Rank, bytes | str]:
    return segment.rank, segment.regex if segment.rank is Rank.REGEX else segment.literal


def _covers(edge: tuple[Rank, bytes | str], segment: Segment) -> bool:
    """Whether an open edge lets through every text that the segment matches."""
    if segment.rank is Rank.REST or (segment.rank is Rank.LITERAL and not segment.literal):
        return False
    rank, regex = edge
    if rank is Rank.REGEX and regex not in _MATCHES_ALL:
        return segment.rank is Rank.LITERAL and bool(compile_regex(str(regex)).fullmatch(segment.literal))
    return True
