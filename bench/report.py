"""The tables."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

import peers
from rich.console import Console
from rich.table import Table

MIB = 1024 * 1024


def machine() -> dict[str, object]:
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    python = f"{platform.python_version()} ({sys.base_prefix})"
    return {
        "python": python,
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load": os.getloadavg(),
    }


def show(found: dict[str, Any]) -> None:
    console = Console(width=None if Console().is_terminal else 130, highlight=False)
    host = found["machine"]
    pinned = "server pinned to one core" if host["cores"] > 1 else "one core for all"
    console.print(f"\n{host['cpu']}, {host['cores']} cores, {pinned}; load average {host['load'][0]:.1f}")
    console.print(f"Python {host['python']}")
    for size in found["medians"]:
        console.print(_bodies(size, found))
    console.print(_blob(found["blob"]))
    console.print(_routes(found["routes_cpu_us"]))
    records = found["records"]
    console.print(
        f"The ledger holds {records['disclosures']} disclosures for {records['measured_requests']} measured requests."
    )
    console.print(_aims(found))


def show_curve(found: dict[str, Any], title: str) -> None:
    table = Table(title=f"{title}\nCPU us/request (in brackets: ratio to {peers.BASELINE})", title_justify="left")
    table.add_column("")
    for value in found["values"]:
        table.add_column(f"{value:,}", justify="right")
    for name, costs in found["cpu_us"].items():
        ratios = found["ratio"].get(name)
        cells = [f"{cost:.1f}" + (f" ({ratios[at]:.2f})" if ratios else "") for at, cost in enumerate(costs)]
        table.add_row(name, *cells, style="bold" if name == peers.GATEWAY else None)
    Console(width=None if Console().is_terminal else 150, highlight=False).print(table)


def _bodies(size: str, found: dict[str, Any]) -> Table:
    medians = found["medians"][size]
    latency = found["latency_ms"].get(size, {})
    base = medians.get(peers.BASELINE)
    base_latency = latency.get(peers.BASELINE)
    rate = found["rates"].get(size)
    table = Table(
        title=f"JSON of {size}, three fields stripped (in brackets: ratio to {peers.BASELINE})", title_justify="left"
    )
    table.add_column("server")
    at = f" at {rate}/s" if rate else ""
    for column in ("CPU us/request", "requests/s", f"p50 ms{at}", f"p99 ms{at}", "RSS MB", "failures"):
        table.add_column(column, justify="right")
    for name, row in medians.items():
        timing = latency.get(name)
        failures = row["failures"] + (timing["failures"] if timing else 0)
        table.add_row(
            name,
            _ratio(row["cpu_us"], base and base["cpu_us"], "{:.1f}"),
            _ratio(row["rate"], base and base["rate"], "{:.0f}"),
            _ratio(timing["p50"], base_latency and base_latency["p50"], "{:.2f}") if timing else "",
            _ratio(timing["p99"], base_latency and base_latency["p99"], "{:.2f}") if timing else "",
            _ratio(row["rss"] / MIB, base and base["rss"] / MIB, "{:.0f}"),
            f"{failures:.0f}",
            style="bold" if name == peers.GATEWAY else None,
        )
    for name, why in found["skipped"].items():
        table.add_row(name, f"skipped: {why}", style="dim")
    return table


def _ratio(value: float, base: float | None, form: str) -> str:
    return f"{form.format(value)} ({value / base:.2f})" if base else form.format(value)


def _blob(blob: dict[str, Any]) -> Table:
    table = Table(title="100 MB that no rule reads, passed through", title_justify="left", min_width=90)
    table.add_column("server")
    for column in ("seconds", "MB/s", "CPU s", "RSS before", "peak", "growth MB"):
        table.add_column(column, justify="right")
    for name, row in blob.items():
        table.add_row(
            name,
            f"{row['seconds']:.2f}",
            f"{100 / row['seconds']:.0f}",
            f"{row['cpu_seconds']:.2f}",
            f"{row['before'] / MIB:.1f}",
            f"{row['peak'] / MIB:.1f}",
            f"{row['growth'] / MIB:.1f}",
            style="bold" if name == peers.GATEWAY else None,
        )
    return table


def _routes(routes: dict[str, float]) -> Table:
    table = Table(
        title="Gateway with few and many routes, each asked in turn, JSON of 1 KB", title_justify="left", min_width=90
    )
    table.add_column("routes")
    table.add_column("CPU us/request", justify="right")
    few = next(iter(routes.values()))
    for count, used in routes.items():
        table.add_row(count, _ratio(used, few, "{:.1f}"))
    return table


def _aims(found: dict[str, Any]) -> Table:
    """What the design asks for, and what came out."""
    table = Table(title="Aims", title_justify="left", min_width=90)
    for column in ("aim", "wanted", "found", ""):
        table.add_column(column)
    small = {name: row["cpu_us"] for name, row in found["medians"]["1 KB"].items()}
    own = small[peers.GATEWAY]
    if peers.BASELINE in small:
        _aim(
            table,
            "CPU to nginx + Lua, 1 KB, ledger on",
            "<= 2.0",
            own / small[peers.BASELINE],
            own / small[peers.BASELINE] <= 2,
        )
    if "mitmproxy" in small:
        _aim(table, "CPU of mitmproxy to ours, 1 KB", ">= 10", small["mitmproxy"] / own, small["mitmproxy"] / own >= 10)
    growth = found["blob"][peers.GATEWAY]["growth"] / MIB
    _aim(table, "memory growth over 100 MB", "<= 8 MB", growth, growth <= 8)
    few, many = (found["routes_cpu_us"][count] for count in sorted(found["routes_cpu_us"], key=int))
    _aim(
        table,
        f"CPU with {max(map(int, found['routes_cpu_us']))} routes to 10",
        "<= 1.10",
        many / few,
        many / few <= 1.10,
    )
    return table


def _aim(table: Table, name: str, wanted: str, value: float, met: bool) -> None:
    table.add_row(name, wanted, f"{value:.2f}", "[green]met[/]" if met else "[red]missed[/]")
