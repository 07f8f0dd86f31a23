"""What a request costs as one thing grows, for the gateway and its peers in the same run: a curve for each thing.

    bench/.venv/bin/python bench/curves.py [--quick] [--only NAME ...] [--rounds 3] [--seconds 2]

Writes `results/curve-NAME.svg` and `.json`. README.md says how to read them.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bodies
import closed_loop
import nginx_conf
import peers
import plot
import population
import report
from curve_kinds import CURVES, Curve, Place, Point
from gateway_rules import PERSON
from process_tree import Server, cores, cpu_seconds, free_port

HERE = Path(__file__).parent
RESULTS = HERE / "results"

Rounds = dict[str, list[dict[str, float]]]


@contextmanager
def place() -> Iterator[Place]:
    """A fresh home with an upstream; every server that was started there is stopped at the end."""
    home = RESULTS / f"curves-{time.time_ns()}"
    core, other_cores = cores()
    home.mkdir(parents=True)
    port = free_port()
    bodies.write_documents(home / "files", blob=False)
    command = nginx_conf.upstream(home / "upstream", port=port, root=home / "files")
    upstream = Server(command, port=port, log=home / "upstream.log", core=other_cores)
    try:
        upstream.wait(10)
        (home / "servers").mkdir()
        where = Place(home / "servers", home / "files", port, core, other_cores)
        try:
            yield where
        except SystemExit as ended:
            if upstream.process.poll() is None:
                raise
            raise SystemExit("the upstream was ended by somebody else: nothing of this run counts") from ended
        finally:
            where.stop()
    finally:
        upstream.stop()
        shutil.rmtree(home, ignore_errors=True)


def measure(curve: Curve, options: argparse.Namespace) -> dict[str, Any]:
    """All points of a curve in turns, round after round."""
    points: list[Point] = []
    with place() as where:
        for point in curve.points(where, curve.quick if options.quick else curve.values):
            points.append(point)
            for name, server in point.servers.items():
                note(f"{curve.name} {point.value}: {name} begins")
                verify(name, server, point)
                warm(server, point)
        found: list[Rounds] = [{name: [] for name in point.servers} for point in points]
        for number in range(options.rounds):
            for point, rounds in zip(points, found, strict=True):
                for name, server in point.servers.items():
                    note(f"{curve.name} {point.value}: {name}, round {number + 1} of {options.rounds}")
                    rounds[name].append(ask(server, point, options.seconds))
    return summary(curve, [point.value for point in points], found)


def note(text: str) -> None:
    """What is being done now, for whoever watches."""
    if sys.stderr.isatty():
        print(f"{text:<78}", end="\r", flush=True, file=sys.stderr)


def verify(name: str, server: Server, point: Point) -> None:
    wanted = [point.whole] if name == peers.STRIPS_NOTHING else [point.wanted]
    if point.script is not None and point.script.name.startswith("people-"):
        wanted.append({**point.wanted, bodies.STRIPPED[0]: point.whole[bodies.STRIPPED[0]]})  # who agreed keeps it
    verify_document(name, server.port, point.path, wanted)


def verify_document(name: str, port: int, path: str, wanted: list[dict[str, Any]]) -> None:
    """A server that does not do the work must not be measured."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={PERSON: population.name_of(0)})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 200 or json.loads(content) not in wanted:
        raise SystemExit(f"{name} answers {path} with {answer.status} and not with the document it should")


def warm(server: Server, point: Point) -> None:
    answered = 0.0
    while answered < point.before:
        answered += ask(server, point, 1)["requests"]


def ask(server: Server, point: Point, seconds: float) -> dict[str, float]:
    before = cpu_seconds(server.pid)
    found = closed_loop.run(
        server.port, point.path, seconds=seconds, connections=point.connections, script=point.script
    )
    if found["failures"] or not found["requests"]:
        raise SystemExit(f"{found['failures']:.0f} failures in {found['requests']:.0f} requests; see {server.log}")
    found["cpu_us"] = 1e6 * (cpu_seconds(server.pid) - before) / found["requests"]
    return found


def summary(curve: Curve, values: list[int], found: list[Rounds]) -> dict[str, Any]:
    """Medians of the rounds, and of the ratios to the baseline within each round."""
    cost: dict[str, list[float]] = {}
    ratio: dict[str, list[float]] = {}
    rate: dict[str, list[float]] = {}
    for rounds in found:
        for name, each in rounds.items():
            cost.setdefault(name, []).append(statistics.median(one["cpu_us"] for one in each))
            rate.setdefault(name, []).append(statistics.median(one["rate"] for one in each))
            pairs = zip(each, rounds.get(peers.BASELINE, ()), strict=False)
            ratios = [one["cpu_us"] / base["cpu_us"] for one, base in pairs]
            if ratios:
                ratio.setdefault(name, []).append(statistics.median(ratios))
    return {
        "curve": curve.name,
        "along": curve.along,
        "values": values,
        "cpu_us": cost,
        "ratio": ratio,
        "rate": rate,
        "rounds": found,
        "machine": report.machine(),
    }


def draw(curve: Curve, found: dict[str, Any]) -> str:
    values = found["values"]
    grows = values[-1] > 8 * max(1, values[0])
    panels = [
        plot.Panel("CPU of the server, µs per request", values, found["cpu_us"], log_y=curve.name == "body_size"),
        plot.Panel(f"ratio to {peers.BASELINE}", values, found["ratio"], level=1.0),
    ]
    title = f"{curve.title}: what a request costs (lower is better)"
    return plot.svg(
        title, curve.along, [panel for panel in panels if panel.lines], log_x=grows, order=list(peers.PEERS)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two points of each, one round, to see that it works")
    parser.add_argument("--only", nargs="+", choices=[curve.name for curve in CURVES], help="these curves")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of load for each server, point and round")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1 if options.quick else 2)
    if not (nginx_conf.installed() and closed_loop.installed() and not nginx_conf.lua_missing()):
        sys.exit("needed: apt-get install nginx libnginx-mod-http-lua lua-cjson wrk")
    os.environ["PYTHONPATH"] = str(HERE.parent)
    RESULTS.mkdir(exist_ok=True)
    for curve in CURVES:
        if options.only and curve.name not in options.only:
            continue
        started = time.monotonic()
        found = measure(curve, options)
        file = RESULTS / f"{'quick-' if options.quick else ''}curve-{curve.name}"
        file.with_suffix(".json").write_text(json.dumps(found, indent=1))
        file.with_suffix(".svg").write_text(draw(curve, found))
        report.show_curve(found, f"{curve.title} ({curve.along}); {time.monotonic() - started:.0f} s, {file}.svg")


if __name__ == "__main__":
    main()
