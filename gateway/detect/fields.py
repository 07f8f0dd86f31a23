"""What kinds of personal data one field holds, by its name and by the form of its value."""

from collections.abc import Sequence
from typing import TypeAlias

from gateway.detect.forms import BANK_ACCOUNT, CARD, IP_ADDRESS, PSEUDONYM, classes_in_text, is_pseudonym
from gateway.detect.names import class_named, words

Scalar: TypeAlias = str | int | float | bool | None

_NUMBERED = frozenset(
    [
        "build",
        "created",
        "id",
        "identifier",
        "no",
        "nr",
        "number",
        "order",
        "ref",
        "reference",
        "sku",
        "time",
        "timestamp",
        "tracking",
    ]
)
"""Last words of names under which long numbers stand: one in ten of them passes for a card by its check digit."""

_VERSIONED = frozenset(["agent", "build", "firmware", "release", "ver", "version", "versions"])


_DEVICE = "user.device"


def classes_of_field(path: Sequence[str], value: Scalar) -> frozenset[str]:
    """The classes (full keys) of a value at the end of a path of names, outermost first; `path` may be empty.

    A field that holds nothing (empty text, null, true, false) holds no data, whatever its name is; a pseudonym of
    this gateway's is one whatever its name is.

    >>> sorted(classes_of_field(["user", "email"], "")), sorted(classes_of_field(["note"], "mail ann@example.com"))
    ([], ['user.contact.email'])
    """
    if isinstance(value, bool) or value is None:
        return frozenset()
    text = value if isinstance(value, str) else str(value)
    if not text.strip() or value == 0:
        return frozenset()
    if is_pseudonym(text):
        return frozenset({PSEUDONYM})
    found = classes_in_text(text)
    named = class_named(path)
    if found:
        last = _last_word(path)
        if named is None and last in _NUMBERED and text.isalnum():
            found -= {CARD, BANK_ACCOUNT}
        if last in _VERSIONED:
            found -= {IP_ADDRESS}
    if named == _DEVICE and _last_word(path) == "agent" and not text.startswith("Mozilla/"):
        named = None  # a program of the operator's, not somebody's browser
    return found if named is None else found | {named}


def _last_word(path: Sequence[str]) -> str:
    return words(path[-1]).rpartition(" ")[2] if path else ""
