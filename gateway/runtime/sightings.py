"""What passes where no rule is written yet: which endpoints, and which addresses their messages have.

Addresses only, never values; names that look like data are written `*` (see `documents.outline`).
This is what an operator needs to write the first rules.
"""

from collections.abc import Iterable, Iterator

import msgspec

from gateway.documents.headers import REQUEST_PLUMBING, RESPONSE_PLUMBING
from gateway.documents.media import Media
from gateway.documents.outline import is_name, json_outline
from gateway.engine.exchange import Exchange
from gateway.engine.rewrite import Content
from gateway.model.errors import Unreadable
from gateway.model.message import HeaderPairs, header_values
from gateway.model.words import Direction, Mode
from gateway.policy.policy import Policy

SIBLINGS = 12
"""So many different names at one place of a path are not endpoints but data."""

MOST = 5000
"""Different sightings kept; what comes after is not new to an operator any more."""

Sighting = tuple[str, str, str, str]
"""Method, path shape, direction, address."""


class Sightings:
    """Counts of sightings of one worker."""

    def __init__(self) -> None:
        self._counts: dict[Sighting, int] = {}

    def rows(self) -> tuple[tuple[str, str, str, str, int], ...]:
        return tuple((*sighting, count) for sighting, count in sorted(self._counts.items()))

    def note(self, exchange: Exchange, direction: Direction, headers: HeaderPairs) -> None:
        """Take note of the addresses of one message."""
        target = exchange.head.target
        path, _, query = target.partition(b"?")
        endpoint = (exchange.head.method, path_shape(path), direction.value)
        for address in self._addresses(direction, headers, query, exchange.content):
            sighting = (*endpoint, address)
            if sighting in self._counts or len(self._counts) < MOST:
                self._counts[sighting] = self._counts.get(sighting, 0) + 1

    @staticmethod
    def _addresses(
        direction: Direction, headers: HeaderPairs, query: bytes, content: Content | bytes | None
    ) -> Iterator[str]:
        request = direction is Direction.REQUEST
        plumbing = REQUEST_PLUMBING if request else RESPONSE_PLUMBING
        for name, _ in headers:
            lower = name.lower()
            if lower not in plumbing and lower not in (b"cookie", b"set-cookie"):
                yield f"header:{name.decode('latin-1')}"
        if request:
            yield from (f"query:{name}" for name in _names(query.split(b"&")))
        cookies = header_values(headers, b"cookie" if request else b"set-cookie")
        pairs = [pair for line in cookies for pair in (line.split(b";") if request else [line.partition(b";")[0]])]
        yield from (f"cookie:{name}" for name in _names(pairs))
        yield from _body_addresses(content)


def _names(pairs: Iterable[bytes]) -> Iterator[str]:
    for pair in pairs:
        name = pair.partition(b"=")[0].strip().decode("latin-1")
        if name:
            yield name if is_name(name) else "*"


def _body_addresses(content: Content | bytes | None) -> Iterable[str]:
    if not isinstance(content, Content):
        return ("$ (not read)",) if content else ()
    if content.document.media is not Media.JSON:
        return (f"$ ({content.document.media})",)
    try:
        return json_outline(content.plain)
    except Unreadable:
        return ("$ (not read)",)


def path_shape(path: bytes) -> str:
    """The path with every segment that looks like data written `*`."""
    segments = path.decode("latin-1").split("/")[1:]
    return "/" + "/".join(part if not part or is_name(part.partition(".")[0]) else "*" for part in segments)


def has_no_rules(policy: Policy) -> bool:
    """Whether the policy only looks: every route observes and none lists a field."""
    return all(
        route.mode is Mode.OBSERVE and not route.request.fields and not route.response.fields for route in policy.routes
    )


class EndpointSummary(msgspec.Struct, frozen=True):
    """One endpoint as an operator reads it."""

    method: str
    path: str
    requests: tuple[str, ...]
    responses: tuple[str, ...]


def without_siblings(paths: Iterable[str]) -> dict[str, str]:
    """Each path with `*` for segments of which there are too many beside each other."""
    split = {path: path.split("/") for path in paths}
    for depth in range(1, max((len(parts) for parts in split.values()), default=0)):
        beside: dict[tuple[str, ...], set[str]] = {}
        for parts in split.values():
            if len(parts) > depth:
                beside.setdefault(tuple(parts[:depth]), set()).add(parts[depth])
        for parts in split.values():
            if len(parts) > depth and len(beside[tuple(parts[:depth])]) > SIBLINGS:
                parts[depth] = "*"
    return {path: "/".join(parts) for path, parts in split.items()}


def summarise(rows: Iterable[tuple[str, str, str, str, int]]) -> list[EndpointSummary]:
    """Group sightings by endpoint, sorted by path."""
    rows = list(rows)
    shapes = without_siblings({row[1] for row in rows})
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for method, path, direction, address, _ in rows:
        found.setdefault((shapes[path], method), {}).setdefault(direction, set()).add(address)
    return [
        EndpointSummary(method, path, tuple(sorted(sides.get("request", ()))), tuple(sorted(sides.get("response", ()))))
        for (path, method), sides in sorted(found.items())
    ]
