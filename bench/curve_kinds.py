"""The curves: what grows along each, and which servers and requests each of its points needs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bodies
import curve_servers
import gateway_rules
import peers
import population
from curve_servers import Work
from process_tree import Server

GATEWAYS = (peers.WITHOUT_LEDGER, peers.GATEWAY)
STRIPPING = (peers.BASELINE, *GATEWAYS)


@dataclass
class Place:
    """Where a curve is measured: `files` is what the upstream serves, `core` is for the server under test."""

    home: Path
    files: Path
    upstream: int
    core: set[int] | None
    other_cores: set[int] | None

    def __post_init__(self) -> None:
        self.started: list[Server] = []

    def start(self, name: str, work: Work) -> Server:
        self.started.append(curve_servers.start(name, work, self.home, self.upstream, self.core))
        return self.started[-1]

    def stop(self) -> None:
        for server in self.started:
            server.stop()

    def serve(self, name: str, document: dict[str, Any]) -> str:
        (self.files / name).write_text(json.dumps(document))
        return "/" + name


@dataclass
class Point:
    """One value of what grows. `before` requests go to each server first, unmeasured; `wanted` is the right answer."""

    value: int
    servers: dict[str, Server]
    path: str
    wanted: dict[str, Any]
    whole: dict[str, Any]
    connections: int = 64
    script: Path | None = None
    before: int = 200


@dataclass(frozen=True)
class Curve:
    """`values` are those of a full run, `quick` those of a quick one."""

    name: str
    title: str
    along: str
    values: tuple[int, ...]
    quick: tuple[int, ...]
    points: Callable[[Place, tuple[int, ...]], Iterator[Point]]


def listed_fields(place: Place, values: tuple[int, ...]) -> Iterator[Point]:
    whole = bodies.wide_document()
    path = place.serve("wide.json", whole)
    for value in values:
        strip = bodies.FIELDS[:value]
        servers = {name: place.start(name, Work(strip=strip)) for name in STRIPPING}
        yield Point(value, servers, path, bodies.stripped(whole, strip), whole)


def rules(place: Place, values: tuple[int, ...]) -> Iterator[Point]:
    """Rules that the request does not meet: routes of ten fields beside the one that is asked."""
    whole = bodies.wide_document()
    path = place.serve("wide.json", whole)
    strip = bodies.FIELDS[:10]
    for value in values:
        servers = {name: place.start(name, Work(strip=strip, routes=value // 10 - 1)) for name in STRIPPING}
        yield Point(value, servers, path, bodies.stripped(whole, strip), whole)


def routes(place: Place, values: tuple[int, ...]) -> Iterator[Point]:
    """Routes that are all asked, one after the other."""
    whole = bodies.document(bodies.SIZES["1 KB"])
    for value in values:
        servers = {name: place.start(name, Work(routes=value)) for name in STRIPPING}
        script = place.home / f"routes-{value}.lua"
        gateway_rules.write_wrk_script(script, value)
        path = gateway_rules.path_of(0)
        yield Point(value, servers, path, bodies.stripped(whole), whole, script=script, before=2 * value)


def people_known(place: Place, values: tuple[int, ...]) -> Iterator[Point]:
    """People whose consent decides on one field, each asked for at random; nginx + Lua asks nobody."""
    whole = bodies.document(bodies.SIZES["1 KB"])
    path = "/" + bodies.file_of("1 KB")
    baseline = place.start(peers.BASELINE, Work())
    for value, state in population.growing(place.home, values):
        servers = {name: place.start(name, Work(people=state)) for name in GATEWAYS}
        script = place.home / f"people-{value}.lua"
        population.write_wrk_script(script, value)
        servers = {peers.BASELINE: baseline, **servers}
        yield Point(value, servers, path, bodies.stripped(whole), whole, script=script)


def body_size(place: Place, values: tuple[int, ...]) -> Iterator[Point]:
    servers = {name: place.start(name, Work()) for name in (peers.STRIPS_NOTHING, *STRIPPING)}
    for value in values:
        whole = bodies.small_document() if value < 512 else bodies.document(value)
        path = place.serve(f"size-{value}.json", whole)
        connections = 64 if value <= 65_536 else 8
        yield Point(len(json.dumps(whole)), servers, path, bodies.stripped(whole), whole, connections=connections)


def concurrency(place: Place, values: tuple[int, ...]) -> Iterator[Point]:
    servers = {name: place.start(name, Work()) for name in (peers.STRIPS_NOTHING, *STRIPPING)}
    whole = bodies.document(bodies.SIZES["1 KB"])
    for value in values:
        path = "/" + bodies.file_of("1 KB")
        yield Point(value, servers, path, bodies.stripped(whole), whole, connections=value)


def workers(place: Place, values: tuple[int, ...]) -> Iterator[Point]:
    """With two, both sides have all cores, so that load and upstream take their share of each."""
    whole = bodies.document(bodies.SIZES["1 KB"])
    place.core = None
    for value in values:
        servers = {name: place.start(name, Work(workers=value)) for name in (peers.BASELINE, peers.GATEWAY)}
        yield Point(value, servers, "/" + bodies.file_of("1 KB"), bodies.stripped(whole), whole, connections=128)


CURVES = (
    Curve(
        "fields",
        "Listed fields",
        "fields that the rules drop, of 100 in 10 KB",
        (1, 3, 10, 30, 100),
        (1, 100),
        listed_fields,
    ),
    Curve(
        "rules",
        "Rules overall",
        "rules in force, of which a request meets 10",
        (10, 100, 1000, 10_000),
        (10, 1000),
        rules,
    ),
    Curve("routes", "Routes", "routes, all asked in turn, 1 KB", (10, 100, 1000, 10_000), (10, 1000), routes),
    Curve(
        "people",
        "People in the consent store",
        "people, whose consent decides on a field of 1 KB",
        (0, 1000, 10_000, 100_000, 1_000_000),
        (0, 1000),
        people_known,
    ),
    Curve(
        "body_size",
        "Size of the body",
        "bytes of JSON",
        (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576),
        (256, 65_536),
        body_size,
    ),
    Curve("concurrency", "Concurrency", "connections, 1 KB", (1, 4, 16, 64, 256), (1, 64), concurrency),
    Curve("workers", "Workers", "worker processes, 1 KB", (1, 2), (1, 2), workers),
)
