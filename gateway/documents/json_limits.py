"""Bounds on JSON text that is already known to be well-formed, also where no rule reads it.

Each check first asks a cheap question in C whose "no" settles it for nearly every body; only where
that does not settle it, the exact and slower answer is worked out.
"""

import re

from gateway.documents.json_text import count_of
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture

STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_LONG_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"([ \t\n\r]*:)?')
_FILLED = re.compile(rb"[\[{](?![ \t\n\r]*[\]}])")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NUMBER_OR_NOT = bytes(1 if byte in b"0123456789+-.eE" else 0 for byte in range(256))


def check_json_limits(body: bytes, limits: Limits) -> None:
    """Raise Unreadable where well-formed JSON text exceeds what the gateway reads.

    Raises:
        Unreadable: TOO_DEEP over `json_depth`; OVER_SIZE over `json_nodes` values, `json_number`
            characters of a number, `json_string` bytes of a string or `json_key` of a key.
    """
    size = len(body)
    # Every value but the root needs at least one more byte to part it from the next.
    if size >= 2 * limits.json_nodes:
        _check_nodes(body, limits)
    # A flat container is told apart by two searches, which are faster than two counts.
    if body.find(b"{", 1) >= 0 or body.find(b"[", 1) >= 0:
        brackets = count_of(b"{", body) + count_of(b"[", body)
        if brackets > limits.json_depth:
            _check_depth(body, limits)
    longest = limits.json_number
    if size > longest:
        # A longer run shows in this many samples next to each other.
        stride = max(1, longest // 8)
        if b"\x01" * ((longest + 1) // stride) in body[::stride].translate(_NUMBER_OR_NOT):
            _check_numbers(body, longest)
    longest = min(limits.json_key, limits.json_string)
    if size > longest and _has_long_string(body, longest):
        _check_strings(body, limits)


def _has_long_string(body: bytes, longest: int) -> bool:
    """Whether some stretch without a quote is longer than that; no string is, if none is."""
    if b"\\" in body:
        # Taking a real quote after an escaped backslash for an escaped one only makes stretches longer.
        body = body.replace(b'\\"', b"__")
    position = 0
    while len(body) - position > longest:
        quote = body.rfind(b'"', position, position + longest + 1)
        if quote < 0:
            return True
        position = quote + 1
    return False


def _check_numbers(body: bytes, longest: int) -> None:
    run = b"\x01" * (longest + 1)
    if run in body.translate(_NUMBER_OR_NOT) and run in STRING.sub(b'""', body).translate(_NUMBER_OR_NOT):
        raise Unreadable(Posture.OVER_SIZE, "a number has too many digits")


def _check_strings(body: bytes, limits: Limits) -> None:
    for match in _LONG_STRING.finditer(body):
        length = match.end(1) - match.start(1)
        if length > limits.json_string:
            raise Unreadable(Posture.OVER_SIZE, "a string is too long")
        if length > limits.json_key and match[2] is not None:
            raise Unreadable(Posture.OVER_SIZE, "an object key is too long")


def _check_nodes(body: bytes, limits: Limits) -> None:
    if 1 + body.count(b",") + body.count(b"{") + body.count(b"[") <= limits.json_nodes:
        return
    bare = STRING.sub(b'""', body)
    if 1 + bare.count(b",") + len(_FILLED.findall(bare)) > limits.json_nodes:
        raise Unreadable(Posture.OVER_SIZE, "the document has too many values")


def _brackets(body: bytes) -> bytes:
    """The brackets outside strings, in order; the text is well-formed, so `[]` stands for both kinds."""
    if b"\\" in body:
        # From the left, so that the second of two backslashes never escapes the quote after it.
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Taking out two quotes that are neighbours leaves the others inside or outside strings as they were.
    structure = body.translate(_ONE_KIND, _NOT_STRUCTURE).replace(b'""', b"")
    return b"".join(structure.split(b'"')[::2])


def _check_depth(body: bytes, limits: Limits) -> None:
    brackets = _brackets(body)
    for _ in range(limits.json_depth):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise Unreadable(Posture.TOO_DEEP, "the document is nested too deeply")
