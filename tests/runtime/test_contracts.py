import io

import msgspec
import pytest
from rulebook import SIGN_UP_RULES, TODAY

from gateway.policy.compile import load_policy
from gateway.runtime import contracts
from gateway.runtime.contracts import ContractWatch, contract_days
from gateway.runtime.telemetry import configure

RECIPIENTS = """\
  mailer: {role: partner, hosts: [m.example], contract: {ref: A, expires: 2027-03-31}}
  lasting: {role: partner, hosts: [l.example], contract: {ref: A}}
  tally: {role: processor, hosts: [t.example], contract: {ref: B, expires: 2027-03-01}}
"""
POLICY = load_policy({"a.yaml": SIGN_UP_RULES.replace("routes:", RECIPIENTS + "routes:")}, today=TODAY)


@pytest.fixture
def on(monkeypatch):
    def day(text: str) -> None:
        monkeypatch.setattr(contracts, "today", lambda: text)

    return day


@pytest.mark.parametrize(
    ("day", "left"),
    [
        ("2027-02-28", {"mailer": 31, "tally": 1}),
        ("2027-03-01", {"mailer": 30, "tally": 0}),
        ("2027-03-02", {"mailer": 29, "tally": -1}),
        ("2027-03-31", {"mailer": 0, "tally": -30}),
    ],
)
def test_days_are_counted_for_contracts_that_end(on, day, left):
    on(day)

    assert contract_days(POLICY) == left


def test_each_day_warns_once_from_thirty_days_on(on):
    stream = io.StringIO()
    on("2027-02-27")
    watch = ContractWatch(configure("info", stream=stream))
    for day in ("2027-02-27", "2027-02-28", "2027-02-28", "2027-03-01", "2027-03-01", "2027-03-02", "2027-04-01"):
        on(day)
        watch.look(POLICY)

    lines = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]

    assert [(line["level"], line["event"], line["recipient"], line["days"]) for line in lines] == [
        ("warning", "contract ends", "tally", 1),
        ("warning", "contract ends", "mailer", 30),
        ("warning", "contract ends", "tally", 0),
        ("warning", "contract ends", "mailer", 29),
        ("warning", "contract has ended", "tally", -1),
        ("warning", "contract has ended", "mailer", -1),
        ("warning", "contract has ended", "tally", -31),
    ]
