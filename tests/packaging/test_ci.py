import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "run"
NEEDED = ("make", "nginx", "curl", "openssl", "chromium", "npm", "node")


@pytest.fixture
def programs(tmp_path):
    """A PATH with what a shell script needs, stand-ins for the programs of the tests, and no package manager."""
    for name in ("bash", "dirname", "id", "env", "timeout", "mktemp", "rm", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    for name in (*NEEDED, "python3"):
        stub = tmp_path / name
        stub.write_text(f"#!/bin/sh\necho {name} $*\n")
        stub.chmod(0o755)
    return tmp_path


def run(programs):
    environment = dict(os.environ, PATH=str(programs))
    return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)


def test_is_an_executable_script_that_bash_accepts():
    assert os.access(SCRIPT, os.X_OK)
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0


def test_runs_the_tests(programs):
    done = run(programs)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("make test ARGS=")


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_program_fails_instead_of_skipping(programs, name):
    (programs / name).unlink()

    done = run(programs)

    assert done.returncode != 0
    assert name in done.stderr
    assert "make test" not in done.stdout


def test_axe_core_comes_before_the_tests_and_without_it_nothing_runs(programs):
    assert run(programs).stdout.startswith("npm ci --prefix tests/browser ")

    (programs / "npm").write_text("#!/bin/sh\nexit 1\n")

    done = run(programs)
    assert done.returncode != 0
    assert "make test" not in done.stdout


def test_a_python_that_cannot_make_environments_fails(programs):
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")

    done = run(programs)

    assert done.returncode != 0
    assert "python3-venv" in done.stderr


def test_failing_tests_fail_the_run(programs):
    (programs / "make").write_text("#!/bin/sh\nexit 2\n")

    assert run(programs).returncode == 2
