"""What the operations do to the text of one JSON value and to all that it holds."""

import re

import msgspec

from gateway.documents.edit import Transform

_TOKEN = re.compile(
    rb'(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")(?P<key>[ \t\n\r]*:)?'
    rb"|(?P<number>-?[0-9][0-9.eE+-]*)|(?P<truth>true|false)|null"
)


def emptied(text: bytes) -> bytes:
    """Every scalar made empty, types and shape kept: "", 0, false, null."""
    return _TOKEN.sub(_empty_token, text)


def _empty_token(match: re.Match[bytes]) -> bytes:
    match match.lastgroup:
        case "string":
            return b'""'
        case "number":
            return b"0"
        case "truth":
            return b"false"
        case _:
            return match[0]


def replaced(text: bytes, transform: Transform) -> bytes:
    """The transform applied to every scalar but null; results are strings.

    A string that the transform leaves as it is keeps its very bytes, escapes included.
    """

    def replace_token(match: re.Match[bytes]) -> bytes:
        match match.lastgroup:
            case "string":
                old = msgspec.json.decode(match[0], type=str)
                new = transform(old)
                return match[0] if new == old else msgspec.json.encode(new)
            case "number" | "truth":
                return msgspec.json.encode(transform(match[0].decode("ascii")))
            case _:
                return match[0]

    return _TOKEN.sub(replace_token, text)


def scalar_text(text: bytes) -> str | None:
    """The text of a scalar: a string's characters, a number's digits; None for null and containers."""
    first = text[0]
    if first == 0x22:
        return msgspec.json.decode(text, type=str)
    if first in b"{[n":
        return None
    return text.decode("ascii")
