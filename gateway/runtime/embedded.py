"""Which hosts pages embed, and whether they were held back, counted for the operator: names only, never a path.

In `pages: {mode: report}` this is what the rules to come are written from.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

MOST = 1000
"""Different hosts that are kept; those that come after count as `OTHER`."""

OTHER = "other"
DOUBTFUL = "unreadable"

_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+(?::[0-9]+)?|localhost(?::[0-9]+)?|\[[0-9a-f:.]+\](?::[0-9]+)?")
_LONGEST = 100

Row = tuple[str, bool, int]
"""Host, whether held back, count."""


class Embedded:
    """The counts of one worker."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, bool], int] = {}

    def note(self, hosts: Mapping[tuple[str, bool], int]) -> None:
        """Take note of the hosts of one page, each with how many of its tags named it."""
        for (host, held), count in hosts.items():
            key = (_shown(host), held)
            if key not in self._counts and len(self._counts) >= MOST:
                key = (OTHER, held)
            self._counts[key] = self._counts.get(key, 0) + count

    def rows(self) -> tuple[Row, ...]:
        return tuple((*key, count) for key, count in self._counts.items())


def _shown(host: str) -> str:
    if not host:
        return DOUBTFUL
    return host if len(host) <= _LONGEST and _NAME.fullmatch(host) else OTHER


def merged(rows: Iterable[Iterable[Row]]) -> tuple[Row, ...]:
    """The sum over several workers."""
    counts: dict[tuple[str, bool], int] = {}
    for host, held, count in _each(rows):
        counts[host, held] = counts.get((host, held), 0) + count
    return tuple((*key, count) for key, count in sorted(counts.items()))


def _each(rows: Iterable[Iterable[Row]]) -> Iterator[Row]:
    for some in rows:
        yield from some
