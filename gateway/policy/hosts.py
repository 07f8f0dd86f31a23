"""Whose a host is: patterns of `hosts:` as a table, looked up by name, by name and port, and by what a name ends in."""

from collections.abc import Iterable
from typing import Generic, TypeVar

Owner = TypeVar("Owner")


class HostTable(Generic[Owner]):
    """What was put in first stays where two patterns are the same; otherwise the more special one counts.

    >>> table = HostTable([("cdn.example", "one"), ("*.example", "two")])
    >>> table.find("cdn.example:8443"), table.find("a.b.example"), table.find("example")
    ('one', 'two', None)
    """

    def __init__(self, patterns: Iterable[tuple[str, Owner]]) -> None:
        self._owners: dict[str, Owner] = {}
        for pattern, owner in patterns:
            self._owners.setdefault(pattern, owner)

    def find(self, host: str) -> Owner | None:
        """Whose `host` is, written as a name, or as a name and a port that is not its scheme's own."""
        known = self._owners
        if host in known:
            return known[host]
        name, colon, _ = host.rpartition(":")
        if not colon or host.endswith("]"):
            name = host
        if name in known:
            return known[name]
        rest = name
        while "." in rest:
            rest = rest.partition(".")[2]
            if f"*.{rest}" in known:
                return known[f"*.{rest}"]
        return known.get("*")
