"""What the ledger adds to latency: the gateway with it and without, in turns, at a fixed rate.

    bench/.venv/bin/python bench/ledger_latency.py [--rate 1000] [--seconds 6] [--rounds 7]

The same servers, load and documents as in `run.py`; prints the medians of the rounds.
"""

import argparse
import statistics

import bodies
import open_loop
import peers
from rich.console import Console
from rich.table import Table
from run import Bench, Plan

WITHOUT, WITH = "gateway, no ledger", "gateway"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1000, help="requests a second")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    bench = Bench(Plan(quick=False))
    found: dict[str, list[dict[str, float]]] = {WITHOUT: [], WITH: []}
    try:
        servers = {name: bench.start(name, peers.PEERS[name]) for name in found}
        for number in range(options.rounds + 1):
            for name, server in servers.items():
                print(f"round {number} of {options.rounds}: {name}" + " " * 20, end="\r", flush=True)
                path = "/" + bodies.file_of("1 KB")
                measured = open_loop.measure(server.port, path, rate=options.rate, seconds=options.seconds)
                if number:  # the first round only warms up
                    found[name].append(measured)
    finally:
        bench.close(keep=False)
    _show(found, options.rate)


def _show(found: dict[str, list[dict[str, float]]], rate: int) -> None:
    table = Table("1 KB", "p50 ms", "p99 ms", "best p99 ms", title=f"latency at {rate} requests a second")
    medians = {
        name: {key: statistics.median(each[key] for each in rounds) for key in ("p50", "p99")}
        for name, rounds in found.items()
    }
    for name, rounds in found.items():
        median = medians[name]
        table.add_row(
            name, f"{median['p50']:.2f}", f"{median['p99']:.2f}", f"{min(each['p99'] for each in rounds):.2f}"
        )
    Console().print(table)
    for key in ("p50", "p99"):
        added = medians[WITH][key] - medians[WITHOUT][key]
        print(f"the ledger adds {added:.2f} ms to {key}: {100 * added / medians[WITHOUT][key]:+.0f} %")


if __name__ == "__main__":
    main()
