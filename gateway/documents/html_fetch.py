"""Which attributes of a tag make a browser talk to a host by itself, and what URLs they hold (WHATWG HTML, SVG 2).

What a person has to follow, as `a href`, is not among them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.documents.html_scan import Attribute, Tag

_WHITE: Final = "\t\n\f\r "
_NO_FETCH: Final = frozenset(
    each.decode()
    for each in (
        b"alternate amphtml archives author bookmark canonical contents copyright edituri external first glossary help"
        b" index last license me next nofollow noopener noreferrer opener opensearch pingback prev previous"
        b" privacy-policy profile search section self shortlink shorturl start tag terms-of-service top up webmention"
    ).split()
)
"""Kinds of link of which a browser loads nothing; any other it might."""

_ONE: Final = frozenset((b"src", b"poster", b"background", b"formaction"))
_LISTS: Final = frozenset((b"ping", b"attributionsrc"))
_SETS: Final = frozenset((b"srcset", b"imagesrcset"))
_OF_ELEMENT: Final = {b"action": b"form", b"data": b"object"}
_NOT_FETCHED: Final = frozenset((b"a", b"area", b"base"))
_REFRESH = re.compile(
    r"[\t\n\f\r ]*[0-9.]*[\t\n\f\r ]*[;,]?[\t\n\f\r ]*(?:url[\t\n\f\r ]*=)?[\t\n\f\r ]*(?:\"([^\"]*)|'([^']*)|(.*))",
    re.DOTALL | re.IGNORECASE,
)

Values = Mapping[bytes, str]
"""The text of each attribute that a browser heeds: of those of one name, the first."""


def fetches(tag: Tag, values: Values) -> Iterator[tuple[bytes, list[str]]]:
    """Attributes by name, each with the URLs in it; `srcdoc` and `content` of a page are none of them."""
    for name, value in values.items():
        if name in _ONE:
            yield name, [value]
        elif name in _LISTS:
            yield name, value.split()
        elif name in _SETS:
            yield name, candidates(value)
        elif name in _OF_ELEMENT:
            if tag.name == _OF_ELEMENT[name]:
                yield name, [value]
        elif name in (b"href", b"xlink:href") and _is_fetched(tag.name, values):
            yield name, [value]
        elif name == b"content" and values.get(b"http-equiv", "").strip(_WHITE).lower() == "refresh":
            found = _REFRESH.match(value)
            target = found and (found[1] or found[2] or found[3])
            if tag.name == b"meta" and target:
                yield name, [target]


def _is_fetched(name: bytes, values: Values) -> bool:
    if name == b"link":
        return not _NO_FETCH.issuperset(values.get(b"rel", "").lower().split())
    return name not in _NOT_FETCHED


def candidates(value: str) -> list[str]:
    """The URLs of a `srcset` (WHATWG HTML, 4.8.4.2, "parse a srcset attribute")."""
    urls: list[str] = []
    position = 0
    while True:
        while position < len(value) and value[position] in _WHITE + ",":
            position += 1
        if position == len(value):
            return urls
        end = position
        while end < len(value) and value[end] not in _WHITE:
            end += 1
        url = value[position:end]
        position = end
        if url.endswith(","):
            urls.append(url.rstrip(","))
            continue
        urls.append(url)
        depth = 0
        while position < len(value) and (depth or value[position] != ","):
            depth += {"(": 1, ")": -1}.get(value[position], 0) if depth or value[position] == "(" else 0
            position += 1


def first_of_each(attributes: tuple[Attribute, ...]) -> dict[bytes, Attribute]:
    """The attributes that a browser heeds."""
    found: dict[bytes, Attribute] = {}
    for each in attributes:
        found.setdefault(each.name, each)
    return found
