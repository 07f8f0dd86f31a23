"""What a proxy adds to latency: each one and the upstream asked directly, in turns, at a fixed rate.

    bench/.venv/bin/python bench/added_latency.py [--quick] [--rate 1000] [--seconds 5] [--rounds 7]

JSON of 10 KB of which ten rules drop a field each, the ledger on. Writes `results/added_latency.json`, and ends
with 1 where the gateway adds more than it may.
"""

import argparse
import json
import os
import statistics
import sys
from typing import Any

import bodies
import nginx_conf
import open_loop
import peers
import report
from curve_kinds import STRIPPING
from curve_servers import Work
from curves import HERE, RESULTS, note, place, verify_document
from rich.console import Console
from rich.table import Table

DIRECT = "direct"
FIELDS = bodies.FIELDS[:10]
MOST_ADDED_MS = {"p50": 1.0, "p99": 5.0}

Rounds = dict[str, list[dict[str, float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two short rounds, to see that it works")
    parser.add_argument("--rate", type=int, default=1000, help="requests a second")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    options.seconds = options.seconds or (2 if options.quick else 5)
    options.rounds = options.rounds or (2 if options.quick else 7)
    if not nginx_conf.installed():
        sys.exit("needed: apt-get install nginx")
    os.environ["PYTHONPATH"] = str(HERE.parent)
    RESULTS.mkdir(exist_ok=True)
    rounds = measure(options)
    medians = {name: _medians(each) for name, each in rounds.items()}
    added = {name: _medians(_added(each, rounds[DIRECT])) for name, each in rounds.items() if name != DIRECT}
    found = {"rate": options.rate, "medians": medians, "added": added, "rounds": rounds, "machine": report.machine()}
    (RESULTS / "added_latency.json").write_text(json.dumps(found, indent=1))
    _show(options.rate, medians, added)
    missed = [key for key, most in MOST_ADDED_MS.items() if added[peers.GATEWAY][key] > most]
    for key in missed:
        print(f"missed: the gateway adds {added[peers.GATEWAY][key]:.2f} ms to {key}, aim {MOST_ADDED_MS[key]:g} ms")
    sys.exit(bool(missed))


def measure(options: argparse.Namespace) -> Rounds:
    """Latencies of each way in turns; the first round only warms up."""
    whole = bodies.wide_document()
    rounds: Rounds = {}
    with place() as where:
        path = where.serve("wide.json", whole)
        ports = {DIRECT: where.upstream}
        for name in STRIPPING:
            if peers.missing(name):
                continue
            ports[name] = where.start(name, Work(strip=FIELDS)).port
            verify_document(name, ports[name], path, [bodies.stripped(whole, FIELDS)])
        if where.other_cores:
            os.sched_setaffinity(0, where.other_cores)
        for number in range(options.rounds + 1):
            for name, port in ports.items():
                note(f"{name}, round {number} of {options.rounds}")
                found = open_loop.measure(port, path, rate=options.rate, seconds=options.seconds)
                if found["failures"]:
                    raise SystemExit(f"{name}: {found['failures']:.0f} of {found['requests']:.0f} requests failed")
                if number:
                    rounds.setdefault(name, []).append(found)
    return rounds


def _added(through: list[dict[str, float]], direct: list[dict[str, float]]) -> list[dict[str, float]]:
    pairs = zip(through, direct, strict=True)
    return [{key: one[key] - base[key] for key in MOST_ADDED_MS} for one, base in pairs]


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(each[key] for each in rounds) for key in MOST_ADDED_MS}


def _show(rate: int, medians: dict[str, Any], added: dict[str, Any]) -> None:
    title = f"Latency at {rate} requests a second, JSON of 10 KB, ten rules (milliseconds, medians of the rounds)"
    table = Table("", "p50", "p99", "added to p50", "added to p99", title=title, title_justify="left")
    for name, row in medians.items():
        more = [f"{added[name][key]:.2f}" for key in MOST_ADDED_MS] if name in added else ["", ""]
        style = "bold" if name == peers.GATEWAY else None
        table.add_row(name, f"{row['p50']:.2f}", f"{row['p99']:.2f}", *more, style=style)
    table.caption = "aim for the gateway: " + ", ".join(f"{key} + {most:g} ms" for key, most in MOST_ADDED_MS.items())
    Console(width=None if Console().is_terminal else 130, highlight=False).print(table)


if __name__ == "__main__":
    main()
