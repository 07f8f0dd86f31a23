"""`audit export` from the outside: each form, and that no half a file appears."""

import csv
import io
import json
import os
import sys

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from rich.console import Console

from gateway.audit.commit import GroupWriter
from gateway.audit.tree import Tree
from gateway.cli import audit_export, counted
from gateway.cli.audit import command
from gateway.crypto.sign import SigningKey

ORIGIN = "example.org/log/w0"
ANN = "s1.AAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
def state(tmp_path):
    slot = tmp_path / "state" / "audit" / "w0"
    slot.mkdir(parents=True)
    key = SigningKey(ORIGIN, bytes(range(32)))
    writer = GroupWriter(slot, Tree(), key, origin=ORIGIN, opened={}, segment_bytes=1 << 20, segment_seconds=3600)
    writer.start(())
    for number in range(5):
        values = {
            "kind": "disclose",
            "method": "GET",
            "recipient": "=shop",
            "request": f"r{number}",
            "subject": ANN if number < 2 else None,
            "time": f"2026-11-23T13:00:0{number}.000000Z",
            "version": 1,
        }
        writer.append([(b"{", json.dumps(values, separators=(",", ":")).encode()[1:])])
    writer.close()
    return tmp_path / "state"


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(command, ["export", *(str(argument) for argument in arguments)])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result


def of_jsonl(path):
    return [(row["origin"], row["index"], row["leaf"]) for row in map(json.loads, path.read_text().splitlines())]


def of_csv(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["recipient"] for row in rows} <= {"'=shop", ""}
    return [(row["origin"], int(row["index"]), row["leaf"]) for row in rows]


def of_parquet(path):
    return [(row["origin"], row["index"], row["leaf"]) for row in pq.read_table(path).to_pylist()]


def of_ocsf(path):
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [(*event["metadata"]["uid"].rsplit(":", 1), event["unmapped"]["leaf"]) for event in events]


def of_cloudevents(path):
    events = [event for line in path.read_text().splitlines() for event in json.loads(line)]
    return [(*event["id"].rsplit(":", 1), event["leaf"]) for event in events]


READERS = {"jsonl": of_jsonl, "csv": of_csv, "parquet": of_parquet, "ocsf": of_ocsf, "cloudevents": of_cloudevents}


@pytest.mark.parametrize("form", READERS)
def test_each_row_of_each_form_traces_back_to_its_leaf(state, tmp_path, form):
    target = tmp_path / f"out.{form}"
    run("--state", state, "--format", form, "--kind", "disclose", "--output", target)
    shown = json.loads(
        CliRunner().invoke(command, ["search", "--state", str(state), "--kind", "disclose", "--json"]).stdout
    )
    assert [tuple(map(str, row)) for row in READERS[form](target)] == [
        (one["origin"], str(one["index"]), one["leaf"]) for one in shown
    ]
    assert len(shown) == 5
    assert [path.name for path in tmp_path.iterdir() if path != state] == [target.name]


@pytest.mark.parametrize("form", READERS)
def test_one_person_is_exported_by_the_index(state, tmp_path, form):
    target = tmp_path / f"out.{form}"
    run("--state", state, "--format", form, "--subject", ANN, "--output", target)
    assert len(READERS[form](target)) == 2
    assert (state / "audit" / "index.sqlite").exists()


@pytest.mark.parametrize("form", [form for form in READERS if form != "parquet"])
def test_text_goes_to_standard_output_too(state, tmp_path, form):
    target = tmp_path / "out"
    target.write_text(run("--state", state, "--format", form, "--kind", "disclose").stdout)
    assert len(READERS[form](target)) == 5


def test_json_is_jsonl(state):
    assert run("--state", state, "--format", "csv", "--json").stdout == run("--state", state).stdout


def test_parquet_needs_a_file(state):
    assert "--output" in run("--state", state, "--format", "parquet", exit_code=1).stderr


def test_parquet_without_pyarrow_says_what_to_install(state, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "gateway.audit.export_parquet", raising=False)
    result = run("--state", state, "--format", "parquet", "--output", tmp_path / "out", exit_code=1)
    assert "pip install 'privacy-gateway[archive]'" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", READERS)
def test_what_fails_halfway_leaves_the_old_file_and_nothing_else(state, tmp_path, monkeypatch, form):
    target = tmp_path / "out"
    target.write_text("what was there")
    path = next((state / "audit" / "w0" / "sealed").glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"r0"', b'"r0'))  # the oldest record, so the last one read
    result = run("--state", state, "--format", form, "--output", target, exit_code=1)
    assert "audit verify" in str(result.exception)
    assert target.read_text() == "what was there"
    assert [path for path in tmp_path.iterdir() if path != state] == [target]


def test_a_link_stays_one_and_a_pipe_is_written_into(state, tmp_path):
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    run("--state", state, "--output", link)
    assert link.is_symlink()
    assert target.read_text().count("\n") == 7
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run("--state", state, "--kind", "disclose", "--output", pipe)
    assert os.read(reader, 1 << 20).count(b"\n") == 5
    os.close(reader)
    assert pipe.is_fifo()


def test_a_directory_that_is_not_there_is_said(state, tmp_path):
    result = run("--state", state, "--output", tmp_path / "none" / "out", exit_code=1)
    assert isinstance(result.exception, FileNotFoundError)
    assert audit_export.PARQUET not in str(result.exception)


def test_records_are_counted_on_a_terminal(state, tmp_path, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr(counted, "errors", console)
    run("--state", state, "--format", "csv", "--output", tmp_path / "out")
    assert "7 records" in screen.getvalue()
    assert len(of_csv(tmp_path / "out")) == 7
