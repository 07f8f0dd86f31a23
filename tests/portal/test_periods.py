"""Sums over time: nothing is lost, and there are never more bars than can be read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.periods import FLOWS, MOST_PERIODS, periods_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize(
    ("times", "unit", "starts"),
    [
        (["2026-11-23T13:07:25.1Z"], "hour", ["2026-11-23T13"]),
        (["2026-11-23T23:59:59.9Z", "2026-11-24T00:00:00.0Z"], "hour", ["2026-11-23T23", "2026-11-24T00"]),
        (["2026-11-23T00:00:00.0Z", "2026-11-25T13:59:59.0Z"], "hour", None),
        (["2026-11-23T00:00:00.0Z", "2026-11-25T14:00:00.0Z"], "day", ["2026-11-23", "2026-11-24", "2026-11-25"]),
        (["2026-01-01T00:00:00.0Z", "2026-03-03T23:00:00.0Z"], "day", None),
        (["2026-01-01T00:00:00.0Z", "2026-03-04T00:00:00.0Z"], "week", None),
        (["2024-01-15T00:00:00.0Z", "2026-01-15T00:00:00.0Z"], "month", None),
    ],
)  # fmt: skip
def test_the_unit_follows_from_the_span(times, unit, starts):
    periods = periods_of((time, "collected", 1) for time in times)

    assert {period.unit for period in periods} == {unit}
    assert len(periods) <= MOST_PERIODS
    assert starts is None or [period.start for period in periods] == starts
    assert sum(period.counts["collected"] for period in periods) == len(times)


def test_weeks_begin_on_monday_and_months_on_the_first():
    weeks = periods_of((text(START + timedelta(days=100 * n)), "disclosed", 1) for n in range(3))
    months = periods_of((text(START + timedelta(days=400 * n)), "disclosed", 1) for n in range(3))

    assert {datetime.fromisoformat(week.start).weekday() for week in weeks} == {0}
    assert {month.start[-3:] for month in months} == {"-01"}
    assert [month.start[:7] for month in months] == sorted({month.start[:7] for month in months})


@given(
    st.lists(
        st.tuples(st.integers(0, 5 * 365 * 24 * 3600), st.sampled_from(FLOWS), st.integers(0, 9)),
        min_size=1,
        max_size=30,
    )
)
def test_every_value_is_in_one_period(values):
    flows = [(text(START + timedelta(seconds=seconds)), flow, count) for seconds, flow, count in values]
    periods = periods_of(flows)

    assert 1 <= len(periods) <= MOST_PERIODS
    for flow in FLOWS:
        assert sum(period.counts[flow] for period in periods) == sum(count for _, each, count in flows if each == flow)


def test_of_more_months_than_fit_the_last_are_kept():
    periods = periods_of([("1999-01-01T00:00:00.0Z", "collected", 1), ("2026-11-23T00:00:00.0Z", "collected", 2)])

    assert (len(periods), periods[-1].start, sum(each.counts["collected"] for each in periods)) == (62, "2026-11-01", 2)


def test_nothing_has_no_periods():
    assert periods_of([]) == ()
