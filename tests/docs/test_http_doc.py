"""docs/http.md against the tree: every test that it names exists, every limit is the code's."""

import ast
import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

from gateway.model.limits import DEFAULT_LIMITS, Limits

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
PAGE = (ROOT / "docs" / "http.md").read_text()
STATES = {"done", "partly", "not done", "not applicable"}
UNITS = {"": 1, " s": 1, " KiB": 1024, " MiB": 1024 * 1024}
PROOF = re.compile(r"`([\w/]+\.py)::(\w+)`")


def table(heading: str) -> list[list[str]]:
    """The rows of the tables below a heading of the second level."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


BEHAVIOURS = [
    row
    for heading in (
        "Framing and parsing",
        "Header fields",
        "Rewritten bodies",
        "Interim, early, upgraded and streamed messages",
        "Connections, failures, TLS, other protocols",
    )
    for row in table(heading)
]
LAXITIES = table("What aiohttp lets through, and what closes it")
PROOFS = sorted(set(PROOF.findall(PAGE)))


@cache
def functions_of(name: str) -> frozenset[str]:
    tree = ast.parse((TESTS / name).read_text())
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize(("name", "test"), PROOFS, ids=["::".join(each) for each in PROOFS])
def test_a_test_that_the_page_names_exists(name, test):
    assert test in functions_of(name)


def test_every_code_span_that_looks_like_a_test_is_one():
    assert len(re.findall(r"::", PAGE)) == len(PROOF.findall(PAGE))


def test_every_behaviour_is_there_once_with_a_state():
    assert [row[0] for row in BEHAVIOURS] == [str(number) for number in range(1, 60)]
    assert {len(row) for row in BEHAVIOURS} == {5}
    assert {row[3] for row in BEHAVIOURS} == STATES


@pytest.mark.parametrize("row", BEHAVIOURS, ids=[row[0] for row in BEHAVIOURS])
def test_what_is_done_is_proved(row):
    proofs = PROOF.findall(row[4])
    if row[3] in ("done", "partly"):
        assert proofs
    assert ("Missing: " in row[1]) == (row[3] == "partly")


@pytest.mark.parametrize("row", LAXITIES, ids=[row[0][:40] for row in LAXITIES])
def test_every_laxity_is_closed_by_a_test(row):
    assert len(row) == 3
    assert PROOF.findall(row[2])


def test_every_limit_is_there_with_the_number_of_the_code():
    written = {}
    for name, default in table("Default limits"):
        number, unit = re.fullmatch(r"([\d.]+)( \w+)?", default).groups("")
        written[name.strip("`")] = float(number) * UNITS[unit]
    assert written == msgspec.structs.asdict(DEFAULT_LIMITS)
    assert list(written) == [field.name for field in msgspec.structs.fields(Limits)]


def test_the_floor_of_aiohttp():
    floor = re.search(r'"aiohttp>=([\d.]+)', (ROOT / "pyproject.toml").read_text())[1]
    assert [int(part) for part in floor.split(".")] >= [3, 14, 5]
