"""Every fault of the ledger's table has a test that is named after its row."""

import re
from pathlib import Path

ROWS = range(1, 33)
ELSEWHERE = {19}
"""Faults of PostgreSQL, which nothing here writes to yet."""


def test_each_row_has_a_test():
    names = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    found = {int(row) for row in re.findall(r"^(?:async )?def test_row_(\d+)_", names, re.MULTILINE)}
    assert set(ROWS) - found == ELSEWHERE
