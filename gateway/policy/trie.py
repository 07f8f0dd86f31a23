"""Tries of path segments: where the patterns of one host stand, and how a path is searched in them.

A segment has at most one literal edge, one `{name}`, one `*` and one `**`, and all its regular
expressions are matched in one pass, so a search visits only nodes whose patterns overlap.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import re2

from gateway.policy.pattern import Rank, Segment, compile_regex
from gateway.policy.policy import Route


class RouteMatch(msgspec.Struct, gc=False):
    """`spans` says where each `{name}` of the pattern stands in the path as it came (start, end).

    `way` is a place for whoever runs the route: a path without names has one match for all requests,
    and what stands there is found without a search.
    """

    route: Route
    spans: dict[str, tuple[int, int]]
    way: object = None


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


def search(node: Node, segments: list[bytes], depth: int, method: str) -> Entry | None:
    """The best end below `node` for the segments from `depth` on that answers the method."""
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
    if child is not None and (found := search(child, segments, depth, method)):
        return found
    if segment:
        if node.regexes:
            for child in node.matching(segment):
                if found := search(child, segments, depth, method):
                    return found
        if node.name is not None and (found := search(node.name, segments, depth, method)):
            return found
        if node.star is not None and (found := search(node.star, segments, depth, method)):
            return found
    return node.rest.pick(method) if node.rest is not None else None


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
