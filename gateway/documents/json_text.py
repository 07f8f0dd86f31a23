"""Proof that an object's decoded members are all that its text holds, and changed containers written.

msgspec hands out the members of one object as name and raw text and keeps only the last of duplicate
names. Whether that lost something is told without walking the text in Python:

* If the members, written in compact form, are the text itself, they are all there is. (Text with a
  space behind a name's colon is not tried; the next proof does without the first.)
* Otherwise, where no backslash stands outside the values, the colons outside the values are one for
  each member and those in names. A duplicate would add one more.
* What is left (escapes in names, or a duplicate that held an escape) is walked name by name.

A container that changes is written in compact form from the raw text of what stays, so that values
keep their exact bytes at any depth; whitespace between its own members is not kept.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

WHITESPACE = b" \t\n\r"
Text = bytes | msgspec.Raw
_KEY = re.compile(rb'[ \t\n\r]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\n\r]*:[ \t\n\r]*')
_NEXT = re.compile(rb"[ \t\n\r]*([,}])")
_encode = msgspec.json.Encoder().encode


def is_distinct(text: bytes, members: Mapping[str, msgspec.Raw]) -> bool:
    """Whether no name occurs twice in the object `text`, of which `members` is the decoded form."""
    if text.find(b'": ') < 0 and _encode(members) == text:
        return True
    joined = b"".join(members.values())
    if text.find(b"\\") < 0 or count_of(b"\\", text) == count_of(b"\\", joined):
        colons = count_of(b":", text) - count_of(b":", joined)
        return colons == len(members) + "".join(members).count(":")
    return _walk(text, members)


def count_of(byte: bytes, text: bytes) -> int:
    """How often one byte occurs: taking it out leaps from find to find, where `bytes.count` goes byte by byte."""
    return len(text) - len(text.replace(byte, b""))


def _walk(text: bytes, members: Mapping[str, msgspec.Raw]) -> bool:
    position = 1
    seen = set()
    for _ in members:
        key = _KEY.match(text, position)
        if key is None:
            return False
        name = msgspec.json.decode(key[1], type=str)
        raw = bytes(members[name])
        if name in seen or not text.startswith(raw, key.end()):
            return False
        seen.add(name)
        after = _NEXT.match(text, key.end() + len(raw))
        if after is None:
            return False
        position = after.end()
    return position == len(text)


def object_changed(members: Mapping[str, msgspec.Raw], changes: "Mapping[str, Text | None]") -> bytes:
    """The object with `changes` made: new text by name, None takes the member out."""
    new: dict[str, msgspec.Raw] = dict(members)
    for name, text in changes.items():
        if text is None:
            del new[name]
        else:
            new[name] = msgspec.Raw(text)
    return _encode(new)


def object_without(members: Mapping[str, msgspec.Raw], gone: Sequence[str]) -> bytes:
    """The object less the members named."""
    new = dict(members)
    for name in gone:
        del new[name]
    return _encode(new)


def array_changed(elements: "Sequence[Text | None]") -> bytes:
    """The array of these elements; None leaves one out."""
    return b"[%s]" % b",".join(text for text in elements if text is not None)
