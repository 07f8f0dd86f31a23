"""Typed reads of nodes. A read that fails notes a diagnostic and gives None, so that reading goes on."""

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from collections.abc import Sequence as SequenceType
from typing import TypeVar

from gateway.policy.report import Report, closest
from gateway.policy.shape import Shape
from gateway.policy.source import Mapping, Node, Refused, Scalar, Sequence

Word = TypeVar("Word", bound=str)


class Reader:
    """What all readers of the rule language share: the report that they write to."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def keys(self, node: Node, shape: Shape) -> MappingType[str, Node]:
        """The values of a mapping with fixed keys; unknown and missing ones are noted."""
        entries = self.entries(node, shape.noun)
        if entries is None:
            return {}
        known = {key.name: key for key in shape.keys}
        found: dict[str, Node] = {}
        for key, value in entries:
            if key.text not in known:
                usable = [name for name in known if not known[name].later]
                self.report.add("PG105", key, f"{shape.noun} has no key '{key.text}'", closest(key.text, usable))
            elif known[key.text].later:
                self.report.add("PG111", key, f"'{key.text}' is not supported in this version", "leave it out")
            else:
                found[key.text] = value
        seen = {key.text for key, _ in entries}
        for name, wanted in known.items():
            if wanted.required and name not in seen:
                self.report.add("PG106", node, f"{shape.noun} needs '{name}'", wanted.description)
        return found

    def entries(self, node: Node, noun: str) -> SequenceType[tuple[Scalar, Node]] | None:
        """The entries of a mapping with free keys."""
        if isinstance(node, Mapping):
            return node.entries
        self.expected(node, f"{noun} is a mapping ('key: value')")
        return None

    def items(self, node: Node, noun: str) -> SequenceType[Node]:
        """The items of a list."""
        if isinstance(node, Sequence):
            return node.items
        self.expected(node, f"{noun} is a list ('- item')")
        return ()

    def scalar(self, node: Node, noun: str) -> Scalar | None:
        """A single value that is not empty."""
        if isinstance(node, Scalar) and not node.is_null and node.text.strip():
            return node
        self.expected(node, f"{noun} is a single value that is not empty")
        return None

    def scalars(self, node: Node, noun: str) -> list[Scalar]:
        """One value, or a list of values that is not empty."""
        if not isinstance(node, Sequence):
            one = self.scalar(node, noun)
            return [one] if one else []
        if not node.items:
            self.expected(node, f"{noun} is a value, or a list of at least one")
        return [found for item in node.items if (found := self.scalar(item, noun))]

    def text(self, node: Node, noun: str) -> str | None:
        found = self.scalar(node, noun)
        return found.text if found else None

    def word(self, node: Node, words: Iterable[Word], noun: str) -> Word | None:
        """One of the `words`, given back as it stands there."""
        found = self.scalar(node, noun)
        return self.choice(found, words, noun) if found else None

    def choice(self, found: Scalar, words: Iterable[Word], noun: str) -> Word | None:
        known = tuple(words)
        for word in known:
            if word == found.text:
                return word
        plain = tuple(str(word) for word in known)
        self.report.add("PG107", found, f"'{found.text}' is not a known {noun}", closest(found.text, plain))
        return None

    def matching(self, node: Node, pattern: str, noun: str, hint: str) -> str | None:
        """Text of a given form."""
        found = self.scalar(node, noun)
        if found is None:
            return None
        if re.fullmatch(pattern, found.text) is None:
            self.report.add("PG108", found, f"'{found.text}' cannot be {noun}", hint)
            return None
        return found.text

    def flag(self, node: Node, noun: str) -> bool | None:
        if isinstance(node, Scalar) and node.plain and node.text in ("true", "false"):
            return node.text == "true"
        if isinstance(node, Scalar):
            self.report.add("PG108", node, f"{noun} is true or false", "write 'true' or 'false', without quotes")
        else:
            self.expected(node, f"{noun} is true or false")
        return None

    def whole(self, node: Node, noun: str, within: tuple[int, int] | None = None) -> int | None:
        """A whole number, zero or more, or one from the lowest to the highest that fits."""
        found = self.scalar(node, noun)
        if found is None:
            return None
        if not (found.plain and re.fullmatch(r"0|[1-9][0-9]{0,17}", found.text)):
            self.report.add("PG108", found, f"{noun} is a whole number, zero or more", "write digits, without quotes")
            return None
        number = int(found.text)
        if within is not None and not within[0] <= number <= within[1]:
            self.report.add("PG108", found, f"{noun} is a number from {within[0]} to {within[1]}")
            return None
        return number

    def expected(self, node: Node, message: str) -> None:
        """Note that something of another kind is expected at this place."""
        if not isinstance(node, Refused):
            self.report.add("PG104", node, message)
