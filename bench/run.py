"""`make bench`: the gateway and its peers on loopback, measured in turns. README.md says how to read the result."""

import argparse
import http.client
import json
import os
import shutil
import signal
import statistics
import sys
import time
from pathlib import Path

import bodies
import closed_loop
import gateway_rules
import nginx_conf
import open_loop
import peers
import recorded
import report
from process_tree import Server, cores, cpu_seconds, free_port, resident_bytes
from streaming import stream_blob

HERE = Path(__file__).parent
RESULTS = HERE / "results"
CONNECTIONS = {"1 KB": 64, "10 KB": 64, "1 MB": 4}


class Plan:
    """How much is measured; the quick one is for seeing that all works, not for numbers to quote."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.rounds = 1 if quick else 5
        self.seconds = 1 if quick else 3
        self.latency_seconds = 1.5 if quick else 6
        self.rates = {"1 KB": 300} if quick else {"1 KB": 300, "10 KB": 300, "1 MB": 15}
        self.routes = (10, 1000) if quick else (10, 10_000)


class Bench:
    """One run: servers, documents and what was measured so far."""

    def __init__(self, plan: Plan) -> None:
        # Whoever ends the bench ends its servers: SIGTERM alone would leave them behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.plan = plan
        self.home = RESULTS / f"run-{int(time.time())}"
        self.home.mkdir(parents=True)
        self.core, self.other_cores = cores()
        self.documents = bodies.write_documents(self.home / "files")
        self.upstream = self._upstream()
        self.servers: dict[str, Server] = {}
        self.skipped: dict[str, str] = {}
        self.raw: dict[str, dict[str, list[dict[str, float]]]] = {size: {} for size in bodies.SIZES}
        self.latency: dict[str, dict[str, dict[str, float]]] = {}
        self.blob: dict[str, dict[str, object]] = {}
        self.routes: dict[int, list[float]] = {}
        self.recorded = 0

    def _upstream(self) -> Server:
        port = free_port()
        command = nginx_conf.upstream(self.home / "upstream", port=port, root=self.home / "files")
        server = Server(command, port=port, log=self.home / "upstream.log", core=self.other_cores)
        server.wait(10)
        return server

    def start(self, name: str, make: peers.Command) -> Server:
        port = free_port()
        home = self.home / name.replace(" ", "-").replace(",", "").replace("+", "")
        command = make(home, port, free_port(), self.upstream.port)
        server = Server(command, port=port, log=self.home / f"{home.name}.log", core=self.core)
        server.wait(60)
        return server

    def start_peers(self) -> None:
        for name, make in peers.PEERS.items():
            if why := peers.missing(name):
                self.skipped[name] = why
                print(f"skipped: {name}: {why}")
                continue
            self.servers[name] = self.start(name, make)
            for size in bodies.SIZES:
                self._verify(name, size)

    def _verify(self, name: str, size: str) -> None:
        """A peer that does not do the work must not be measured."""
        connection = http.client.HTTPConnection("127.0.0.1", self.servers[name].port, timeout=30)
        connection.request("GET", "/" + bodies.file_of(size))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        whole = self.documents[size]
        wanted = whole if name == peers.STRIPS_NOTHING else bodies.stripped(whole)
        if answer.status != 200 or json.loads(content) != wanted:
            raise SystemExit(f"{name} answers {size} with {answer.status} and not with the document it should")

    def measure_all(self) -> None:
        for number in range(self.plan.rounds):
            for size in bodies.SIZES:
                for name, server in self.servers.items():
                    print(f"round {number + 1} of {self.plan.rounds}: {size}, {name}" + " " * 20, end="\r", flush=True)
                    self.raw[size].setdefault(name, []).append(self._closed(server, size))
        for size, rate in self.plan.rates.items():
            for name, server in self.servers.items():
                print(f"latency at {rate} a second: {size}, {name}" + " " * 20, end="\r", flush=True)
                found = open_loop.measure(
                    server.port, "/" + bodies.file_of(size), rate=rate, seconds=self.plan.latency_seconds
                )
                self.latency.setdefault(size, {})[name] = found

    def _closed(self, server: Server, size: str) -> dict[str, float]:
        """Longer where nothing is answered in the time: a large body through a slow server on a busy machine."""
        for seconds in (self.plan.seconds, 4 * self.plan.seconds, 16 * self.plan.seconds):
            before = cpu_seconds(server.pid)
            found = closed_loop.run(
                server.port, "/" + bodies.file_of(size), seconds=seconds, connections=CONNECTIONS[size]
            )
            if found["requests"] >= 2 * CONNECTIONS[size]:
                break
        if not found["requests"]:
            raise SystemExit(f"nothing of {size} is answered in {seconds} s")
        found["cpu_us"] = 1e6 * (cpu_seconds(server.pid) - before) / found["requests"]
        found["rss"] = resident_bytes(server.pid)
        return found

    def measure_blob(self) -> None:
        for name, server in self.servers.items():
            print(f"100 MB through {name}" + " " * 30, end="\r", flush=True)
            self.blob[name] = stream_blob(server, bodies.BLOB_BYTES)

    def measure_routes(self) -> None:
        """The same load over all routes, few and many, in turns."""
        servers = {}
        for count in self.plan.routes:
            print(f"starting with {count} routes" + " " * 30, end="\r", flush=True)

            def make(home: Path, port: int, admin: int, upstream: int, count: int = count) -> list[str]:
                return peers.gateway_command(home, port, admin, upstream, routes=count)

            servers[count] = self.start(f"routes-{count}", make)
            gateway_rules.write_wrk_script(self.home / f"routes-{count}.lua", count)
            self._ask_routes(servers[count], count, requests=2 * count)  # each route meets its first request here
        for number in range(self.plan.rounds):
            for count, server in servers.items():
                print(f"{count} routes, round {number + 1}" + " " * 30, end="\r", flush=True)
                before = cpu_seconds(server.pid)
                answered = self._ask_routes(server, count)
                self.routes.setdefault(count, []).append(1e6 * (cpu_seconds(server.pid) - before) / answered)
        for server in servers.values():
            server.stop()

    def _ask_routes(self, server: Server, count: int, *, requests: int = 1) -> int:
        """Ask for the routes in turn until at least `requests` are answered."""
        answered = 0
        while answered < requests:
            script = self.home / f"routes-{count}.lua"
            found = closed_loop.run(server.port, "/", seconds=self.plan.seconds, connections=64, script=script)
            if found["failures"]:
                raise SystemExit(f"{found['failures']} failures with {count} routes")
            answered += found["requests"]
        return answered

    def count_records(self) -> None:
        """How many disclosures the gateway's ledger holds: proof that it was on."""
        self.recorded = recorded.disclosures(self.home / peers.GATEWAY / "state")

    def results(self) -> dict[str, object]:
        keys = ("cpu_us", "rate", "rss", "failures")
        medians = {
            size: {
                name: {key: statistics.median(one[key] for one in rounds) for key in keys}
                for name, rounds in found.items()
            }
            for size, found in self.raw.items()
        }
        requests = sum(one["requests"] for found in self.raw.values() for one in found.get(peers.GATEWAY, ()))
        return {
            "quick": self.plan.quick,
            "machine": report.machine(),
            "versions": peers.versions(),
            "skipped": self.skipped,
            "rates": self.plan.rates,
            "medians": medians,
            "rounds": self.raw,
            "latency_ms": self.latency,
            "blob": self.blob,
            "routes_cpu_us": {str(count): statistics.median(found) for count, found in self.routes.items()},
            "records": {"disclosures": self.recorded, "measured_requests": requests},
        }

    def close(self, *, keep: bool) -> None:
        for server in (*self.servers.values(), self.upstream):
            server.stop()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that all works, in under 90 seconds")
    parser.add_argument("--keep", action="store_true", help="keep logs and state of the servers")
    options = parser.parse_args()
    if not (nginx_conf.installed() and closed_loop.installed()):
        sys.exit("the bench needs nginx (upstream and peers) and wrk (load): apt-get install nginx wrk")
    os.environ["PYTHONPATH"] = str(HERE.parent)  # this working copy, whatever else is installed
    started = time.monotonic()
    bench = Bench(Plan(quick=options.quick))
    try:
        bench.start_peers()
        bench.measure_all()
        bench.measure_blob()
        for server in bench.servers.values():
            server.stop()
        bench.count_records()
        bench.measure_routes()
    finally:
        bench.close(keep=options.keep)
    found = bench.results() | {"seconds": round(time.monotonic() - started)}
    name = "quick" if options.quick else "bench"
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1))
    report.show(found)
    print(f"\n{found['seconds']} s; everything measured: {RESULTS / name}.json")


if __name__ == "__main__":
    main()
