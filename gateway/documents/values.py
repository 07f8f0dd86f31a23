"""Every value of a message with the address that an outline gives it and the names that lead to it. For looking only.

Addresses hold no names that look like data (see `outline`); the names beside them are the message's own.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

from gateway.documents.cookie_names import name_of
from gateway.documents.document import Opened
from gateway.documents.form_body import FormDocument
from gateway.documents.headers import REQUEST_PLUMBING, RESPONSE_PLUMBING, header_text
from gateway.documents.json_text import WHITESPACE
from gateway.documents.media import Media
from gateway.documents.multipart_body import MultipartDocument
from gateway.documents.outline import step_of
from gateway.documents.pairs import Pairs
from gateway.documents.text_body import TextDocument
from gateway.model.errors import Unreadable
from gateway.model.message import HeaderPairs
from gateway.model.words import Direction, Posture

_DEEPEST = 16
"""Steps of an address; what lies deeper is written `..*`."""

_PART_BYTES = 32 * 1024
_DIGITS = 18

Scalar: TypeAlias = str | int | float | bool | None
_Names: TypeAlias = tuple[str, ...]


class Value(NamedTuple):
    """`names` are those of members on the way, outermost first; elements of an array have none."""

    address: str
    names: _Names
    value: Scalar


def values_of_head(direction: Direction, target: bytes, headers: HeaderPairs) -> Iterator[Value]:
    """The values of path, query, header fields (without plumbing) and cookies.

    Raises:
        Unreadable: UNPARSABLE_BODY or UNDECODABLE_CHARSET for a query that cannot be read; the others come first.
    """
    request = direction is Direction.REQUEST
    path, _, query = target.partition(b"?")
    for segment in path.split(b"/"):
        if segment:
            yield Value("path:*", (), unquote(segment.decode("latin-1")))
    plumbing = REQUEST_PLUMBING if request else RESPONSE_PLUMBING
    cookies = b"cookie" if request else b"set-cookie"
    for raw, content in headers:
        lower = raw.lower()
        name = raw.decode("latin-1")
        if lower == cookies:
            for pair in content.split(b";") if request else content.split(b";", 1)[:1]:
                yield _cookie(pair)
        elif lower not in plumbing:
            yield Value(f"header:{step_of(name)}", (name,), header_text(content))
    if query:
        for name, text in Pairs(query).all():
            yield Value(f"query:{step_of(name)}", (name,), text)


def _cookie(pair: bytes) -> Value:
    name = name_of(pair)
    return Value(f"cookie:{step_of(name)}", (name,), unquote(header_text(pair.partition(b"=")[2]).strip(' \t"')))


def values_of_body(opened: Opened) -> Iterable[Value]:
    """The scalars of a body that was opened.

    Raises:
        Unreadable: UNPARSABLE_BODY where a reader that was not asked for this takes it for no document after all.
    """
    document = opened.document
    match document:
        case FormDocument():
            return (Value(f"form:{step_of(name)}", (name,), text) for name, text in document.all())
        case MultipartDocument():
            return (Value(f"part:{step_of(name)}", (name,), text) for name, text in document.all(_PART_BYTES))
        case TextDocument():
            return (Value("$", (), document.text),)
        case _:
            texts = opened.plain.split(b"\n") if document.media is Media.NDJSON else [opened.plain]
            return (value for text in texts if text.strip(WHITESPACE) for value in _json_values(text))


class _Members(list[tuple[str, object]]):
    """An object with all its members, also those of one name."""


def _number(text: str) -> int | str:
    return int(text) if len(text) <= _DIGITS else text


_DECODER = json.JSONDecoder(object_pairs_hook=_Members, parse_float=str, parse_int=_number)


def _json_values(text: bytes) -> Iterator[Value]:
    try:
        root = _DECODER.decode(text.decode())
    except (ValueError, RecursionError) as cause:
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not JSON") from cause
    # A stack, since how deep a document may be is a limit that operators set.
    waiting: list[tuple[object, str, _Names, int]] = [(root, "$", (), 0)]
    while waiting:
        value, address, names, depth = waiting.pop()
        if isinstance(value, _Members):
            waiting += [
                (member, _below(address, f".{step_of(name)}", depth), (*names[-1:], name), depth + 1)
                for name, member in reversed(value)
            ]
        elif isinstance(value, list):
            below = _below(address, "[*]", depth)
            waiting += [(element, below, names, depth + 1) for element in reversed(value)]
        elif value is None or isinstance(value, (str, int, float)):
            yield Value(address, names, value)


def _below(address: str, step: str, depth: int) -> str:
    if depth < _DEEPEST:
        return address + step
    return address if depth > _DEEPEST else f"{address}..*"
