"""What calls that go out cost: through the relay, and with interception, beside mitmproxy and beside `serve`.

    make bench BENCH=egress [ARGS="--quick | --rounds 5 --seconds 3 --rate 200"]

A JSON body of 1 KB that loses three fields, to a partner behind TLS, on connections that stay open, ledger on. All
servers run at once; each is loaded in turn, and that is a round. Writes `results/egress.json`, and ends with 1
where an aim is missed.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import bodies
import closed_loop
import egress_servers as servers
import nginx_conf
import open_loop
import report
import tunnel_load
from curves import HERE, RESULTS, note
from process_tree import cores, cpu_seconds
from rich.console import Console
from rich.table import Table
from ways import Way

DIRECT = "direct"
CONNECTIONS = 32
LATENCY_CONNECTIONS = 16
TURNS = 3
"""Short turns, so that what others do on the machine meets all servers alike."""

BODY = json.dumps(bodies.document(bodies.SIZES["1 KB"]))
AIMS = ((servers.RELAY, servers.INGRESS, 1.2), (servers.PROXY, servers.BARE, 1.2))
"""CPU of the first is at most so many times that of the second."""


def request(path: str, host: str, lines: tuple[str, ...] = ()) -> bytes:
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *lines]
    return "\r\n".join([*head, f"Content-Length: {len(BODY)}", "", BODY]).encode()


class Asked(asyncio.Protocol):
    """One request and its whole answer."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, _exc: Exception | None) -> None:
        self.over.set_result(bytes(self.received))


async def ask(way: Way, raw: bytes) -> bytes:
    """What is answered to a request that closes its connection."""
    asked = await way.open(Asked)
    asked.transport.write(raw)
    return await asyncio.wait_for(asked.over, 30)


def verify(name: str, between: servers.Between, host: str) -> None:
    """A server that does not do the work, or lets nothing through, must not be measured."""
    raw = request(servers.ECHO, host, (*between.lines, "Connection: close"))
    answer = asyncio.run(ask(between.way, raw))
    head, _, content = answer.partition(b"\r\n\r\n")
    whole = json.loads(BODY)
    wanted = whole if name == servers.BARE else bodies.stripped(whole)
    start, end = content.find(b"{"), content.rfind(b"}")
    if not head.startswith(b"HTTP/1.1 200") or json.loads(content[start : end + 1]) != wanted:
        raise SystemExit(f"{name}: the partner does not receive what it should: {answer[:300]!r}")


class Run:
    """Servers that stand, and what was measured of each so far, round by round."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home, self.stack = home, stack
        self.core, others = cores()
        self.partner = stack.enter_context(servers.partner(home, others))
        self.between: dict[str, servers.Between] = {}
        self.skipped: dict[str, str] = {}
        self.cpu_us: dict[str, list[float]] = {}
        self.rate: dict[str, list[float]] = {}
        self.latency_ms: dict[str, list[dict[str, float]]] = {}
        if others:
            os.sched_setaffinity(0, others)

    def start(self) -> None:
        for name, start in servers.SERVERS.items():
            if why := servers.missing(name):
                self.skipped[name] = why
                continue
            note(f"starting {name}")
            between = start(self.home / name.replace(" ", "-").replace(",", ""), self.partner, self.core)
            self.stack.callback(between.server.stop)
            verify(name, between, self.partner.host)
            self.between[name] = between

    def round(self, number: int, options: argparse.Namespace) -> None:
        """Each server as fast as it answers, in turns, then each at the fixed rate; round 0 only warms up."""
        direct = Way(self.partner.server.port, self.partner.certificate)
        spent = dict.fromkeys(self.between, 0.0)
        answered = dict.fromkeys(self.between, 0.0)
        for _ in range(TURNS):
            for name, between in self.between.items():
                note(f"{name}, round {number} of {options.rounds}")
                found = self._saturated(name, between, options.seconds / TURNS)
                spent[name] += found["spent"]
                answered[name] += found["requests"]
                if number:
                    self.rate.setdefault(name, []).append(found["rate"])
        if number:
            for name in self.between:
                self.cpu_us.setdefault(name, []).append(1e6 * spent[name] / answered[name])
        ways = {DIRECT: (direct, ()), **{name: (each.way, each.lines) for name, each in self.between.items()}}
        for name, (way, lines) in ways.items():
            note(f"latency of {name}, round {number} of {options.rounds}")
            raw = request(servers.SEND, self.partner.host, lines)
            timed = open_loop.Load(
                way, raw, rate=options.rate, seconds=options.seconds, connections=LATENCY_CONNECTIONS
            )
            latency = open_loop.run(timed)
            if latency["failures"]:
                raise SystemExit(f"{name}: {latency['failures']:.0f} of {latency['requests']:.0f} requests failed")
            if number:
                self.latency_ms.setdefault(name, []).append(latency)

    def _saturated(self, name: str, between: servers.Between, seconds: float) -> dict[str, float]:
        meter: Callable[[], float] = lambda: cpu_seconds(between.server.pid)  # noqa: E731
        if between.way.proxy is not None:
            raw = request(servers.SEND, self.partner.host, between.lines)
            found = tunnel_load.run(between.way, raw, seconds=seconds, connections=CONNECTIONS, meter=meter)
        else:
            script = self.home / "post.lua"
            script.write_text(_script(self.partner.host, between.lines))
            before = meter()
            found = closed_loop.run(
                between.way.port, servers.SEND, seconds=seconds, connections=CONNECTIONS, script=script
            )
            found["spent"] = meter() - before
        if found["failures"] or not found["requests"]:
            raise SystemExit(f"{found['failures']:.0f} failures of {name}; see {between.server.log}")
        return found


def _script(host: str, lines: tuple[str, ...]) -> str:
    """The same request for wrk."""
    pairs = [("Content-Type", "application/json"), ("Host", host), *(line.split(": ", 1) for line in lines)]
    fields = "".join(f'wrk.headers["{key}"] = "{value}"\n' for key, value in pairs)
    return f'wrk.method = "POST"\nwrk.body = [==[{BODY}]==]\n{fields}'


def ratio(run: Run, name: str, base: str) -> float:
    """Median over the rounds of what the one costs to what the other costs in the same round."""
    pairs = zip(run.cpu_us[name], run.cpu_us[base], strict=True)
    return statistics.median(one / other for one, other in pairs)


def show(run: Run, rate: float) -> None:
    base = servers.BARE if servers.BARE in run.cpu_us else None
    title = f"POST of 1 KB to a partner behind TLS, three fields stripped; {report.machine()['python']}"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    ratios = (f"to {servers.BARE}", f"to {servers.INGRESS}")
    for column in ("CPU us/request", *ratios, "requests/s", f"p50 ms at {rate:g}/s", "p99 ms"):
        table.add_column(column, justify="right")
    for name, latency in run.latency_ms.items():
        timing = [f"{statistics.median(each[key] for each in latency):.2f}" for key in ("p50", "p99")]
        if name == DIRECT:
            table.add_row(name, "", "", "", "", *timing)
            continue
        cost = f"{statistics.median(run.cpu_us[name]):.0f}"
        against = [f"{ratio(run, name, each):.2f}" if each else "" for each in (base, servers.INGRESS)]
        table.add_row(name, cost, *against, f"{statistics.median(run.rate[name]):.0f}", *timing)
    for name, why in run.skipped.items():
        table.add_row(name, f"skipped: {why}", style="dim")
    Console(width=None if Console().is_terminal else 130, highlight=False).print(table)


def missed(run: Run) -> list[str]:
    """The aims that were not reached, in words."""
    return [
        f"missed: {name} costs {found:.2f} times {base}, aim {most:g}"
        for name, base, most in AIMS
        if base in run.cpu_us and (found := ratio(run, name, base)) > most
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float, default=200, help="requests a second of which latency is taken")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    if not (nginx_conf.installed() and closed_loop.installed()):
        sys.exit("needed: apt-get install nginx wrk openssl")
    os.environ["PYTHONPATH"] = str(HERE.parent)
    RESULTS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(dir=RESULTS))
        run = Run(Path(home), stack)
        run.start()
        for number in range(options.rounds + 1):
            run.round(number, options)
    found = {"cpu_us": run.cpu_us, "rate": run.rate, "latency_ms": run.latency_ms, "machine": report.machine()}
    (RESULTS / f"{'quick-' if options.quick else ''}egress.json").write_text(json.dumps(found, indent=1))
    show(run, options.rate)
    short = [] if options.quick else missed(run)
    print("\n".join(short))
    sys.exit(bool(short))


if __name__ == "__main__":
    main()
