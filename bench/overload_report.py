"""What an overload run has to show, and its table."""

import statistics
from dataclasses import dataclass

from flood import Tally
from rich.console import Console
from rich.table import Table

MIB = 1024 * 1024
WINDOW = 0.25  # seconds
IN_A_ROW = 4

GOODPUT = 0.70
SERVED_P99_MS = 1000.0
GROWTH_MIB = 128.0
LATE_GROWTH = 1.10
RECOVERY_SECONDS = 5.0


@dataclass
class Row:
    name: str
    wanted: str
    found: str
    met: bool | None = None


@dataclass
class Probes:
    """Latencies in ms of single requests on a connection of their own, window by window; None: one was refused."""

    p50: float
    windows: list[float | None]


def recovery(tally: Tally, before: Probes, after: Probes) -> float:
    """Seconds after the load until a whole second is as before: no refusal, and no window twice as slow."""
    normal = 2 * before.p50 + 0.5
    good = [found is not None and found <= normal for found in after.windows]
    for number in range(len(good) - IN_A_ROW + 1):
        if all(good[number : number + IN_A_ROW]):
            return tally.settled + number * WINDOW
    return float("inf")


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def memory(samples: list[tuple[float, int]]) -> tuple[float, float, float]:
    """Before, at the peak, and the last third's median over the middle third's."""
    sizes = [size for _, size in samples]
    third = max(1, len(sizes) // 3)
    return sizes[0] / MIB, max(sizes) / MIB, statistics.median(sizes[-third:]) / statistics.median(sizes[third:-third])


def judge(saturated: float, tally: Tally, samples: list[tuple[float, int]], before: Probes, after: Probes) -> list[Row]:
    goodput = tally.good / tally.seconds
    first, peak, late = memory(samples)
    recovered = recovery(tally, before, after)
    wrong = ", ".join(f"{count} x {what}" for what, count in tally.wrong.items()) or "0"
    refused = ", ".join(f"{count} {code}" for code, count in tally.refused.items()) or "0"
    p99 = percentile(tally.latencies, 0.99)
    return [
        Row("saturation, requests/s", "", f"{saturated:.0f}"),
        Row(
            "arrivals/s",
            "",
            f"{tally.arrivals / tally.seconds:.0f} ({tally.arrivals / tally.seconds / saturated:.1f} x)",
        ),
        Row("sent/s (the others found no free connection)", "", f"{tally.sent / tally.seconds:.0f}"),
        Row("refused: 503, Retry-After, problem+json", "", refused),
        Row("connections refused", "", str(tally.connects_refused)),
        Row("wrong answers", "0", wrong, not tally.wrong),
        Row("goodput to saturation", f">= {GOODPUT:.2f}", f"{goodput / saturated:.2f}", goodput / saturated >= GOODPUT),
        Row("p50 ms of those served", "", f"{percentile(tally.latencies, 0.5):.0f}"),
        Row("p99 ms of those served", f"<= {SERVED_P99_MS:.0f}", f"{p99:.0f}", p99 <= SERVED_P99_MS),
        Row(
            "longest ms, served / refused",
            "",
            f"{percentile(tally.latencies, 1):.0f} / {percentile(tally.refusal_latencies, 1):.0f}",
        ),
        Row(
            "memory MB, before and at the peak",
            f"+ {GROWTH_MIB:.0f}",
            f"{first:.0f}, {peak:.0f}",
            peak - first <= GROWTH_MIB,
        ),
        Row("memory, last third to middle third", f"<= {LATE_GROWTH:.2f}", f"{late:.2f}", late <= LATE_GROWTH),
        Row("p50 ms before / after, unloaded", "", f"{before.p50:.2f} / {after.p50:.2f}"),
        Row(
            "seconds until all is as before",
            f"<= {RECOVERY_SECONDS:.0f}",
            f"{recovered:.2f}",
            recovered <= RECOVERY_SECONDS,
        ),
    ]


def judge_ledger(answered: int, disclosures: int, verdict: str) -> list[Row]:
    return [
        Row("disclosures recorded", f">= {answered}", str(disclosures), disclosures >= answered),
        Row("audit verify", "VERIFIED", verdict, verdict == "VERIFIED"),
    ]


def show(rows: list[Row], title: str) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("", "wanted", "found", ""):
        table.add_column(column)
    for row in rows:
        met = "" if row.met is None else "[green]met[/]" if row.met else "[red]broken[/]"
        table.add_row(row.name, row.wanted, row.found, met)
    Console(width=None if Console().is_terminal else 130, highlight=False).print(table)
