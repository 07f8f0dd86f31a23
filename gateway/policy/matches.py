"""Reads `match:`: which requests a route is for."""

import re
from collections.abc import Mapping

import msgspec

from gateway.policy import route_shapes
from gateway.policy.declarations import place_of, read_hosts
from gateway.policy.pattern import PathPattern, PatternError, parse_path
from gateway.policy.policy import Place
from gateway.policy.reader import Reader
from gateway.policy.source import Node


class Match(msgspec.Struct, frozen=True):
    """Patterns as read. `hosts` say where each stands; the path pattern does at `path_at`.

    `path_offset` is 1 inside quotes.

    `whole` is False where a host or a method could not be read, so that the match says too much.
    """

    hosts: Mapping[str, Place]
    methods: frozenset[str]
    pattern: PathPattern
    path_at: Place
    path_offset: int
    whole: bool


def read_match(reader: Reader, node: Node) -> Match | None:
    """The patterns of a route; None, with a diagnostic, where the path pattern cannot be read."""
    findings = len(reader.report.diagnostics)
    keys = reader.keys(node, route_shapes.MATCH)
    hosts = read_hosts(reader, keys["host"]) if "host" in keys else {}
    methods = _read_methods(reader, keys["method"]) if "method" in keys else frozenset()
    whole = len(reader.report.diagnostics) == findings
    path = reader.scalar(keys["path"], "'path'") if "path" in keys else None
    if path is None:
        return None
    quotes = 0 if path.plain else 1
    try:
        pattern = parse_path(path.text)
    except PatternError as error:
        reader.report.add(error.code, path, error.message, error.hint, offset=error.offset + quotes)
        return None
    return Match(hosts, methods, pattern, place_of(path), quotes, whole)


def _read_methods(reader: Reader, node: Node) -> frozenset[str]:
    methods: set[str] = set()
    for method in reader.scalars(node, "'method'"):
        if re.fullmatch(r"[A-Z][A-Z-]*", method.text):
            methods.add(method.text)
        else:
            hint = f"methods are case-sensitive: write '{method.text.upper()}'" if method.text.isalpha() else ""
            reader.report.add("PG108", method, f"'{method.text}' cannot be a method", hint)
    return frozenset(methods)
