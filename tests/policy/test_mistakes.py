"""Rule files with mistakes. Below a line, `#   ^ CODE hint` says what is found at the caret's column;
`#<` stands for column 1. Everything that is found has to be announced, and nothing else may be."""

import re
from pathlib import Path

import pytest

from gateway.model.errors import Severity
from gateway.policy.codes import CODES
from gateway.policy.compile import compile_policy

TODAY = "2026-11-23"
FOLDER = Path(__file__).parent / "mistakes"
FILES = sorted(FOLDER.glob("*.yaml"))
MARKER = re.compile(r"#(?:(?P<first><)| *\^) (?P<code>PG\d{3})\s*(?P<hint>.*)")


def announced(text):
    found, line = [], 0
    for number, content in enumerate(text.splitlines(), 1):
        marker = MARKER.fullmatch(content)
        if marker is None:
            line = number
            continue
        column = 1 if marker["first"] else content.index("^") + 1
        found.append((line, column, marker["code"], marker["hint"]))
    return sorted(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_mistake_is_found_at_its_place(path):
    text = path.read_text()
    expected = announced(text)

    policy, diagnostics = compile_policy({path.name: text}, today=TODAY)
    actual = sorted((found.line, found.column, found.code) for found in diagnostics)

    assert [(line, column, code) for line, column, code, _ in expected] == actual
    for line, column, code, hint in expected:
        texts = [d.message + " " + d.hint for d in diagnostics if (d.line, d.column, d.code) == (line, column, code)]
        assert any(hint in text for text in texts), (code, hint, texts)
    assert {found.severity for found in diagnostics if found.code != "PG301"} <= {Severity.ERROR, Severity.WARNING}
    failed = any(found.severity is Severity.ERROR for found in diagnostics)
    assert (policy is None) == failed


def test_twelve_mistakes_give_twelve_errors():
    text = (FOLDER / "twelve.yaml").read_text()

    _, diagnostics = compile_policy({"twelve.yaml": text}, today=TODAY)
    errors = [found for found in diagnostics if found.severity is Severity.ERROR]

    assert len({(found.line, found.column) for found in errors}) == len(errors) == 12


def test_every_code_is_provoked():
    provoked = {code for path in FILES for _, _, code, _ in announced(path.read_text())}

    assert provoked == set(CODES)


def test_severities_follow_the_table():
    for path in FILES:
        _, diagnostics = compile_policy({path.name: path.read_text()}, today=TODAY)
        for found in diagnostics:
            if found.code != "PG301":  # only a warning where a route merely observes
                assert found.severity is CODES[found.code].severity, found
