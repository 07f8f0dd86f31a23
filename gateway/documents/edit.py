"""What is to be done to the values of a document, compiled once per plan and run per message.

A `FieldEdit` says for one address which operation its matches get; `index` is the field's place in
the plan, so that counts come back in that order. What no edit covers falls under `rest`.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from gateway.model.address import Address
from gateway.model.cookie import CookieLimits
from gateway.model.words import Rest

Transform: TypeAlias = "Callable[[str], str]"
"""Text of a scalar in, text out. Numbers and booleans come as their exact JSON text."""


class Retain(msgspec.Struct, frozen=True):
    """Count the match and leave its bytes as they are (also serves `block`: the engine refuses)."""


class Remove(msgspec.Struct, frozen=True):
    """Take the value out together with its name, or its element out of the array."""


class Empty(msgspec.Struct, frozen=True):
    """Keep type and shape: "", 0, false, null; containers keep their members, each made empty."""


class Replace(msgspec.Struct, frozen=True):
    """Apply the transform to every scalar of the value; the result is always text. Null stays null."""

    transform: Transform


Operation: TypeAlias = Retain | Remove | Empty | Replace


class FieldEdit(msgspec.Struct, frozen=True):
    """`limits` hold for a cookie that an answer sets, and that stays."""

    index: int
    address: Address
    operation: Operation
    limits: CookieLimits | None = None


class Edited(msgspec.Struct, frozen=True, gc=False):
    """The outcome. `counts[i]` is how often field i was met; `unlisted` how many values no edit covers.

    Under `rest: pass` nobody looks for unlisted values and `unlisted` is 0. `content` is the very
    object that was given where nothing changed.
    """

    content: bytes
    counts: tuple[int, ...]
    unlisted: int = 0


class PartEdit(msgspec.Struct, frozen=True, eq=False):
    """All edits for one part of a message (its body, query, cookies or headers).

    `fields` hold only addresses of that part; `size` is the number of fields of the whole plan, so
    that counts of several parts can be added up. `compiled` is where the reader of the part keeps
    what it makes of the fields, once, for as long as the plan lives.
    """

    fields: tuple[FieldEdit, ...]
    rest: Rest
    size: int
    compiled: list[object] = msgspec.field(default_factory=list)

    @property
    def reads(self) -> bool:
        """Whether the part has to be read at all."""
        return bool(self.fields) or self.rest is not Rest.PASS
