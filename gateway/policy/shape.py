"""What a mapping of the rule language may hold: its keys, each with the JSON Schema of its value."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


class Key(msgspec.Struct, frozen=True):
    """`value` is the JSON Schema of the value; `later` marks a key whose place is only kept."""

    name: str
    value: Mapping[str, Any]
    description: str
    required: bool = False
    later: bool = False


class Shape(msgspec.Struct, frozen=True):
    """A mapping with fixed keys. `noun` is what diagnostics call it."""

    name: str
    noun: str
    keys: tuple[Key, ...]


TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}


def form(pattern: str) -> Mapping[str, Any]:
    return {"type": "string", "pattern": pattern}


def words(choices: Iterable[str]) -> Mapping[str, Any]:
    return {"enum": list(choices)}


def some(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}


def ref(name: str) -> Mapping[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def named(pattern: str, name: str) -> Mapping[str, Any]:
    return {"type": "object", "patternProperties": {pattern: ref(name)}, "additionalProperties": False}
