"""The outline of a document: which addresses it has, without any of its values.

Names of members can be data themselves (an object keyed by e-mail addresses), so a name that does
not look like one that a programmer chose is written `*`.
"""

import re
from collections.abc import Iterator

import msgspec

from gateway.model.errors import Unreadable
from gateway.model.words import Posture

_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}[0-9]{0,2}")
_MOST = 200
_DECODER = msgspec.json.Decoder(float_hook=str)  # 1e400 is a number too, and no value is looked at


def is_name(text: str) -> bool:
    """Whether a key, parameter or path segment looks chosen by a programmer rather than filled with data."""
    return _NAME.fullmatch(text) is not None


def json_outline(plain: bytes) -> list[str]:
    """Addresses of the scalars of a JSON document, sorted, array elements as `[*]`, at most 200.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        value = _DECODER.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not JSON") from cause
    found: set[str] = set()
    for address in _walk(value, "$", 0):
        found.add(address)
        if len(found) >= _MOST:
            break
    return sorted(found)


def _walk(value: object, address: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict) and depth < 16:
        for name, member in value.items():
            step = f".{name}" if is_name(name) else ".*"
            yield from _walk(member, address + step, depth + 1)
    elif isinstance(value, list) and depth < 16:
        for element in value:
            yield from _walk(element, address + "[*]", depth + 1)
    else:
        yield address
