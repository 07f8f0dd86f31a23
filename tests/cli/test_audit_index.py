"""`audit index`, `audit search` and `audit show` from the outside: by the index, and without it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from gateway.audit.commit import GroupWriter
from gateway.audit.index_file import BUILDING, LOCK, NAME
from gateway.audit.tree import Tree
from gateway.cli import audit_index
from gateway.cli.audit import command
from gateway.crypto.sign import SigningKey

ROOT = Path(__file__).parents[2]
ANN, BOB = "s1.AAAAAAAAAAAAAAAAAAAAAA", "s1.BBBBBBBBBBBBBBBBBBBBBA"


def record(number, **more):
    fields = [
        {"class": name, "purpose": why} for name, why in (("user.name", "service"), ("user.contact.email", "ads"))
    ]
    values = {
        "fields": fields[: number % 3] or None,
        "kind": "disclose",
        "recipient": ("shop", "mailer")[number % 2],
        "request": f"r{number}",
        "route": "pay",
        "subject": (ANN, BOB)[number % 2],
        "time": f"2026-11-23T13:00:0{number}.000000Z",
        "version": 1,
    } | more
    return b"{", json.dumps(dict(sorted(values.items())), separators=(",", ":")).encode()[1:]


def write(slot, numbers):
    slot.mkdir(parents=True)
    key = SigningKey(f"example.org/log/{slot.name}", bytes(range(32)))
    times = iter(range(100))
    writer = GroupWriter(
        slot, Tree(), key, origin=key.name, opened={}, segment_bytes=1 << 20, segment_seconds=3600,
        clock=lambda: f"2026-11-23T12:00:00.0000{next(times):02}Z",
    )  # fmt: skip
    writer.start(())
    writer.append([record(number) for number in numbers])
    return writer


@pytest.fixture
def state(tmp_path):
    write(tmp_path / "audit" / "w0", (0, 2, 4)).close()
    write(tmp_path / "audit" / "w1", (1, 3, 5)).abandon()
    return tmp_path


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result


def answer(*arguments):
    result = run(*arguments, "--json")
    assert "note" not in result.stderr
    return json.loads(result.stdout)


def requests(entries):
    return [entry["record"]["request"] for entry in entries]


def test_index_says_what_it_has(state):
    first = answer("index", "--state", state)
    assert (first["records"], first["added"]) == (9, 9)  # 6 disclosures, 2 open, 1 close
    assert first["path"] == str(state / "audit" / NAME)
    assert first["bytes"] == (state / "audit" / NAME).stat().st_size
    assert answer("index", "--state", state)["added"] == 0
    assert answer("index", "--state", state, "--rebuild")["added"] == 9
    text = run("index", "--state", state).stdout
    assert "9 records, 0 of them new" in text


def test_search_makes_and_uses_the_index(state):
    assert requests(answer("search", "--state", state, "--kind", "disclose")) == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert (state / "audit" / NAME).exists()
    assert requests(answer("search", "--state", state, "--subject", ANN, "--since", "2026-11-23T13:00:02Z")) == [
        "r4",
        "r2",
    ]
    assert requests(answer("search", "--state", state / "audit", "--subject", BOB, "--limit", 1)) == ["r5"]


def test_search_reads_only_the_records_that_it_shows(state):
    """Were the log searched, the broken line would be met."""
    run("index", "--state", state)
    [path] = (state / "audit" / "w0").glob("sealed/*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"r0"', b'"r0 ', 1))
    assert requests(answer("search", "--state", state, "--subject", ANN, "--limit", 2)) == ["r4", "r2"]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (None, {}),
        ("recipient", {"mailer": 3, "shop": 3}),
        ("kind", {"disclose": 6}),
        ("route", {"pay": 6}),
        ("purpose", {"service": 4, "ads": 2, "": 2}),
        ("class", {"user.name": 4, "user.contact.email": 2, "": 2}),
    ],
)
def test_counts_are_those_of_the_index_and_of_the_log(state, by, expected):
    arguments = ["search", "--state", state, "--count", "--kind", "disclose", *(["--by", by] if by else [])]
    counted = answer(*arguments)
    assert counted["records"] == 6
    assert counted.get("values", {}) == expected
    (state / "audit" / NAME).unlink()
    (state / "audit" / BUILDING).mkdir()
    scanned = run(*arguments, "--json")
    assert "the log itself is read" in scanned.stderr
    assert json.loads(scanned.stdout) == counted


def test_counts_for_people(state):
    text = run("search", "--state", state, "--by", "purpose", "--kind", "disclose").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines == [["purpose", "records"], ["service", "4"], ["-", "2"], ["ads", "2"], ["6", "records", "in", "all"]]
    assert run("search", "--state", state, "--count", "--request", "r1").stdout == "1 record in all\n"
    assert run("search", "--state", state, "--by", "purpose", "--request", "none").stdout == "0 records in all\n"
    only = answer("search", "--state", state, "--by", "purpose", "--class", "contact.email")
    assert only == {"records": 2, "by": "purpose", "values": {"ads": 2}}


def test_show_finds_a_request_with_its_checkpoint(state):
    [shown] = answer("show", "r2", "--state", state)
    assert (shown["entry"]["slot"], shown["entry"]["index"], shown["checkpoint"]["size"]) == ("w0", 3, 5)
    (state / "audit" / LOCK).unlink()
    (state / "audit" / LOCK).mkdir()
    result = run("show", "r2", "--state", state, "--json")
    assert "cannot be written" in result.stderr
    assert json.loads(result.stdout) == [shown]
    run("show", "r2", "--state", state, "--slot", "w1", exit_code=1)


def test_where_the_index_cannot_be_written_the_log_is_read_and_a_note_says_so(state):
    (state / "audit" / LOCK).mkdir()
    result = run("search", "--state", state, "--json", "--subject", ANN)
    assert requests(json.loads(result.stdout)) == ["r4", "r2", "r0"]
    assert result.stderr == "note: the index cannot be written (Is a directory); the log itself is read\n"
    assert "cannot be written" in str(run("index", "--state", state, exit_code=1).exception)
    assert not (state / "audit" / NAME).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(state):
    (state / "audit").chmod(0o500)
    result = run("search", "--state", state, "--json", "--subject", ANN)
    assert requests(json.loads(result.stdout)) == ["r4", "r2", "r0"]
    assert "Permission denied" in result.stderr


def test_a_damaged_index_is_built_anew_in_the_middle_of_a_search(state):
    run("index", "--state", state)
    path = state / "audit" / NAME
    data = path.read_bytes()
    page = 4096
    # The first page, which says what the file is, and the tables of slots and segments stay.
    root = json.loads(subprocess.check_output([sys.executable, "-c", ROOTPAGE, str(path)]))
    for number in root:
        data = data[: (number - 1) * page] + b"\xff" * page + data[number * page :]
    path.write_bytes(data)
    result = run("search", "--state", state, "--json", "--subject", ANN)
    assert requests(json.loads(result.stdout)) == ["r4", "r2", "r0"]
    assert result.stderr == "note: the index is damaged and is built anew\n"
    assert run("search", "--state", state, "--json", "--subject", ANN).stderr == ""


ROOTPAGE = """
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("SELECT rootpage FROM sqlite_schema WHERE name LIKE 'record%'").fetchall()
print(json.dumps([page for page, in rows]))
"""


def test_a_stale_index_ends_the_command_and_shows_nothing(state):
    run("index", "--state", state)
    [path] = (state / "audit" / "w0").glob("sealed/*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"r0"', b'"r9"'))
    program = [sys.executable, "-m", "gateway", "audit", "search", "--state", str(state), "--subject", ANN]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "the index is stale: run `privacy-gateway audit index --rebuild`" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_slot_alone_has_no_index(state):
    slot = state / "audit" / "w0"
    assert requests(answer("search", "--state", slot, "--kind", "disclose")) == ["r4", "r2", "r0"]
    assert not (state / "audit" / NAME).exists()
    assert "state directory" in json.loads(run("index", "--state", slot, "--json", exit_code=1).stdout)["error"]


def test_a_bar_is_shown_on_a_terminal_where_much_is_read(state, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(audit_index, "errors", Console(file=screen, force_terminal=True, width=80))
    run("index", "--state", state)
    assert "indexing" not in screen.getvalue()
    monkeypatch.setattr(audit_index, "MIB", 1)
    run("index", "--state", state, "--rebuild")
    assert "indexing" in screen.getvalue()
