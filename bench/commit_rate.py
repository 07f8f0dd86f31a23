"""What a commit of the ledger costs: records a second, and how long a caller waits, by durability and by callers.

    python bench/commit_rate.py [--seconds 2] [--directory DIR] [--second DIR] [--json FILE]

The real `Ledger` on an event loop. A number of callers each commit one record, wait for it, and commit
the next, so that as many records wait at a time. `DIR` should be on the disk that the ledger will have,
and `--second` on another one; both get a folder of their own, which is removed at the end.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

import uvloop

from gateway.audit.interval import kind_of
from gateway.audit.terms import DURABILITIES, INTERVAL, Terms
from gateway.crypto.sign import SigningKey

CALLERS = (1, 16, 64, 256)
ORIGIN = "bench.example/log/w0"
BEFORE = (
    b'{"caller":"anonymous","consent":null,"direction":"request","fields":[{"action":"keep","address":"$.email",'
    b'"basis":"contract","class":"user.contact.email","count":1,"purpose":"service","reason":"listed"}],'
)
AFTER = (
    b'"kind":"collect","method":"POST","mode":"enforce","policy":"3b1f0c5d9a7e2468","reason":null,"recipient":"shop",'
    b'"request":"01KAS7R1K0G4T2Q9W8E7R6T5Y4","route":"sign-up","salt":"q83vEjRWeJCrze8SNFZ4kA","status":null,'
    b'"subject":"s1.h8LmUqZyT0a3Wn5cXvE2Rw","time":"2026-11-23T13:07:25.123456Z","version":1}'
)


def main() -> None:
    options = read_options()
    homes = [Path(tempfile.mkdtemp(prefix="commit-rate-", dir=each)) for each in (options.directory, options.second)]
    rows = []
    try:
        for durability in DURABILITIES:
            for callers in CALLERS:
                home = [each / f"{durability}-{callers}" / "w0" for each in homes]
                rows.append(uvloop.run(measure(home, durability, callers, options)))
                show(rows[-1], first=len(rows) == 1)
    finally:
        for each in homes:
            shutil.rmtree(each)
    if options.json is not None:
        options.json.write_text(json.dumps(report(options, rows), indent=2) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    parser.add_argument("--interval-ms", type=int, default=100, help="for `interval`")
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--second", type=Path, help="for `all_sinks` and `any_sink`; the same disk unless given")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.second = options.second or options.directory
    return options


async def measure(home: list[Path], durability: str, callers: int, options: argparse.Namespace) -> dict[str, object]:
    terms = Terms(
        durability=durability,
        interval=options.interval_ms / 1000 if durability == INTERVAL else 0.0,
        second=home[1] if durability.endswith(("sink", "sinks")) else None,
    )
    key = SigningKey(ORIGIN, bytes(32))
    ledger = kind_of(terms).open(home[0], origin=ORIGIN, signer=key, opened={"program": "bench"}, terms=terms)
    waits: list[float] = []
    await run(ledger, callers, min(0.3, options.seconds / 4), [])  # files filled ahead, caches warm
    cpu, began = time.process_time(), time.perf_counter()
    await run(ledger, callers, options.seconds, waits)
    passed, cpu = time.perf_counter() - began, time.process_time() - cpu
    await ledger.close()
    waits.sort()
    return {
        "durability": durability,
        "callers": callers,
        "records": len(waits),
        "records_a_second": round(len(waits) / passed),
        "wait_ms_p50": round(waits[len(waits) // 2] * 1000, 3),
        "wait_ms_p99": round(waits[int(len(waits) * 0.99)] * 1000, 3),
        "cpu_us_a_record": round(cpu / len(waits) * 1e6, 2),
    }


async def run(ledger, callers: int, seconds: float, waits: list[float]) -> None:
    clock = time.perf_counter
    end = clock() + seconds

    async def caller() -> None:
        while (start := clock()) < end:
            await ledger.commit(BEFORE, AFTER)
            waits.append(clock() - start)
            await asyncio.sleep(0)  # where nobody waits for the device, others want their turn, too

    await asyncio.gather(*(caller() for _ in range(callers)))


def show(row: dict[str, object], *, first: bool) -> None:
    names = list(row)
    if first:
        print("  ".join(f"{name:>16}" for name in names))
    print("  ".join(f"{row[name]!s:>16}" for name in names), flush=True)


def report(options: argparse.Namespace, rows: list[dict[str, object]]) -> dict[str, object]:
    return {
        "bytes_of_a_record": len(BEFORE) + len(AFTER),
        "interval_ms": options.interval_ms,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "rows": rows,
        "same_disk": options.directory.stat().st_dev == options.second.stat().st_dev,
        "system": platform.release(),
    }


if __name__ == "__main__":
    main()
