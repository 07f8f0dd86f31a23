"""The bench of a large ledger, tried with a small one."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"


def run(tmp_path, *arguments):
    program = [sys.executable, str(BENCH / "ledger_scale.py"), "--directory", str(tmp_path), *arguments]
    output = ("--output", str(tmp_path / "out.json"))
    environment = {"PYTHONPATH": str(BENCH.parent), "PATH": "/usr/bin:/bin"}
    return subprocess.run([*program, *output], capture_output=True, text=True, check=False, env=environment)


def test_it_measures_all_and_leaves_nothing_behind(tmp_path):
    done = run(tmp_path, "--records", "3000")

    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["records"] == 3000
    assert found["verify"]["as called"]["records_per_second"] > 0
    assert found["index"]["records"] >= 3000
    assert found["index"]["peak_bytes"] > 1_000_000
    assert found["search"]["subject, 50 newest"]["found"] == 50
    assert "subject, 50 newest" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_it_says_first_where_there_is_no_room(tmp_path):
    done = run(tmp_path, "--records", str(10**14))

    assert done.returncode == 1
    assert "needs about 120000000.0 GB" in done.stdout
    assert "not enough room" in done.stderr
    assert list(tmp_path.iterdir()) == []
