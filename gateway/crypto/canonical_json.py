"""JSON in its one canonical form (RFC 8785, JCS), for values without fractions.

Objects, arrays, strings, whole numbers of at most 2^53 - 1, true, false and null. A number with a fraction
or an exponent is refused rather than written the way ECMAScript would.

>>> canonical({"b": 1, "a": ["x", None]})
b'{"a":["x",null],"b":1}'
"""

import json
from typing import Any

LARGEST_INTEGER = 2**53 - 1


class NotCanonical(ValueError):  # noqa: N818 - a state of the input, not an error of the program
    """A value or text that has no canonical form here. The text says why and quotes nothing."""


def canonical(value: object) -> bytes:
    """The canonical bytes of a value.

    Raises:
        NotCanonical: it holds something else than the above, a key that is no string, or a lone surrogate.
    """
    try:
        return _write(value).encode()
    except UnicodeEncodeError:
        raise NotCanonical("a text holds a lone surrogate") from None
    except RecursionError:
        raise NotCanonical("it is nested too deeply") from None


def parse(data: bytes) -> Any:
    """The value of a JSON text in UTF-8, canonical or not, that has a canonical form.

    Raises:
        NotCanonical: it is no JSON, a key occurs twice in one object, or a number is not whole or too large.
    """
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise NotCanonical("it is no JSON in UTF-8") from None
    except RecursionError:
        raise NotCanonical("it is nested too deeply") from None


def _write(value: object) -> str:
    match value:
        case str():
            # As section 3.2.2.2 asks: nothing but quotes, backslashes and control characters is escaped.
            return json.dumps(value, ensure_ascii=False)
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int() if abs(value) <= LARGEST_INTEGER:
            return str(value)
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise NotCanonical("a key is no text")
            pairs = sorted(value.items(), key=lambda pair: _utf16(pair[0]))
            return "{" + ",".join(f"{_write(key)}:{_write(each)}" for key, each in pairs) + "}"
        case list() | tuple():
            return "[" + ",".join(_write(each) for each in value) + "]"
    raise NotCanonical("it holds a number that is not whole or too large, or something that JSON does not have")


def _utf16(key: str) -> bytes:
    """Section 3.2.3: keys are sorted by their UTF-16 code units."""
    return key.encode("utf-16-be")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("a key occurs twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER or text == "-0":
        raise NotCanonical("a number is too large")
    return int(text)


def _refuse(text: str) -> Any:
    del text
    raise NotCanonical("a number is not whole")
