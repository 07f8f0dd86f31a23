"""Which of the listed names, and patterns of names, a cookie goes by.

An exact name goes before a pattern, and a longer pattern before a shorter one:

>>> names = CookieNames([("_ga_*", 1), ("_ga*", 2), ("_ga_TEST", 3)])
>>> names.find("_ga_TEST"), names.find("_ga_ABC"), names.find("_gat"), names.find("sid")
(3, 1, 2, None)
"""

from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import unquote

from gateway.model.cookie import ANY_ENDING
from gateway.model.message import HeaderPairs, header_values

Found = TypeVar("Found")


class CookieNames(Generic[Found]):
    """What is known by name; of two that are the same name the first counts."""

    def __init__(self, listed: Iterable[tuple[str, Found]]) -> None:
        self._exact: dict[str, Found] = {}
        patterns: dict[str, Found] = {}
        for name, found in listed:
            if name.endswith(ANY_ENDING):
                patterns.setdefault(name[:-1], found)
            else:
                self._exact.setdefault(name, found)
        self._patterns = sorted(patterns.items(), key=lambda item: -len(item[0]))

    def find(self, name: str) -> Found | None:
        """What is listed for a cookie of this name: as written or, since some frameworks decode it, unescaped."""
        unescaped = unquote(name) if "%" in name else name
        found = self._exact.get(name)
        if found is None:
            found = self._exact.get(unescaped)
        if found is not None:
            return found
        for prefix, pattern in self._patterns:
            if name.startswith(prefix) or unescaped.startswith(prefix):
                return pattern
        return None


def name_of(segment: bytes) -> str:
    """The name in one `name=value`, as the receivers that strip most understand it.

    A cookie without `=` is taken for a name. Browsers send one with an empty name as its bare value
    (RFC 6265bis section 5.5), so where nothing stands before `=` the name is looked for behind it.
    """
    name = segment.partition(b"=")[0].decode("latin-1").strip()
    if not name:
        name = segment.decode("latin-1").lstrip("= \t").partition("=")[0].strip()
    return name


def carried(headers: HeaderPairs, names: CookieNames[Found]) -> dict[str, Found]:
    """The cookies of a request that are listed, by their names as they stand there."""
    found: dict[str, Found] = {}
    for line in header_values(headers, b"cookie"):
        for segment in line.split(b";"):
            name = name_of(segment)
            known = names.find(name) if name else None
            if known is not None:
                found[name] = known
    return found
