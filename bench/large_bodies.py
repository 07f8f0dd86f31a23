"""Bodies of 100 MB and 1 GB that no rule reads, through the gateway and nginx in turns, with memory watched.

    bench/.venv/bin/python bench/large_bodies.py [--quick] [--rounds 5]

Writes `results/large_bodies.json` and `.svg`, and ends with 1 where the gateway's memory grows with the body.
"""

import argparse
import json
import os
import socket
import statistics
import sys
import time
from typing import Any

import nginx_conf
import peers
import plot
import report
from curve_servers import LARGE_BUFFERS, Work
from curves import HERE, RESULTS, note, place
from process_tree import Server, cpu_seconds, resident_bytes
from rich.console import Console
from rich.table import Table
from streaming import Watch

MB = 1_000_000
MIB = 1024 * 1024
SIZES = {"100 MB": 100 * MB, "1 GB": 1000 * MB}
MOST_GROWTH_MIB = 8.0
SERVERS = (peers.STRIPS_NOTHING, LARGE_BUFFERS, peers.WITHOUT_LEDGER, peers.GATEWAY)
SLOTS = 40
_PIECE = 1 << 20

Found = dict[str, dict[str, list[dict[str, Any]]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 MB only, once, to see that it works")
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    if not nginx_conf.installed():
        sys.exit("needed: apt-get install nginx")
    os.environ["PYTHONPATH"] = str(HERE.parent)
    RESULTS.mkdir(exist_ok=True)
    sizes = dict(list(SIZES.items())[: 1 if options.quick else None])
    found = measure(sizes, options.rounds)
    (RESULTS / "large_bodies.json").write_text(json.dumps({"rounds": found, "machine": report.machine()}))
    figure = RESULTS / "large_bodies.svg"
    figure.write_text(draw(found))
    most = max(each["growth"] for rounds in found.values() for each in rounds[peers.GATEWAY]) / MIB
    for size, rounds in found.items():
        show(size, sizes[size], rounds)
    print(f"The gateway's memory grew by at most {most:.1f} MB (aim: {MOST_GROWTH_MIB:g}); {figure}")
    sys.exit(most > MOST_GROWTH_MIB)


def measure(sizes: dict[str, int], rounds: int) -> Found:
    """Every size through every server in turns, after one fetch of 100 MB each that is not counted."""
    found: Found = {size: {} for size in sizes}
    with place() as where:
        for size, length in sizes.items():
            with (where.files / _file(size)).open("wb") as file:
                file.truncate(length)  # sparse: the disk has no part in this
        servers = {name: where.start(name, Work(whole_routes=tuple(map(_path, sizes)))) for name in SERVERS}
        if where.other_cores:
            os.sched_setaffinity(0, where.other_cores)
        first = next(iter(sizes))
        for server in servers.values():
            fetch(server, _path(first), sizes[first])
        for number in range(rounds):
            for size, length in sizes.items():
                for name, server in servers.items():
                    note(f"{size} through {name}, round {number + 1} of {rounds}")
                    found[size].setdefault(name, []).append(watched(server, _path(size), length))
    return found


def _file(size: str) -> str:
    return size.replace(" ", "").lower() + ".bin"


def _path(size: str) -> str:
    return "/" + _file(size)


def watched(server: Server, path: str, length: int) -> dict[str, Any]:
    """One fetch: `seconds`, `cpu_seconds`, `before` and `growth` (bytes resident), and `samples` of memory."""
    before, used = resident_bytes(server.pid), cpu_seconds(server.pid)
    watch = Watch(server.pid)
    watch.start()
    seconds = fetch(server, path, length)
    watch.over.set()
    watch.join()
    growth = max(resident for _, resident in watch.samples) - before
    used = cpu_seconds(server.pid) - used
    return {
        "seconds": seconds,
        "cpu_seconds": used,
        "before": before,
        "growth": growth,
        "samples": watch.samples,
    }


def fetch(server: Server, path: str, length: int) -> float:
    """Seconds until the whole body is here; it is counted and thrown away."""
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        held = bytearray(_PIECE)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(_PIECE)
            if not piece:
                raise SystemExit(f"{path}: the connection ended before an answer")
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        received = len(body)
        while size := connection.recv_into(held):
            received += size
    if not head.startswith(b"HTTP/1.1 200 ") or received != length or b"chunked" in head.lower():
        raise SystemExit(f"{path} came back as {head[:12]!r} with {received} of {length} bytes")
    return time.perf_counter() - start


def draw(found: Found) -> str:
    """Memory over the course of the last round of each size."""
    panels = []
    for size, rounds in found.items():
        lines = {name: _course(each[-1]["samples"]) for name, each in rounds.items()}
        shares = [100 * (slot + 1) / SLOTS for slot in range(SLOTS)]
        panels.append(plot.Panel(f"{size}: memory of the server, MB", shares, lines))
    title = "A body that no rule reads passes through (flat is better)"
    return plot.svg(title, "% of the time of the transfer", panels, log_x=False, order=(*peers.PEERS, LARGE_BUFFERS))


def _course(samples: list[tuple[float, int]]) -> list[float]:
    """The samples as `SLOTS` values: the latest one at the end of each slot."""
    last = samples[-1][0] or 1.0
    course: list[float] = []
    for slot in range(SLOTS):
        past = [resident for at, resident in samples if at <= last * (slot + 1) / SLOTS]
        course.append(past[-1] / MIB)
    return course


def show(size: str, length: int, rounds: dict[str, list[dict[str, Any]]]) -> None:
    table = Table(title=f"{size} that no rule reads (medians of the rounds)", title_justify="left", min_width=90)
    table.add_column("server")
    for column in ("MB/s", "to plain nginx", "CPU s", "RSS before MB", "growth MB, worst"):
        table.add_column(column, justify="right")
    base = rounds[peers.STRIPS_NOTHING]
    for name, each in rounds.items():
        ratios = [one["seconds"] / other["seconds"] for one, other in zip(base, each, strict=True)]
        table.add_row(
            name,
            f"{length / MB / statistics.median(one['seconds'] for one in each):.0f}",
            f"{statistics.median(ratios):.2f}",
            f"{statistics.median(one['cpu_seconds'] for one in each):.2f}",
            f"{each[0]['before'] / MIB:.1f}",
            f"{max(one['growth'] for one in each) / MIB:.1f}",
            style="bold" if name == peers.GATEWAY else None,
        )
    Console(width=None if Console().is_terminal else 130, highlight=False).print(table)


if __name__ == "__main__":
    main()
