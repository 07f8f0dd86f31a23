"""Finds the route of a request in time that depends on its path and not on the number of rules.

Routes stand in tries of path segments, one trie for each host pattern. Specific wins over general:
an exact host, then `*.name` (the longest first), then any host; inside a trie, segment by segment
from the left, literal, `{name:regex}`, `{name}`, `*`, `**`; at the end a named method, then any
method. Where a choice leads nowhere the next one is tried, and where all the routes of a host fail
the next host is tried. `GET` answers `HEAD` unless a route names `HEAD`.

A segment has at most one literal edge, one `{name}`, one `*` and one `**`, and all its regular
expressions are matched in one pass, so a search visits only nodes whose patterns overlap here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import re2

from gateway.model.errors import Unreadable
from gateway.model.words import Posture
from gateway.policy.path_views import Segments, doubtful, normal_views, written_view
from gateway.policy.pattern import PathPattern, Rank, Segment, compile_regex, parse_path
from gateway.policy.policy import Route


class RouteMatch(msgspec.Struct, frozen=True, gc=False):
    """`spans` says where each `{name}` of the pattern stands in the path as it came (start, end)."""

    route: Route
    spans: dict[str, tuple[int, int]]


class Entry(msgspec.Struct, frozen=True):
    """A route at the end of its pattern, with its captures: their names and numbers of segments."""

    captures: tuple[tuple[str, int], ...]
    match: RouteMatch


class End(msgspec.Struct):
    """Where patterns end: what answers each method, and what answers all others."""

    methods: dict[str, Entry] = {}
    anything: Entry | None = None

    def pick(self, method: str) -> Entry | None:
        found = self.methods.get(method)
        if found is None and method == "HEAD":
            found = self.methods.get("GET")
        return found or self.anything


class Node:
    """One step of a trie. `rest` is the end of a pattern whose `**` starts here."""

    __slots__ = ("end", "literals", "matcher", "name", "only", "regexes", "rest", "star")

    def __init__(self) -> None:
        self.literals: dict[bytes, Node] = {}
        self.regexes: list[tuple[str, Node]] = []
        self.matcher: Any = None
        self.name: Node | None = None
        self.star: Node | None = None
        self.rest: End | None = None
        self.end: End | None = None
        self.only: dict[bytes, Node] | Node | None = self.literals
        """The literals where there is no other edge, the `{name}` where there is no other, else None."""

    def child(self, segment: Segment) -> "Node":
        """The node behind an edge like `segment`, made if need be."""
        if segment.rank is Rank.LITERAL:
            self.only = self.literals if self.only is self.literals else None
            return self.literals.setdefault(segment.literal, Node())
        if segment.rank is Rank.NAME:
            self.name = self.name or Node()
            alone = not self.literals and (self.only is self.literals or self.only is self.name)
            self.only = self.name if alone else None
            return self.name
        self.only = None
        if segment.rank is Rank.STAR:
            self.star = self.star or Node()
            return self.star
        for regex, node in self.regexes:
            if regex == segment.regex:
                return node
        node = Node()
        self.regexes.append((segment.regex, node))
        return node

    def open_end(self) -> End:
        """The end of patterns whose `**` starts at this node."""
        self.only = None
        self.rest = self.rest or End()
        return self.rest

    def matching(self, segment: bytes) -> Iterable["Node"]:
        """Nodes behind the regular expressions that match the segment, in the order of the rules."""
        if len(self.regexes) == 1:
            regex, node = self.regexes[0]
            return (node,) if compile_regex(regex).fullmatch(segment) else ()
        if self.matcher is None:
            self.matcher = _matcher([regex for regex, _ in self.regexes])
        return [self.regexes[number][1] for number in sorted(self.matcher.Match(segment) or ())]


class Host:
    """The routes of one host pattern. `exact` holds the paths that no other pattern can win against."""

    __slots__ = ("exact", "root")

    def __init__(self) -> None:
        self.root = Node()
        self.exact: dict[bytes, dict[str, RouteMatch]] = {}


HOSTS_REMEMBERED = 1024
"""Clients choose the host they send, so what is remembered of it is bounded."""


class Router:
    """Fixed once made; the first of two routes with equal patterns and methods wins (lint tells)."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._names: dict[str, Host] = {}
        self._wildcards: dict[str, Host] = {}
        self._any = Host()
        self._tries: dict[str, tuple[Host, ...]] = {}
        for route in routes:
            pattern = parse_path(route.path)
            for host in route.hosts or ("*",):
                self._add(self._host(host), route, pattern)

    def _host(self, pattern: str) -> Host:
        if pattern == "*":
            return self._any
        if pattern.startswith("*."):
            return self._wildcards.setdefault(pattern[1:], Host())
        return self._names.setdefault(pattern, Host())

    @staticmethod
    def _add(host: Host, route: Route, pattern: PathPattern) -> None:
        node = host.root
        end: End | None = None
        captures: list[tuple[str, int]] = []
        for number, segment in enumerate(pattern.segments):
            if segment.rank is Rank.REST:
                end = node.open_end()
                break
            node = node.child(segment)
            if segment.name:
                captures.append((segment.name, number))
        if end is None:
            end = node.end = node.end or End()
        entry = Entry(tuple(captures), RouteMatch(route, {}))
        for method in route.methods:
            end.methods.setdefault(method, entry)
        if not route.methods and end.anything is None:
            end.anything = entry
        exact = pattern.exact
        if exact is not None and not doubtful(exact):
            matches = host.exact.setdefault(exact, {})
            for method in route.methods:
                matches.setdefault(method, entry.match)

    def _tries_of(self, host: str) -> tuple[Host, ...]:
        """The tries to search for a request to `host` (lower case, perhaps with a port), best first."""
        colon = host.rfind(":")
        names = (host, host[:colon]) if colon > host.rfind("]") else (host,)
        found = [self._names[name] for name in names if name in self._names]
        if self._wildcards:
            name = names[-1]
            dot = name.find(".", 1)
            while dot >= 0:
                if name[dot:] in self._wildcards:
                    found.append(self._wildcards[name[dot:]])
                dot = name.find(".", dot + 1)
        tries = (*found, self._any)
        if len(self._tries) >= HOSTS_REMEMBERED:
            self._tries.clear()
        self._tries[host] = tries
        return tries

    def find(self, method: str, host: str, path: bytes) -> RouteMatch | None:
        """The route of a request, None where no rule knows it. `path` is raw and without the query.

        Raises:
            Unreadable: AMBIGUOUS_FRAMING, where the path as written and the path as an upstream may
                read it (decoded, dot segments folded, parameters cut) lead to different routes.
        """
        tries = self._tries.get(host) or self._tries_of(host)
        exact = tries[0].exact.get(path)
        if exact is not None and method in exact:
            return exact[method]
        if doubtful(path):
            return _find_in_doubt(method, tries, path)
        segments = path[1:].split(b"/") if path[:1] == b"/" else None
        for trie in tries:
            found = _search(trie.root, segments, 0, method) if segments else _whole(trie.root, method)
            if found is not None:
                return _with_spans(found, segments) if segments and found.captures else found.match
        return None


def _find_in_doubt(method: str, tries: tuple[Host, ...], path: bytes) -> RouteMatch | None:
    if path[:1] != b"/":
        raise Unreadable(Posture.AMBIGUOUS_FRAMING, "the request path does not start with a slash")
    written = _find_in(method, tries, written_view(path))
    for view in normal_views(path):
        other = _find_in(method, tries, view)
        if (written and (written.route.name, written.spans)) != (other and (other.route.name, other.spans)):
            raise Unreadable(Posture.AMBIGUOUS_FRAMING, "the request path can be read in more than one way")
    return written


def _find_in(method: str, tries: tuple[Host, ...], view: Segments) -> RouteMatch | None:
    texts = [text for text, _, _ in view]
    for trie in tries:
        found = _search(trie.root, texts, 0, method)
        if found is not None:
            return RouteMatch(found.match.route, {name: view[number][1:] for name, number in found.captures})
    return None


def _search(node: Node, segments: list[bytes], depth: int, method: str) -> Entry | None:
    count = len(segments)
    while depth < count:
        segment = segments[depth]
        depth += 1
        only = node.only
        if only is None:
            return _choose(node, segments, depth, method)
        if isinstance(only, dict):
            if (child := only.get(segment)) is None:
                return None
            node = child
        elif segment:
            node = only
        else:
            return None
    if node.end is not None and (found := node.end.pick(method)):
        return found
    return node.rest.pick(method) if node.rest is not None else None


def _choose(node: Node, segments: list[bytes], depth: int, method: str) -> Entry | None:
    """Try the edges of a node that has several of them for the segment before `depth`."""
    segment = segments[depth - 1]
    child = node.literals.get(segment)
    if child is not None and (found := _search(child, segments, depth, method)):
        return found
    if segment:
        if node.regexes:
            for child in node.matching(segment):
                if found := _search(child, segments, depth, method):
                    return found
        if node.name is not None and (found := _search(node.name, segments, depth, method)):
            return found
        if node.star is not None and (found := _search(node.star, segments, depth, method)):
            return found
    return node.rest.pick(method) if node.rest is not None else None


def _whole(root: Node, method: str) -> Entry | None:
    """The asterisk-form of a target (RFC 9112 section 3.2.4) belongs to the route of everything, `/**`."""
    return root.rest.pick(method) if root.rest is not None else None


def _with_spans(found: Entry, segments: Sequence[bytes]) -> RouteMatch:
    spans: dict[str, tuple[int, int]] = {}
    start, number = 1, 0
    for name, wanted in found.captures:
        while number < wanted:
            start += len(segments[number]) + 1
            number += 1
        spans[name] = (start, start + len(segments[number]))
    return RouteMatch(found.match.route, spans)


def _matcher(regexes: list[str]) -> Any:
    """All the regular expressions of one node as a single automaton."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = max(8 << 20, len(regexes) << 14)
    made = re2.Set.FullMatchSet(options)
    for regex in regexes:
        made.Add(regex.encode())
    made.Compile()
    return made
