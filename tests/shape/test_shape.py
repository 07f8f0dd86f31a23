"""The shape of the tree, as readers may rely on it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "gateway").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BROAD = re.compile(r"^\s*except (Exception|BaseException)\b|^\s*except:", re.MULTILINE)


def test_no_file_is_longer_than_400_lines():
    long = {str(path.relative_to(ROOT)): count for path in SOURCES + TESTS if (count := lines(path)) > 400}

    assert long == {}


def lines(path: Path) -> int:
    return path.read_text().count("\n")


def test_broad_handlers_stand_only_where_they_refuse():
    broad = {str(path.relative_to(ROOT)) for path in SOURCES if BROAD.search(path.read_text())}

    assert broad == {
        "gateway/ingress/forward.py",  # the adapter's guard: refuses
        "gateway/egress/guard.py",  # the adapter's guard: refuses
        "gateway/ingress/request_loop.py",  # beyond the guard: closes the connection and raises again
        "gateway/upstream/parent.py",  # closes the connection and raises again
        "gateway/upstream/pool.py",  # gives the connection's slot back and raises again
        "gateway/stores/sqlite.py",  # closes or rolls back and raises again
    }


@pytest.mark.parametrize("promise", range(1, 8))
def test_each_promise_has_tests_named_after_it(promise):
    assert any(f"def test_p{promise}_" in path.read_text() for path in TESTS)


def test_the_top_level_holds_what_it_should():
    ignored = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
    expected = {
        "pyproject.toml", "README.md", "gateway", "rules", "tests", "Dockerfile", ".ci", ".dockerignore", ".gitignore",
        "LICENSE", "Makefile", "CHANGELOG.md", "compose.yaml", "bench", "docs",
    }  # fmt: skip

    assert {path.name for path in ROOT.iterdir()} - ignored <= expected
