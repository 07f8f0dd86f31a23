import pytest
from edits import edit_of

from gateway.documents.edit import Retain
from gateway.documents.item_array import array_named, item_array_of, needs_whole, path_of
from gateway.model.address import parse_address
from gateway.model.words import Rest


@pytest.mark.parametrize(
    ("addresses", "path"),
    [
        ([], ()),
        (["$.email"], ()),
        (["$[*].email", "$.total"], ()),
        (["$.items[*].email", "$.total", "$..phone"], ("items",)),
        (["$['data']['the items'][*]"], ("data", "the items")),
        (["$.items[*].a", "$.items[*].tags[*]"], ("items",)),
        (["$.items[*].a", "$.others[*].a"], None),
        (["$[*].a", "$.items[*].a"], None),
    ],
)
def test_the_array_is_the_one_whose_elements_are_named(addresses, path):
    assert path_of(map(parse_address, addresses)) == path


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("$.items[*].a", False),
        ("$.items[*]", False),
        ("$.items[*][0]", False),
        ("$.other[0]", False),
        ("$..a", False),
        ("$.items", True),
        ("$", True),
        ("$.items[0].a", True),
        ("$.items[-1]", True),
        ("$..[0]", True),
        ("$..items", True),
        ("$..*", True),
    ],
)
def test_what_selects_the_array_or_single_elements_needs_all_of_it(address, whole):
    assert needs_whole(parse_address(address), ("items",)) is whole
    found = item_array_of(edit_of(Rest.PASS, ("$.items[*].z", Retain()), (address, Retain())))
    assert (found is None) is whole


def test_an_address_that_descends_first_names_no_array():
    assert array_named(parse_address("$..items[*]")) is None


def test_it_is_worked_out_once():
    edit = edit_of(Rest.PASS, ("$.items[*].z", Retain()))
    assert item_array_of(edit) is item_array_of(edit)
    assert item_array_of(edit).skeleton == b'{"items":['
