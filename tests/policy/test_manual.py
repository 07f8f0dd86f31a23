"""The manual of the rule language is held against the code."""

import re
from pathlib import Path

import pytest
import yaml

from gateway.model.action import Generalisation
from gateway.model.address import Place
from gateway.policy import forms, schema
from gateway.policy.compile import compile_policy

TEXT = (Path(__file__).parents[2] / "rules" / "README.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
BASE = {
    "controller": "controller: {name: Example GmbH}\n",
    "purposes": "purposes: {service: {basis: contract}, ads: {basis: consent}}\n",
    "recipients": 'recipients: {shop: {role: controller, upstream: "http://127.0.0.1:8000"}}\n',
    "routes": "routes: [{name: all, match: {path: /**}, to: shop, response: {rest: pass}}]\n",
}
UNUSED = {"PG404", "PG405"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n", 1)[0][:30])
def test_every_example_compiles_without_a_finding(example):
    text = example
    if not example.startswith("version:"):
        missing = [part for key, part in BASE.items() if key not in yaml.safe_load(example)]
        text = "version: 1\n" + "".join(missing) + example

    policy, diagnostics = compile_policy({"example.yaml": text}, today="2026-11-23")

    assert policy is not None, diagnostics
    assert {found.code for found in diagnostics} <= UNUSED


def test_there_are_examples_of_every_part():
    assert len(EXAMPLES) >= 7


def tables():
    """Each table of keys as the set of its names."""
    blocks = re.findall(r"^\| key \| \|\n\|---\|---\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [re.findall(r"^\| `([a-z_]+)` \| .+ \|$", block, re.MULTILINE) for block in blocks]


@pytest.mark.parametrize("shape", schema.SHAPES, ids=lambda shape: shape.name)
def test_every_key_is_explained_in_the_order_of_the_schema(shape):
    assert [key.name for key in shape.keys if not key.later] in tables()


def test_no_table_explains_a_key_that_does_not_exist():
    assert sorted(tables()) == sorted([key.name for key in shape.keys if not key.later] for shape in schema.SHAPES)


def test_every_posture_is_listed_with_its_choices():
    rows = re.findall(r"^\| `([a-z_]+)` \| ((?:`[a-z]+`(?:, )?)+) \|$", TEXT, re.MULTILINE)

    assert {name: tuple(re.findall(r"`([a-z]+)`", choices)) for name, choices in rows} == {
        str(posture): choices for posture, choices in forms.POSTURE_CHOICES.items()
    }


@pytest.mark.parametrize(
    "word",
    [
        *forms.SIMPLE_ACTIONS,
        *forms.LATER_WORDS,
        *forms.STREAMS,
        *Generalisation,
        *(f"{place}:name" for place in Place if place not in (Place.BODY, Place.HEADER, Place.HTML)),
        "header:Name",
    ],
)
def test_every_word_is_in_the_manual(word):
    assert f"`{word}`" in TEXT


def test_what_is_not_supported_is_said():
    later = TEXT.split("## Not in this version")[1].split("##")[0]

    for shape in schema.SHAPES:
        for key in shape.keys:
            assert not key.later or f"{key.name}:" in later
