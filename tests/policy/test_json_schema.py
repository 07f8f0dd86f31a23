import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from gateway.policy import schema
from gateway.policy.compile import compile_policy
from gateway.policy.json_schema import rule_schema

RULES = Path(__file__).parents[2] / "rules"
MISTAKES = Path(__file__).parent / "mistakes"
VALIDATOR = Draft202012Validator(rule_schema())
OTHERS = {".cases", ".gateway"}
EXAMPLES = sorted(path for path in RULES.rglob("*.yaml") if path.parent != RULES and OTHERS.isdisjoint(path.suffixes))


class Loader(yaml.SafeLoader):
    """YAML 1.2 as editors read it: days are text, and only true and false are booleans."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile("^(true|false)$"), list("tf"))


def errors(text):
    return list(VALIDATOR.iter_errors(yaml.load(text, Loader=Loader)))


def test_the_published_file_is_this_schema():
    assert json.loads((RULES / "schema.json").read_text()) == rule_schema()
    Draft202012Validator.check_schema(rule_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(path):
    assert errors(path.read_text()) == []


def test_there_is_an_example():
    assert EXAMPLES


BASE = """\
version: 1
controller: {name: Example GmbH}
purposes: {service: {basis: contract}}
recipients:
  shop: {role: controller, upstream: "http://127.0.0.1:8000", contract: {ref: A, expires: 2027-03-31}}
routes:
  - name: all
    match: {host: [a.example], method: POST, path: "/{id}"}
    to: shop
    subject: {field: $.email}
    request:
      fields:
        $.a: {is: name, for: service, as: {mask: {keep_last: 4}}, otherwise: {generalise: year}}
        path:id: {is: user.name, for: service}
      rest: {body: drop}
    response: {rest: pass}
    stream: [websocket]
    body_limit: 1MiB
postures: {audit_unavailable: strip}
"""


def test_the_base_of_the_mistakes_is_valid():
    assert errors(BASE) == []
    assert compile_policy({"a.yaml": BASE}, today="2026-11-23")[0]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("version: 1", "version: 2"),
        ("version: 1\n", ""),
        ("name: Example GmbH", "nam: Example GmbH"),
        ("basis: contract", "basis: consnt"),
        ("{basis: contract}", "{}"),
        ("role: controller", "role: owner"),
        ("8000", "8000/base"),
        ("2027-03-31", "2027"),
        ("- name: all", "- nam: all"),
        ("path: ", "paths: "),
        ("method: POST", "method: post"),
        ("is: name", "is: nickname"),
        ("$.a:", "a:"),
        ("keep_last: 4", "keep_last: -4"),
        ("mask:", "seal:"),
        ("generalise: year", "generalise: week"),
        ("{generalise: year}", "generalise"),
        ("body: drop", "body: keep"),
        ("    response: {rest: pass}\n", ""),
        ("[websocket]", "[sse]"),
        ("1MiB", "1MB"),
        ("audit_unavailable: strip", "audit_unavailable: pass"),
        ("subject: {field: $.email}", "subject: {}"),
    ],
)
def test_what_the_compiler_refuses_the_schema_refuses_too(right, wrong):
    text = BASE.replace(right, wrong)
    assert text != BASE

    assert compile_policy({"a.yaml": text}, today="2026-11-23")[0] is None
    assert errors(text)


def test_an_observed_route_needs_no_response():
    assert errors(BASE.replace("    response: {rest: pass}\n", "    mode: observe\n")) == []


def test_every_key_of_the_language_is_described():
    for shape in schema.SHAPES:
        for key in shape.keys:
            assert key.description.endswith((".", "`).", ")")), (shape.name, key.name)
