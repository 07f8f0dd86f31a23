import json
from datetime import UTC, datetime

import pytest
from legal import registered
from retained import Retained, at, line

from gateway.audit.operator_log import operator_records
from gateway.cli import audit_prune as module
from gateway.cli.main import main
from gateway.model.words import Kind, LegalStatus
from gateway.runtime.legal_requests import Register
from gateway.stores.keyfile import create_keys
from gateway.stores.legal_request import CONSENTS, Scope


@pytest.fixture
def state(tmp_path, monkeypatch):
    create_keys(tmp_path)
    Retained(tmp_path / "audit").write("w0", 1, 5, 9)
    monkeypatch.setattr(module, "_now", lambda: datetime(2026, 11, 9, 13, 0, 10, tzinfo=UTC))
    return tmp_path


@pytest.fixture
def run(state, capsys):
    def run(*arguments, status=0):
        with pytest.raises(SystemExit) as left:
            main(["audit", "prune", "--state", str(state), *arguments])
        printed = capsys.readouterr()
        assert left.value.code == status, printed
        return printed

    return run


def bodies(state):
    return Retained(state / "audit").bodies("w0")


def test_a_dry_run_lists_and_changes_nothing(run, state):
    before = sorted(state.rglob("*"))
    text = run("--older-than", "3d", "--dry-run").out
    assert "seg-000000000000.jsonl" in text
    assert at(5, 3) in text
    assert "2 segment(s) would go" in text
    told = json.loads(run("--older-than", "3d", "--dry-run", "--json").out)
    assert told["segments"][0] == {
        "slot": "w0",
        "segment": "seg-000000000000.jsonl",
        "from": at(1),
        "to": at(1, 3),
        "leaves": 10,
        "bytes": (state / "audit/w0/sealed/seg-000000000000.jsonl").stat().st_size,
    }
    assert sorted(state.rglob("*")) == before


def test_what_is_old_goes_with_a_record_of_why(run, state):
    assert "2 segment(s) deleted" in run("--older-than", "3d", "--by", "ops").out
    assert bodies(state) == ["seg-000000000020.jsonl"]
    found = [record for _, record in operator_records(state / "audit", Kind.PRUNE)]
    assert [(record["policy"], record["by"]) for record in found] == [("retention 3d", "ops")] * 2


def test_a_date_does_as_well_as_an_age(run, state):
    told = json.loads(run("--before", "2026-11-02", "--slot", "w0", "--json").out)
    assert told["deleted"] == ["w0/seg-000000000000.jsonl"]
    (record,) = (record for _, record in operator_records(state / "audit", Kind.PRUNE))
    assert record["policy"] == "before 2026-11-02T00:00:00.000000Z"
    # What the command recorded is of today, after the day of this test.
    assert "no segment is old enough" in run("--before", "2026-11-02", "--confirm-clock").out
    assert json.loads(run("--before", "2026-11-28", "--slot", "w9", "--json", "--confirm-clock").out)["segments"] == []


def test_with_anchored_heads_it_takes_two_runs(run, state):
    retained = Retained(state / "audit")
    retained.heads(day=9)
    text = run("--older-than", "3d").out
    assert "0 segment(s) deleted" in text
    assert "2 segment(s) are recorded and wait" in text
    assert len(bodies(state)) == 3


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_clock_that_jumped_deletes_nothing_until_somebody_confirms_it(run, state, flags):
    writer = Retained(state / "audit").start("w1", 9)
    writer.append([line("clock", at(9), was=at(1))])
    writer.close()
    printed = run("--older-than", "3d", *flags, status=1)
    assert "the clock jumped from" in printed.out + printed.err
    assert "--confirm-clock" in printed.out + printed.err
    assert "the clock jumped from" in run("--older-than", "3d", "--dry-run").err
    assert len(bodies(state)) == 3
    run("--older-than", "3d", "--confirm-clock", *flags)
    assert len(bodies(state)) == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--older-than", "3d", "--before", "2026-11-02"], ["--older-than", "3"], ["--older-than", "0d"]]
)
def test_wrong_usage_deletes_nothing(run, state, arguments):
    run(*arguments, status=1)
    assert len(bodies(state)) == 3


def test_that_a_legal_request_waits_for_records_is_said(run, state):
    request, decisions = registered(state, "ann"), registered(state, "ann", scope=Scope(what=(CONSENTS,)))
    said = run("--older-than", "3d", "--dry-run").err
    assert f"the legal request {request} is open" in said
    assert decisions not in said
    with Register(state) as register:
        register.decide(request, LegalStatus.REJECTED, by="otto", because="no right")
    assert request not in run("--older-than", "3d", "--dry-run").err
