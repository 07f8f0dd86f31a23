"""Addresses: where one value sits inside a message.

Body addresses are the part of RFC 9535 (JSONPath) that selects by name, index, wildcard and
descent; everything else names its place first: `header:`, `cookie:`, `query:`, `path:`, `form:`,
`part:`. What the grammar does not know is an `AddressError` with a column, never a silent miss.
`html:` with a recipient's name stands in records for what pages embed of it; rules do not write it.

>>> parse_address("$.items[*].email").steps
(Child(name='items'), Every(), Child(name='email'))
"""

import re
from enum import StrEnum
from typing import TypeAlias

import msgspec


class Place(StrEnum):
    BODY = "$"
    HEADER = "header"
    COOKIE = "cookie"
    QUERY = "query"
    PATH = "path"
    FORM = "form"
    PART = "part"
    HTML = "html"


class Child(msgspec.Struct, frozen=True, tag=True):
    """Member of an object by name."""

    name: str


class Index(msgspec.Struct, frozen=True, tag=True):
    """Element of an array; negative counts from the end (RFC 9535 section 2.3.3)."""

    position: int


class Every(msgspec.Struct, frozen=True, tag=True):
    """Every member of an object or element of an array (`*`)."""


class Descend(msgspec.Struct, frozen=True, tag=True):
    """`..`: the next step applies at this value and at every value below it."""


Step: TypeAlias = Child | Index | Every | Descend


class Address(msgspec.Struct, frozen=True):
    """`steps` serve the place BODY, `name` serves all the others (header names in lower case).

    The name of a cookie may end in `*`: then it stands for all that begin so.
    """

    place: Place
    text: str
    name: str = ""
    steps: tuple[Step, ...] = ()


class AddressError(ValueError):
    """The text is no address; `column` counts from 1 inside that text."""

    def __init__(self, message: str, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.hint = hint


_NAMED = {place.value: place for place in Place if place not in (Place.BODY, Place.HTML)}
_LATER = {"xml": "XPath", "html": "CSS", "column": "CSV", "graphql": "GraphQL"}
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_STEP = re.compile(
    r"(?P<descend>\.\.)"
    r"|\.(?P<name>[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff-]*)"
    r"|(?P<wild>\.\*|\[\s*\*\s*\])"
    r"|\[\s*(?P<index>0|-?[1-9][0-9]{0,14})\s*\]"
    r"|\[\s*'(?P<single>(?:[^'\\]|\\['\\/bfnrt])*)'\s*\]"
    r'|\[\s*"(?P<double>(?:[^"\\]|\\["\\/bfnrt])*)"\s*\]'
)
_AFTER_DESCEND = re.compile(r"(?P<name>[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff-]*)|(?P<wild>\*)|(?=\[)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        AddressError: what is wrong, at which column, and what to write instead.
    """
    if text.startswith("$"):
        return Address(Place.BODY, text, steps=tuple(_steps(text)))
    kind, colon, name = text.partition(":")
    if not colon or (kind not in _NAMED and kind not in _LATER):
        hint = f"write '$.{text}' for a field of the body, or one of: {', '.join(sorted(_NAMED))}, each with ':'"
        raise AddressError(f"'{text}' is not an address", 1, hint)
    if kind in _LATER:
        raise AddressError(f"{_LATER[kind]} addresses ('{kind}:') are not supported in this version", 1)
    place = _NAMED[kind]
    if not name:
        raise AddressError(f"'{kind}:' needs a name after the colon", len(text) + 1)
    if place is Place.COOKIE and "*" in name[:-1]:
        raise AddressError("'*' can only stand at the end of a cookie's name", len(kind) + 2 + name.index("*"))
    if place is Place.COOKIE and name == "*":
        raise AddressError("a name has to stand before '*'", len(kind) + 2, "'rest:' says what becomes of the others")
    if place in (Place.HEADER, Place.COOKIE) and not _TOKEN.fullmatch(name.encode()):
        raise AddressError(f"'{name}' cannot be the name of a {kind}", len(kind) + 2)
    if place is Place.HEADER:
        name = name.lower()
        if name in ("cookie", "set-cookie"):
            raise AddressError("cookies are addressed one by one", 1, "write 'cookie:NAME'")
    return Address(place, text, name=name)


def _steps(text: str) -> list[Step]:
    steps: list[Step] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise AddressError(*_unsupported(text, position))
        position = match.end()
        if match["descend"]:
            steps.append(Descend())
            after = _AFTER_DESCEND.match(text, position)
            if after is None:
                raise AddressError("'..' needs a name, '*' or '[' after it", position + 1)
            position = after.end()
            if after["name"]:
                steps.append(Child(after["name"]))
            elif after["wild"]:
                steps.append(Every())
        elif match["wild"]:
            steps.append(Every())
        elif match["index"] is not None:
            steps.append(Index(int(match["index"])))
        else:
            steps.append(Child(_name_of(match)))
    return steps


def _name_of(match: re.Match[str]) -> str:
    if match["name"] is not None:
        return match["name"]
    quoted = match["single"] if match["single"] is not None else match["double"]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), quoted)


def _unsupported(text: str, position: int) -> tuple[str, int, str]:
    rest = text[position:]
    if rest.startswith("[?"):
        return "filter selectors ('[?…]') are not supported", position + 1, "list the field with '[*]' instead"
    if re.match(r"\[[^\]'\"]*:", rest):
        return "array slices are not supported", position + 1, "use '[*]' or single indexes"
    if re.match(r"\[[^\]]*,", rest):
        return "unions of selectors are not supported", position + 1, "write one address for each"
    return (
        f"cannot read '{rest[:20]}' as a step of the path",
        position + 1,
        "steps are '.name', ['name'], [0], [*] or '..'",
    )
