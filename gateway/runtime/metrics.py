"""Counts of what passed, for Prometheus: routes, codes and times only, never a value of a message.

One `Metrics` belongs to one worker and is touched only by its event loop, so plain integers do.
The supervisor merges the snapshots of all workers and renders the sum.

>>> metrics = Metrics()
>>> metrics.refusal("unknown_route")
>>> metrics.snapshot().refusals
{'unknown_route': 1}
"""

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Self, cast

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.model.words import Direction
from gateway.runtime.embedded import Embedded, merged
from gateway.runtime.sightings import Sightings

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the latency histogram in seconds; one more bucket takes what is slower."""

_MESSAGES = {
    key: number for number, key in enumerate((str(way), recorded) for way in Direction for recorded in (False, True))
}
_MICROSECONDS = len(_MESSAGES)
# What nearly every request touches stands together, in two lines of the processor's cache.
_STATUSES = {200: _MICROSECONDS + 1}
_FIRST_BUCKET = _MICROSECONDS + 2
_BEHIND_BUCKETS = _FIRST_BUCKET + len(BUCKETS) + 1
_STATUSES |= {
    status: _BEHIND_BUCKETS + number
    for number, status in enumerate((201, 204, 302, 304, 400, 401, 403, 404, 451, 500, 502, 503))
}
_NO_NUMBERS = bytes(8 * (_FIRST_BUCKET + len(BUCKETS) + len(_STATUSES)))

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "privacy_gateway_"


class Latency(msgspec.Struct):
    """`counts` has one entry for each bucket and one for what is slower; not cumulative."""

    counts: list[int]
    seconds: float


class Snapshot(msgspec.Struct, frozen=True):
    """All counts of a worker at one moment; rows end in their count so that JSON can carry them."""

    messages: tuple[tuple[str, str, bool, int], ...] = ()
    refusals: dict[str, int] = {}
    exchanges: tuple[tuple[str, int, int], ...] = ()
    latency: dict[str, Latency] = {}
    in_flight: int = 0
    sightings: tuple[tuple[str, str, str, str, int], ...] = ()
    identities: tuple[tuple[str, str, int], ...] = ()
    key_fetches: dict[str, int] = {}
    unreadable_signals: dict[str, int] = {}
    cookie_deletions: int = 0
    cookie_memory_failures: int = 0
    embedded: tuple[tuple[str, bool, int], ...] = ()
    unknown_destinations: dict[str, int] = {}
    destination_map_failures: int = 0
    applications: dict[str, int] = {}


class RouteCounts(array):  # type: ignore[type-arg]  # it takes no argument at run time
    """What one route has seen, in one piece: thousands of routes are to stay in the processor's cache.

    First the messages by direction and record (in the order of `_MESSAGES`), then the time of all
    exchanges in microseconds, the latency buckets, and the exchanges by the statuses of `_STATUSES`;
    other statuses stand in `rare`.
    """

    __slots__ = ("rare",)
    rare: dict[int, int]

    def __new__(cls) -> Self:
        counts = cast("Self", array.__new__(cls, "Q", _NO_NUMBERS))
        counts.rare = {}
        return counts

    def message(self, direction: str, *, recorded: bool) -> None:
        """Count one message that was decided; `recorded` tells whether the ledger holds a line on it."""
        self[_MESSAGES[direction, recorded]] += 1

    def exchange(self, status: int, seconds: float) -> None:
        """Count one finished exchange with the status that the client saw and its duration."""
        place = _STATUSES.get(status)
        if place is None:
            self.rare[status] = self.rare.get(status, 0) + 1
        else:
            self[place] += 1
        self[_MICROSECONDS] += int(seconds * 1e6)
        self[_FIRST_BUCKET + bisect_left(BUCKETS, seconds)] += 1

    def messages(self) -> Iterator[tuple[str, bool, int]]:
        """Direction, whether recorded, count."""
        for (direction, recorded), place in _MESSAGES.items():
            if self[place]:
                yield direction, recorded, self[place]

    def statuses(self) -> Iterator[tuple[int, int]]:
        """Status and count."""
        yield from ((status, self[place]) for status, place in _STATUSES.items() if self[place])
        yield from self.rare.items()

    def latency(self) -> Latency:
        return Latency(self[_FIRST_BUCKET:_BEHIND_BUCKETS].tolist(), self[_MICROSECONDS] / 1e6)


class Metrics:
    """Counters of one worker. Every call costs a few hundred nanoseconds and never fails."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.sightings: Sightings | None = None
        self.embedded = Embedded()
        self.identities: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Requests by the source of identity that decided, and how."""
        self.key_fetches: defaultdict[str, int] = defaultdict(int)
        self.unreadable_signals: defaultdict[str, int] = defaultdict(int)
        """Requests with a consent string that could not be read, by its kind."""
        self.cookie_deletions = 0
        self.cookie_memory_failures = 0
        self.unknown_destinations: defaultdict[str, int] = defaultdict(int)
        """Messages of applications to hosts of no recipient, by what became of them: `observed` or `refused`."""
        self.destination_map_failures = 0
        self.applications: dict[str, int] = {}
        """Messages of applications by whether it is known which one sent them."""
        self._refusals: defaultdict[str, int] = defaultdict(int)
        self._routes: defaultdict[str, RouteCounts] = defaultdict(RouteCounts)

    def route(self, name: str) -> RouteCounts:
        """What is counted for one route."""
        return self._routes[name]

    def unrecorded(self) -> dict[str, int]:
        """How many messages had no record, by route and direction in one text."""
        return {f"{route} {direction}": count for route, direction, recorded, count in self._messages() if not recorded}

    def refusal(self, code: str) -> None:
        """Count one answer of our own by its code."""
        self._refusals[code] += 1

    def snapshot(self) -> Snapshot:
        """A copy of all counts that msgspec can encode."""
        return Snapshot(
            messages=tuple(self._messages()),
            refusals=dict(self._refusals),
            exchanges=tuple(
                (route, status, count) for route, each in self._routes.items() for status, count in each.statuses()
            ),
            latency={route: each.latency() for route, each in self._routes.items() if any(each.statuses())},
            in_flight=self.in_flight,
            sightings=self.sightings.rows() if self.sightings is not None else (),
            identities=tuple((*key, count) for key, count in self.identities.items()),
            key_fetches=dict(self.key_fetches),
            unreadable_signals=dict(self.unreadable_signals),
            cookie_deletions=self.cookie_deletions,
            cookie_memory_failures=self.cookie_memory_failures,
            embedded=self.embedded.rows(),
            unknown_destinations=dict(self.unknown_destinations),
            destination_map_failures=self.destination_map_failures,
            applications=dict(self.applications),
        )

    def _messages(self) -> Iterator[tuple[str, str, bool, int]]:
        for route, each in self._routes.items():
            for direction, recorded, count in each.messages():
                yield route, direction, recorded, count


def _no_latency() -> Latency:
    return Latency([0] * (len(BUCKETS) + 1), 0.0)


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum of several workers' counts."""
    messages: defaultdict[tuple[str, str, bool], int] = defaultdict(int)
    exchanges: defaultdict[tuple[str, int], int] = defaultdict(int)
    latency: defaultdict[str, Latency] = defaultdict(_no_latency)
    sightings: defaultdict[tuple[str, str, str, str], int] = defaultdict(int)
    identities: defaultdict[tuple[str, str], int] = defaultdict(int)
    in_flight = cookie_deletions = cookie_memory_failures = destination_map_failures = 0
    snapshots = list(snapshots)
    for snapshot in snapshots:
        for route, direction, recorded, count in snapshot.messages:
            messages[route, direction, recorded] += count
        for route, status, count in snapshot.exchanges:
            exchanges[route, status] += count
        for route, each in snapshot.latency.items():
            total = latency[route]
            total.counts = [mine + other for mine, other in zip(total.counts, each.counts, strict=True)]
            total.seconds += each.seconds
        in_flight += snapshot.in_flight
        cookie_deletions += snapshot.cookie_deletions
        cookie_memory_failures += snapshot.cookie_memory_failures
        destination_map_failures += snapshot.destination_map_failures
        for method, path, direction, address, count in snapshot.sightings:
            sightings[method, path, direction, address] += count
        for source, outcome, count in snapshot.identities:
            identities[source, outcome] += count
    return Snapshot(
        messages=tuple((*key, count) for key, count in messages.items()),
        refusals=_sums(each.refusals for each in snapshots),
        exchanges=tuple((*key, count) for key, count in exchanges.items()),
        latency=dict(latency),
        in_flight=in_flight,
        sightings=tuple((*sighting, count) for sighting, count in sorted(sightings.items())),
        identities=tuple((*key, count) for key, count in identities.items()),
        key_fetches=_sums(each.key_fetches for each in snapshots),
        unreadable_signals=_sums(each.unreadable_signals for each in snapshots),
        cookie_deletions=cookie_deletions,
        cookie_memory_failures=cookie_memory_failures,
        embedded=merged(each.embedded for each in snapshots),
        unknown_destinations=_sums(each.unknown_destinations for each in snapshots),
        destination_map_failures=destination_map_failures,
        applications=_sums(each.applications for each in snapshots),
    )


def _sums(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def ended(snapshot: Snapshot) -> Snapshot:
    """What remains of a worker that is gone: its counts stay in the sum, so that no counter falls."""
    return msgspec.structs.replace(snapshot, in_flight=0)


def render(snapshot: Snapshot, further: Iterable[Metric] = ()) -> bytes:
    """Prometheus text format 0.0.4 of a snapshot, followed by `further` metrics of the caller."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families([*_families(snapshot), *further]))
    return bytes(generate_latest(registry))


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(snapshot: Snapshot) -> Iterator[Metric]:
    messages = CounterMetricFamily(
        PREFIX + "messages", "Messages decided, by whether the ledger holds a record", labels=_LABELS
    )
    for route, direction, recorded, count in sorted(snapshot.messages):
        messages.add_metric([route, direction, "true" if recorded else "false"], count)
    yield messages
    refusals = CounterMetricFamily(PREFIX + "refusals", "Answers of the gateway's own, by code", labels=["code"])
    for code, count in sorted(snapshot.refusals.items()):
        refusals.add_metric([code], count)
    yield refusals
    exchanges = CounterMetricFamily(PREFIX + "exchanges", "Finished exchanges", labels=["route", "status"])
    for route, status, count in sorted(snapshot.exchanges):
        exchanges.add_metric([route, str(status)], count)
    yield exchanges
    yield _histogram(snapshot)
    identities = CounterMetricFamily(
        PREFIX + "identities", "Requests by the source that said who called, and how", labels=["source", "outcome"]
    )
    for source, outcome, count in sorted(snapshot.identities):
        identities.add_metric([source, outcome], count)
    yield identities
    fetches = CounterMetricFamily(PREFIX + "token_key_fetches", "Requests for the keys of tokens", labels=["outcome"])
    for outcome, count in sorted(snapshot.key_fetches.items()):
        fetches.add_metric([outcome], count)
    yield fetches
    unreadable = CounterMetricFamily(
        PREFIX + "unreadable_signals", "Requests with a consent string that cannot be read", labels=["kind"]
    )
    for kind, count in sorted(snapshot.unreadable_signals.items()):
        unreadable.add_metric([kind], count)
    yield unreadable
    yield CounterMetricFamily(
        PREFIX + "cookie_deletions", "Set-Cookie fields that delete unwanted cookies", value=snapshot.cookie_deletions
    )
    yield CounterMetricFamily(
        PREFIX + "cookie_memory_failures",
        "Failures of the memory of where cookies were set",
        value=snapshot.cookie_memory_failures,
    )
    embedded = CounterMetricFamily(
        PREFIX + "embedded_hosts",
        "Tags of pages that name another host, by what became of them",
        labels=["host", "outcome"],
    )
    for host, held, count in snapshot.embedded:
        embedded.add_metric([host, "held" if held else "passed"], count)
    yield embedded
    unknown = CounterMetricFamily(
        PREFIX + "unknown_destinations",
        "Messages of applications to hosts of no recipient, by what became of them",
        labels=["outcome"],
    )
    for outcome, count in sorted(snapshot.unknown_destinations.items()):
        unknown.add_metric([outcome], count)
    yield unknown
    yield CounterMetricFamily(
        PREFIX + "destination_map_failures",
        "Failures to write the map of destinations",
        value=snapshot.destination_map_failures,
    )
    applications = CounterMetricFamily(
        PREFIX + "applications",
        "Messages of applications by whether it is known which one sent them",
        labels=["outcome"],
    )
    for outcome, count in sorted(snapshot.applications.items()):
        applications.add_metric([outcome], count)
    yield applications
    yield GaugeMetricFamily(PREFIX + "in_flight", "Exchanges under way", value=snapshot.in_flight)


_LABELS = ("route", "direction", "recorded")


def _histogram(snapshot: Snapshot) -> Metric:
    seconds = HistogramMetricFamily(
        PREFIX + "exchange_seconds", "Time from a request's head to the end of its answer", labels=["route"]
    )
    bounds = [*(repr(bound) for bound in BUCKETS), "+Inf"]
    for route, latency in sorted(snapshot.latency.items()):
        running = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip(bounds, latency.counts, strict=True):
            running += count
            buckets.append((bound, running))
        seconds.add_metric([route], buckets, latency.seconds)
    return seconds
