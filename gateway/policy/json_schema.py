"""The rule language as JSON Schema 2020-12, for editors. Made from the same table as the reader.

A schema knows nothing of other files, paths or contracts: what it accepts may still get diagnostics
from `compile_policy`, which alone decides.
"""

from collections.abc import Mapping
from typing import Any

from gateway.policy import forms, route_shapes, schema
from gateway.policy.shape import Shape
from gateway.policy.taxonomy import CLASSES, SHORT_CLASSES

_ADDRESS = r"^(\$|(header|cookie|query|path|form|part):.)"


def rule_schema() -> dict[str, Any]:
    """The schema of one rule file, with the descriptions of the manual."""
    root = _object(schema.FILE)
    shapes = {shape.name: _object(shape) for shape in schema.SHAPES if shape is not schema.FILE}
    shapes["rest"] = {"anyOf": [{"enum": ["drop", "block", "pass"]}, shapes["rest"]]}
    shapes["route"]["anyOf"] = [
        {"required": ["response"]},
        {"required": ["mode"], "properties": {"mode": {"const": "observe"}}},
    ]
    for name in ("tcf", "gpp"):
        shapes[name]["anyOf"] = [{"required": ["cookie"]}, {"required": ["query"]}]
    shapes["field"]["description"] = "What the value is, why it passes, and what is done to it."
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of a privacy gateway",
        "description": "One file of a rule directory; rules/README.md explains every key.",
        **root,
        "$defs": {
            **shapes,
            "action": _action(),
            "address": {
                "type": "string",
                "pattern": _ADDRESS,
                "description": "Where the value sits: '$.name', 'header:Name', 'cookie:name', 'query:name', …",
            },
            "class": {"enum": [*SHORT_CLASSES, *(key for key in CLASSES if key.startswith("user"))]},
            "text": _text(),
            "postures": _postures(),
            "size": {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": forms.SIZE}],
                "description": "Bytes, or a number with KiB, MiB or GiB.",
            },
        },
    }


def _object(shape: Shape) -> dict[str, Any]:
    usable = [key for key in shape.keys if not key.later]
    found: dict[str, Any] = {
        "type": "object",
        "properties": {key.name: {**_plain(key.value), "description": key.description} for key in usable},
        "additionalProperties": False,
    }
    required = [key.name for key in usable if key.required]
    if required:
        found["required"] = required
    if shape is route_shapes.SECTION:
        found["properties"]["fields"]["propertyNames"] = {"$ref": "#/$defs/address"}
    return found


def _plain(value: Any) -> Any:
    """Plain dictionaries and lists all the way down, with words of enumerations as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def _text() -> dict[str, Any]:
    one = {"type": "string", "minLength": 1}
    several = {
        "type": "object",
        "patternProperties": {forms.LANGUAGE: one},
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {"anyOf": [one, several], "description": "A text, or texts by language: '{en: …, de: …, zh: …}'."}


def _postures() -> dict[str, Any]:
    choices = {str(posture): {"enum": list(words)} for posture, words in forms.POSTURE_CHOICES.items()}
    return {"type": "object", "properties": choices, "additionalProperties": False}


def _action() -> dict[str, Any]:
    settings = {
        "mask": _object(route_shapes.MASK),
        "generalise": {"enum": [str(word) for word in forms.GENERALISATIONS]},
    }
    one_setting = [
        {"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False}
        for name, value in settings.items()
    ]
    return {"anyOf": [{"enum": list(forms.SIMPLE_ACTIONS)}, *one_setting]}
