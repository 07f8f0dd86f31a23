"""Sums over time for a plot: hours, days, weeks or months, whichever gives few enough bars to be read."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

FLOWS = ("collected", "disclosed", "returned", "withheld")
"""What can become of a value: to the controller's own service, to others, to the person, nowhere."""
MOST_PERIODS = 62

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Period(msgspec.Struct, frozen=True):
    """Values by flow in one hour, day, week (from Monday) or month of UTC; `start` is `YYYY-MM-DD`, or with `THH`."""

    start: str
    unit: str
    counts: dict[str, int]

    @property
    def label(self) -> str:
        """The start as a person reads it: a day, or an hour of one."""
        return self.start.replace("T", " ") + ":00" if self.unit == "hour" else self.start


def periods_of(flows: Iterable[tuple[str, str, int]]) -> tuple[Period, ...]:
    """Time (as records write it), flow and count of each value, summed up; periods without any are among them.

    The unit is the smallest with at most `MOST_PERIODS` from the first time to the last. Of months, the last
    that many are kept.
    """
    found = [(_moment(time), flow, count) for time, flow, count in flows]
    if not found:
        return ()
    first, last = min(found)[0], max(found)[0]
    unit, floor, following = next(
        (each for each in _UNITS if _steps(each[1](first), last, each[2]) <= MOST_PERIODS), _UNITS[-1]
    )
    sums: dict[datetime, Counter[str]] = {start: Counter() for start in _starts(floor(first), last, following)}
    for moment, flow, count in found:
        sums[floor(moment)][flow] += count
    shown = list(sums.items())[-MOST_PERIODS:]
    form = "%Y-%m-%dT%H" if unit == "hour" else "%Y-%m-%d"
    return tuple(Period(start.strftime(form), unit, {flow: counts[flow] for flow in FLOWS}) for start, counts in shown)


def _moment(time: str) -> datetime:
    return datetime.fromisoformat(time[:19]).replace(tzinfo=UTC)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _week(moment: datetime) -> datetime:
    return _day(moment) - moment.weekday() * _DAY


def _month(moment: datetime) -> datetime:
    return _day(moment).replace(day=1)


_Step = Callable[[datetime], datetime]
_UNITS: tuple[tuple[str, _Step, _Step], ...] = (
    ("hour", _hour, lambda start: start + _HOUR),
    ("day", _day, lambda start: start + _DAY),
    ("week", _week, lambda start: start + 7 * _DAY),
    ("month", _month, lambda start: _month(start + 31 * _DAY)),
)


def _starts(start: datetime, last: datetime, following: _Step) -> Iterator[datetime]:
    while start <= last:
        yield start
        start = following(start)


def _steps(start: datetime, last: datetime, following: _Step) -> int:
    """How many periods there are, as far as `MOST_PERIODS` and one more."""
    steps = 0
    for _ in _starts(start, last, following):
        steps += 1
        if steps > MOST_PERIODS:
            break
    return steps
