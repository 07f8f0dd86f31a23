from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.words import Role
from gateway.policy.contracts import days_left
from gateway.policy.decide import contract_end
from gateway.policy.policy import Contract, Recipient


@pytest.mark.parametrize(
    ("contract", "left"),
    [
        (None, None),
        (Contract("A"), None),
        (Contract("A", "2026-11-23"), 0),
        (Contract("A", "2026-11-22"), -1),
        (Contract("A", "2027-11-23"), 365),
    ],
)
def test_the_last_day_counts(contract, left):
    assert days_left(contract, date(2026, 11, 23)) == left


@given(st.dates(date(1971, 1, 1), date(2200, 1, 1)), st.integers(-400, 400), st.integers(0, 86_399))
def test_what_is_warned_of_is_what_refuses(last, days, second):
    contract = Contract("A", last.isoformat())
    today = last + timedelta(days=days)
    now = datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp() + second

    ended = now >= contract_end(Recipient("mailer", Role.PROCESSOR, contract=contract))

    assert ended == (days_left(contract, today) < 0)
