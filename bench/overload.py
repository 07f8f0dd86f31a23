"""Far more requests than the gateway can answer: does every promise hold, and is all as before afterwards?

    bench/.venv/bin/python bench/overload.py [--quick] [--times 8] [--seconds 60] [--connections 2000]

First the rate at which the gateway is saturated is measured (64 connections, as fast as they are answered),
then requests arrive at a multiple of it for a while, over connections from many addresses, with every limit at
its default. Prints a table and ends with 1 where a bound is broken. README.md says what each row means.
"""

import argparse
import http.client
import json
import os
import resource
import statistics
import sys
import time

import bodies
import closed_loop
import nginx_conf
import peers
import recorded
import report
from flood import Flood, Tally
from overload_report import WINDOW, Probes, judge, judge_ledger, show
from process_tree import Server
from run import HERE, RESULTS, Bench, Plan
from streaming import Watch

SIZE = "1 KB"
CONNECTIONS_PER_ADDRESS = 90  # the gateway takes 100 from one, and closes some a little late
PROBES_A_SECOND = 100


class Overload:
    """One run against one gateway."""

    def __init__(self, bench: Bench, options: argparse.Namespace) -> None:
        self.options = options
        self.home = bench.home / peers.GATEWAY
        self.server: Server = bench.start(peers.GATEWAY, peers.PEERS[peers.GATEWAY])
        self.path = "/" + bodies.file_of(SIZE)
        self.body = self._good_body(bodies.stripped(bench.documents[SIZE]))
        self.answered = 1

    def _good_body(self, document: dict[str, object]) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        connection.request("GET", self.path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200 or json.loads(body) != document:
            raise SystemExit("the gateway does not strip the document even without load")
        return body

    def _complaint(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        connection.request("GET", self.path)
        answer = connection.getresponse()
        text = answer.read(500).decode(errors="replace")
        connection.close()
        return f"{answer.status} {text}; the gateway's log is {self.server.log} (with --keep)"

    def saturation(self, runs: int = 3) -> list[float]:
        """Requests a second of some runs."""
        rates = []
        for _ in range(runs):
            found = closed_loop.run(self.server.port, self.path, seconds=self.options.warm, connections=64)
            if found["failures"]:
                raise SystemExit(f"{found['failures']:.0f} failures without overload: {self._complaint()}")
            self.answered += int(found["requests"])
            rates.append(found["rate"])
        return rates

    def probe(self, seconds: float) -> Probes:
        """One request after the other at a low rate."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        taken: list[tuple[float, float | None]] = []
        start = time.perf_counter()
        while (asked := time.perf_counter()) < start + seconds:
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                good = answer.read() == self.body and answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                good = False
            now = time.perf_counter()
            self.answered += good
            taken.append((asked - start, 1000 * (now - asked) if good else None))
            time.sleep(max(0.0, asked + 1 / PROBES_A_SECOND - now))
        connection.close()
        windows: list[float | None] = []
        for number in range(int(seconds / WINDOW)):
            inside = [found for at, found in taken if number <= at / WINDOW < number + 1]
            whole = [found for found in inside if found is not None]
            windows.append(statistics.median(whole) if whole and len(whole) == len(inside) else None)
        good_ones = [found for _, found in taken if found is not None]
        return Probes(statistics.median(good_ones) if good_ones else float("inf"), windows)

    def flood(self, rate: float) -> Tally:
        request = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.server.port}\r\nAccept: */*\r\n\r\n".encode()
        connections = self.options.connections
        sources = connections // CONNECTIONS_PER_ADDRESS + 1
        flood = Flood(self.server.port, request, self.body, rate=rate, connections=connections, sources=sources)
        tally = flood.run(self.options.seconds)
        self.answered += tally.good
        return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 seconds, to see that it works")
    parser.add_argument("--keep", action="store_true", help="keep logs and state of the servers")
    parser.add_argument("--times", type=float, default=8.0, help="arrivals as a multiple of saturation")
    parser.add_argument("--seconds", type=float, help="of overload (60; quick: 10)")
    parser.add_argument("--connections", type=int, default=2000)
    options = parser.parse_args()
    options.seconds = options.seconds or (10.0 if options.quick else 60.0)
    options.warm = 1.0 if options.quick else 4.0
    if not (nginx_conf.installed() and closed_loop.installed()):
        sys.exit("needed: nginx (upstream) and wrk (load): apt-get install nginx wrk")
    allow_connections(options.connections)
    os.environ["PYTHONPATH"] = str(HERE.parent)
    bench = Bench(Plan(quick=True))
    title = f"{options.times:g} times overload for {options.seconds:g} s, {SIZE}, {options.connections} connections"
    try:
        overload = Overload(bench, options)
        if bench.other_cores:
            os.sched_setaffinity(0, bench.other_cores)
        overload.saturation(1)  # warms up
        rates, before = overload.saturation(), overload.probe(3)
        watch = Watch(overload.server.pid, every=0.5)
        watch.start()
        tally = overload.flood(options.times * max(rates))
        after = overload.probe(8)
        watch.over.set()
        watch.join()
        if bench.upstream.process.poll() is not None:
            raise SystemExit("the upstream was ended by somebody else: nothing of this run counts")
        saturated = statistics.median(rates + overload.saturation())
        overload.server.stop()
        state = overload.home / "state"
        rows = judge(saturated, tally, watch.samples, before, after) + judge_ledger(
            overload.answered, recorded.disclosures(state), recorded.verdict(state)
        )
    finally:
        bench.close(keep=options.keep)
    show(rows, title)
    found = {"machine": report.machine(), "rows": [vars(row) for row in rows], "resident": watch.samples}
    (RESULTS / "overload.json").write_text(json.dumps(found | {"good_by_second": tally.good_by_second}, indent=1))
    sys.exit(any(row.met is False for row in rows))


def allow_connections(number: int) -> None:
    """Open files enough for as many connections, here and in the servers that inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + 500
    if soft < wanted and hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(f"{number} connections need {wanted} open files, and the limit is {hard}: raise it with ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


if __name__ == "__main__":
    main()
