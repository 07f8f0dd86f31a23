import pytest

from gateway.model.action import Blank, Block, Drop, Generalisation, Generalise, Hash, Keep, Mask, Pseudonym
from gateway.policy import forms
from gateway.policy.actions import read_action
from gateway.policy.reader import Reader
from gateway.policy.report import Report
from gateway.policy.source import read_source


def read(text):
    report = Report()
    root = read_source("a.yaml", f"as: {text}", report)
    return read_action(Reader(report), root.entries[0][1]), [found.code for found in report.diagnostics]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("keep", Keep()),
        ("drop", Drop()),
        ("blank", Blank()),
        ("mask", Mask()),
        ("hash", Hash()),
        ("pseudonym", Pseudonym()),
        ("block", Block()),
        ("{mask: {}}", Mask()),
        ("{mask: {keep_first: 2, keep_last: 4, character: '#'}}", Mask(2, 4, "#")),
        ("{mask: {character: •}}", Mask(character="•")),
        *((f"{{generalise: {word}}}", Generalise(word)) for word in Generalisation),
    ],
)
def test_an_action_is_a_word_or_a_word_with_settings(text, action):
    assert read(text) == (action, [])


def test_every_word_of_the_schema_can_be_read():
    assert all(read(word)[0] is not None for word in forms.SIMPLE_ACTIONS)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Keep", "PG107"),
        ("generalise", "PG108"),
        ("{generalise: week}", "PG107"),
        ("{generalise: {to: year}}", "PG104"),
        ("{}", "PG108"),
        ("{mask: {}, drop: {}}", "PG108"),
        ("{drop: {}}", "PG108"),
        ("{mask: {keep_last: '4'}}", "PG108"),
        ("{mask: {keep_last: 4.0}}", "PG108"),
        ("{mask: {character: ''}}", "PG104"),
        ("{mask: {character: ab}}", "PG108"),
        ("{mask: 4}", "PG104"),
        ("[keep]", "PG104"),
        ("~", "PG104"),
        *((word, "PG111") for word in forms.LATER_WORDS),
        *((f"{{{word}: {{}}}}", "PG111") for word in forms.LATER_WORDS),
        ("{shred: {}}", "PG107"),
    ],
)
def test_anything_else_is_one_diagnostic_and_no_action(text, code):
    assert read(text) == (None, [code])
