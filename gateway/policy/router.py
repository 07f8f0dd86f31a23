"""Finds the route of a request in time that depends on its path and not on the number of rules.

Routes stand in tries of path segments, one trie for each host pattern. Specific wins over general:
an exact host, then `*.name` (the longest first), then any host; inside a trie, segment by segment
from the left, literal, `{name:regex}`, `{name}`, `*`, `**`; at the end a named method, then any
method. Where a choice leads nowhere the next one is tried, and where all the routes of a host fail
the next host is tried. `GET` answers `HEAD` unless a route names `HEAD`.
"""

from collections.abc import Sequence

from gateway.model.errors import Unreadable
from gateway.model.words import Posture
from gateway.policy.path_views import Segments, doubtful, normal_views, written_view
from gateway.policy.pattern import PathPattern, Rank, parse_path
from gateway.policy.policy import Route
from gateway.policy.trie import End, Entry, Node, RouteMatch, search

__all__ = ["RouteMatch", "Router"]


class Host:
    """The routes of one host pattern.

    `exact` holds, by method, the paths that no other pattern can win against; `whole` those of them
    where one route answers every method.
    """

    __slots__ = ("exact", "root", "whole")

    def __init__(self) -> None:
        self.root = Node()
        self.exact: dict[str, dict[bytes, RouteMatch]] = {}
        self.whole: dict[bytes, RouteMatch] = {}


_NO_SPANS: dict[str, tuple[int, int]] = {}

HOSTS_REMEMBERED = 1024
PATHS_REMEMBERED = 4096
_PATH_REMEMBERED = 256
"""Clients choose the host and the path they send, so what is remembered of them is bounded."""


class Router:
    """Fixed once made; the first of two routes with equal patterns and methods wins (lint tells)."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._names: dict[str, Host] = {}
        self._wildcards: dict[str, Host] = {}
        self._any = Host()
        self._tries: dict[str, tuple[Host, ...]] = {}
        self._found: dict[tuple[str, str, bytes], RouteMatch] = {}
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
        entry = Entry(tuple(captures), RouteMatch(route, _NO_SPANS))
        for method in route.methods:
            end.methods.setdefault(method, entry)
        if not route.methods and end.anything is None:
            end.anything = entry
        exact = pattern.exact
        if exact is not None and not doubtful(exact):
            for method in route.methods:
                host.exact.setdefault(method, {}).setdefault(exact, entry.match)
            host.whole.pop(exact, None)
            if not end.methods and end.anything is not None:
                host.whole[exact] = end.anything.match

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
        best = tries[0]
        whole = best.whole.get(path)
        if whole is not None:
            return whole
        exact = best.exact.get(method)
        if exact is not None and (match := exact.get(path)) is not None:
            return match
        asked = (host, method, path)
        known = self._found.get(asked)
        if known is not None:
            return known
        found = _search(method, tries, path)
        if found is not None and len(path) <= _PATH_REMEMBERED:
            if len(self._found) >= PATHS_REMEMBERED:
                self._found.clear()
            self._found[asked] = found
        return found


def _search(method: str, tries: tuple[Host, ...], path: bytes) -> RouteMatch | None:
    if doubtful(path):
        return _find_in_doubt(method, tries, path)
    segments = path[1:].split(b"/") if path[:1] == b"/" else None
    for trie in tries:
        found = search(trie.root, segments, 0, method) if segments else _whole(trie.root, method)
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
        found = search(trie.root, texts, 0, method)
        if found is not None:
            return RouteMatch(found.match.route, {name: view[number][1:] for name, number in found.captures})
    return None


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
