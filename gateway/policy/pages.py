"""Third parties in pages: read, put among the fields of the answers of a route, and judged each for itself.

A recipient whose hosts pages embed for a purpose is a field of the page, at the address `html:RECIPIENT`;
all hosts of nobody are the field `html:*`. So records, cases, `explain` and `diff` know them as any other.
"""

import re
from collections.abc import Iterator

import msgspec

from gateway.model.action import Drop, Keep
from gateway.model.address import Address
from gateway.model.address import Place as Where
from gateway.model.words import Direction, PageMode, UnknownHosts
from gateway.policy import forms, route_shapes
from gateway.policy.declarations import Declarations, place_of
from gateway.policy.policy import REFERRER_POLICIES, FieldRule, PageRules, Section
from gateway.policy.read_texts import read_text
from gateway.policy.reader import Reader
from gateway.policy.source import Node

DEVICE = "user.device"
"""What a browser tells every host that it talks to: its address, and what it is."""

_UNKNOWN = Address(Where.HTML, "html:*", name="*")


def is_embedded(rule: FieldRule) -> bool:
    """Whether a field is what pages embed of somebody."""
    return rule.address.place is Where.HTML


def read_pages(reader: Reader, node: Node, direction: Direction) -> PageRules | None:
    """The key `pages:` of a section."""
    if direction is Direction.REQUEST:
        reader.report.add("PG206", node, "a request is no page", "write 'pages:' under 'response:'")
        return None
    keys = reader.keys(node, route_shapes.PAGES)
    rules = PageRules(place_of(node))
    found: dict[str, object] = {}
    for name, value in keys.items():
        match name:
            case "mode":
                found[name] = reader.word(value, PageMode, "mode")
            case "unknown":
                found[name] = reader.word(value, UnknownHosts, "choice")
            case "placeholder":
                found[name] = read_text(reader, value, "'placeholder'")
            case "referrer_policy":
                found[name] = reader.word(value, REFERRER_POLICIES, "referrer policy")
            case "permissions_policy":
                found[name] = tuple(_features(reader, value))
            case "client_hints":
                found[name] = reader.word(value, forms.CLIENT_HINTS, "choice") == "keep"
            case _:
                found[name] = reader.flag(value, f"'{name}'")
    return msgspec.structs.replace(rules, **{name: value for name, value in found.items() if value is not None})


def _features(reader: Reader, node: Node) -> Iterator[str]:
    for item in reader.items(node, "'permissions_policy'"):
        name = reader.scalar(item, "a feature")
        if name and re.fullmatch(forms.FEATURE, name.text):
            yield name.text
        elif name:
            hint = "small letters, digits and '-', such as 'browsing-topics'"
            reader.report.add("PG108", name, f"'{name.text}' cannot be the name of a feature", hint)


def with_pages(section: Section, known: Declarations) -> Section:
    """The section with what its pages may embed behind its own fields."""
    if section.pages is None:
        return section
    embedded = [
        FieldRule(
            Address(Where.HTML, f"html:{recipient.name}", name=recipient.name),
            DEVICE,
            purpose,
            Keep(),
            Drop(),
            known.places["embedded_for", recipient.name],
        )
        for recipient in known.recipients.values()
        for purpose in recipient.embedded_for
    ]
    unknown = FieldRule(_UNKNOWN, DEVICE, "", Keep(), Drop(), section.pages.place)
    return msgspec.structs.replace(section, fields=(*section.fields, *embedded, unknown))
