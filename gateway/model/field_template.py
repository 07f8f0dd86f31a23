"""Header fields that come again and again with other values in the same few places.

An upstream sends most heads alike but for a date, a length, a validator. What follows from the fields
then follows from the template, once, and per message only the holes are filled.
"""

import re
from collections.abc import Callable
from operator import itemgetter
from typing import TypeAlias

import msgspec

HeaderPairs: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

_HOLE = re.compile(rb"\0([A-Z])")

VARYING = frozenset(
    b"age cf-ray content-length date etag expires keep-alive last-modified request-id server-timing traceresponse"
    b" x-amzn-requestid x-correlation-id x-request-id x-response-time x-runtime x-trace-id".split()
)
"""The fields (lower case) that may have holes: nothing is decided by their values, unless a rule names one."""


def hole(number: int) -> bytes:
    """The mark of a hole inside a value: it begins with NUL, which no field can hold (RFC 9110 section 5.5)."""
    return b"\0%c" % (65 + number)


def hole_number(value: bytes) -> int:
    """The number of the only hole of a value that is nothing else."""
    return value[1] - 65


class FieldTemplate:
    """Fields whose values have holes.

    `derived` is a place for what follows from the fields whatever fills the holes, so that each layer
    works it out once. It ends with the template.
    """

    __slots__ = ("derived", "pairs")

    def __init__(self, pairs: HeaderPairs) -> None:
        self.pairs = pairs
        self.derived: dict[object, object] = {}


class FilledFields(msgspec.Struct, frozen=True, gc=False):
    """A template and what fills its holes, by their numbers; there may be more of it than holes."""

    template: FieldTemplate
    values: tuple[bytes, ...]

    @property
    def pairs(self) -> HeaderPairs:
        """The fields themselves."""
        values = self.values
        return tuple(
            (name, _HOLE.sub(lambda mark: values[mark[1][0] - 65], value)) for name, value in self.template.pairs
        )


Fields: TypeAlias = "HeaderPairs | FilledFields"


def pairs_of(fields: Fields) -> HeaderPairs:
    """The fields as pairs, whatever form they have."""
    return fields.pairs if isinstance(fields, FilledFields) else fields


class Filler:
    """`text`, in which holes are marked, ready to be filled over and over."""

    __slots__ = ("_format", "_order")

    def __init__(self, text: bytes) -> None:
        parts = _HOLE.split(text)
        self._order: Callable[[tuple[bytes, ...]], object] = _picker([mark[0] - 65 for mark in parts[1::2]])
        self._format = b"%b".join(part.replace(b"%", b"%%") for part in parts[::2])

    def fill(self, values: tuple[bytes, ...]) -> bytes:
        """The text with `values` in its holes."""
        return self._format % self._order(values)


def _picker(numbers: list[int]) -> Callable[[tuple[bytes, ...]], object]:
    return itemgetter(*numbers) if numbers else lambda _: ()
