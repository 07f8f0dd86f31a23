"""The `ledger:` section of gateway.yaml: how durable a record is, where it lies, how much room is kept."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from gateway.audit.terms import DURABILITIES, GROUP, INTERVAL, Terms
from gateway.model.limits import MIB
from gateway.policy.report import closest
from gateway.policy.source import Scalar

LEDGER_KEYS = (
    "durability",
    "interval_ms",
    "strict",
    "receipts",
    "second_directory",
    "segment_mib",
    "segment_minutes",
    "ballast_mib",
    "warn_free_percent",
)
_BOUNDS = {
    "interval_ms": (1, 10_000),
    "segment_mib": (1, 4096),
    "segment_minutes": (1, 1440),
    "ballast_mib": (0, 4096),
    "warn_free_percent": (0, 99),
}
_INTEGER = re.compile(r"[0-9]{1,9}")

Add = Callable[[str, Scalar, str, str], None]
"""Takes a diagnostic: code, place, message, hint."""


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """As gateway.yaml says them; `interval_ms` is 0 unless the durability is `interval`."""

    durability: str = GROUP
    interval_ms: int = 0
    strict: bool = False
    receipts: bool = False
    second_directory: str | None = None
    segment_mib: int = 64
    segment_minutes: int = 60
    ballast_mib: int = 64
    warn_free_percent: int = 10

    def terms(self, slot: str) -> Terms:
        """What the log of a slot is opened with."""
        return Terms(
            durability=self.durability,
            interval=self.interval_ms / 1000,
            second=Path(self.second_directory) / slot if self.second_directory else None,
            ballast=self.ballast_mib * MIB,
            warn_percent=self.warn_free_percent,
        )

    def declared(self) -> dict[str, object]:
        """The promise that callers are given: the mode, and what a loss of power can take of what was acknowledged."""
        return {"durability": self.durability, "loss_bound_ms": self.interval_ms}


def read_ledger(given: Mapping[str, Scalar], base: Path, add: Add) -> LedgerSettings:
    """The section from its values; what is wrong goes to `add`, and a default takes its place."""
    numbers = {name: _number(name, given[name], add) for name in _BOUNDS if name in given}
    settings = LedgerSettings(
        durability=_word(given.get("durability"), DURABILITIES, GROUP, add),
        strict=_word(given.get("strict"), ("true", "false"), "false", add) == "true",
        receipts=_word(given.get("receipts"), ("true", "false"), "false", add) == "true",
        second_directory=str(base / given["second_directory"].text) if "second_directory" in given else None,
        **{name: number for name, number in numbers.items() if number is not None},
    )
    _check(settings, given, add)
    return settings


def _check(settings: LedgerSettings, given: Mapping[str, Scalar], add: Add) -> None:
    mode = given.get("durability")
    if mode is not None and settings.strict and settings.durability != GROUP:
        hint = "write 'durability: group', or leave 'strict' out"
        add("PG922", mode, f"'strict' does not allow '{settings.durability}'", hint)
    if mode is not None and settings.durability in DURABILITIES[2:] and "second_directory" not in given:
        add("PG922", mode, f"'{settings.durability}' needs a 'second_directory'", "name one, best on another disk")
    if mode is not None and settings.durability == INTERVAL and "interval_ms" not in given:
        hint = "write 'interval_ms: 100' to accept that 100 ms of records can be lost"
        add("PG922", mode, "'interval' needs an 'interval_ms'", hint)
    if "interval_ms" in given and settings.durability != INTERVAL:
        hint = "leave it out, or write 'durability: interval'"
        add("PG922", given["interval_ms"], "'interval_ms' is for 'durability: interval' only", hint)


def _word(scalar: Scalar | None, allowed: tuple[str, ...], default: str, add: Add) -> str:
    if scalar is None or scalar.text in allowed:
        return default if scalar is None else scalar.text
    add("PG913", scalar, f"'{scalar.text}' is not allowed here", closest(scalar.text, allowed))
    return default


def _number(name: str, scalar: Scalar, add: Add) -> int | None:
    low, high = _BOUNDS[name]
    if _INTEGER.fullmatch(scalar.text) and low <= int(scalar.text) <= high:
        return int(scalar.text)
    add("PG914", scalar, f"'{scalar.text}' cannot be '{name}'", f"write a whole number from {low} to {high}")
    return None
