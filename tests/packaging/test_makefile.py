import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def planned(*words, cwd=ROOT):
    # Run by `make test`, the inner make would otherwise announce its directory and take over options.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    command = ["make", "--no-print-directory", "-n", *words]
    done = subprocess.run(command, cwd=cwd, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


CHECKS = ["--editable '.[test]'", "ruff check .", "ruff format --check", "mypy", "lint-imports"]


@pytest.mark.parametrize(
    ("target", "steps"),
    [
        ("demo", ["-m venv fresh", "pip", "install --editable .", "privacy-gateway demo"]),
        ("test", ["-m venv fresh", *CHECKS, "-m pytest"]),
        ("check", ["-m venv fresh", *CHECKS]),
        ("bench", ["-m venv fresh", "install --editable '.[egress]'", "bench/run.py"]),
    ],
)
def test_from_nothing_each_target_does_its_steps_in_order(target, steps):
    text = planned(target, "VENV=fresh", "BENCH_VENV=fresh-bench")

    places = [text.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_check_runs_no_tests():
    assert "pytest" not in planned("check", "VENV=fresh")


def test_a_second_run_installs_nothing(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("bin/python", ".installed", ".installed-test"):
        (tmp_path / ".venv" / name).touch()

    assert "install" not in planned("test", cwd=tmp_path)
    assert "install" not in planned("demo", cwd=tmp_path)


def test_arguments_are_handed_on():
    assert "bench/run.py --quick" in planned("bench", "VENV=fresh", "ARGS=--quick")
    for bench in ("curves", "egress"):
        assert f"bench/{bench}.py --quick" in planned("bench", "VENV=fresh", f"BENCH={bench}", "ARGS=--quick")


def test_help_names_every_target():
    text = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()

    assert {f"make {target}" for target in targets} - {"make help", "make clean"} <= set(re.findall(r"make \w+", text))
