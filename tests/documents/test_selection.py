import doctest

import pytest

from gateway.documents import selection
from gateway.documents.edit import FieldEdit, PartEdit, Remove, Replace, Retain
from gateway.documents.selection import NOTHING, automaton_for_reading, automaton_of
from gateway.model.address import parse_address
from gateway.model.words import Rest


def edit_of(*fields):
    return PartEdit(
        tuple(FieldEdit(index + 1, parse_address(text), operation) for index, (text, operation) in enumerate(fields)),
        Rest.PASS,
        len(fields) + 1,
    )


def test_the_example():
    assert doctest.testmod(selection).failed == 0


def test_compiled_once_for_each_edit():
    edit = edit_of(("$.a", Retain()))
    assert automaton_of(edit) is automaton_of(edit)
    assert automaton_of(edit_of(("$.a", Retain()))) is automaton_of(edit)
    assert automaton_of(edit_of(("$.a", Remove()))) is not automaton_of(edit)


def test_what_is_compiled_lives_and_ends_with_its_edit():
    edit = edit_of(("$.a", Retain()))
    assert edit.compiled == []
    automaton = automaton_of(edit)
    assert edit.compiled == [automaton]


def test_the_store_for_reading_is_bounded(monkeypatch):
    monkeypatch.setattr(selection, "_MOST_KEPT", 3)
    for name in "abcdefgh":
        automaton_for_reading(parse_address(f"$.{name}"))
    assert len(selection._reads) <= 3


def test_names_are_sorted_by_what_becomes_of_them():
    root = automaton_of(
        edit_of(("$.keep", Retain()), ("$.go", Remove()), ("$.change", Replace(str)), ("$.deep.er", Retain()))
    ).root
    root.expand()
    assert root.retained == {"keep": 1}
    assert root.retained_counts == [0, 1, 0, 0, 0]
    assert root.removed == {"go": 2}
    assert set(root.active) == {"change", "deep"}
    assert root.other is None


def test_what_comes_later_never_wins_below_a_match():
    root = automaton_of(edit_of(("$.a", Retain()), ("$.a.b", Remove()))).root
    node = root.child("a")
    assert (node.match, node.pending) == (0, NOTHING)
    root = automaton_of(edit_of(("$.a.b", Remove()), ("$.a", Retain()))).root
    node = root.child("a")
    assert (node.match, node.pending) == (1, 0)
    assert node.child("b").match == 0


@pytest.mark.parametrize(
    ("address", "index", "length", "matches"),
    [
        ("$[0]", 0, 3, True),
        ("$[0]", 1, 3, False),
        ("$[-1]", 2, 3, True),
        ("$[-3]", 0, 3, True),
        ("$[-4]", 0, 3, False),
        ("$[*]", 1, 3, True),
        ("$..[1]", 1, 3, True),
        ("$.a", 0, 3, False),
    ],
)
def test_elements(address, index, length, matches):
    node = automaton_for_reading(parse_address(address)).root.element(index, length)
    assert (node is not None and node.match != NOTHING) == matches


def test_descent_makes_no_more_nodes_than_it_has_states():
    automaton = automaton_for_reading(parse_address("$..a..b"))
    node = automaton.root
    for name in "xaxbxaxbxaxaxbb":
        node = node.child(name)
    assert node.match == 0
    assert len(automaton._nodes) <= 4
