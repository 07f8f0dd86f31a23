"""Where the items of a JSON array end, told while the text is still arriving.

Nothing here judges a text: an end that is found is a guess which `open_json` has to confirm. What it
confirms is right, since JSON is read from left to right without looking back: if the text up to a
comma is a whole list of values, those are the values, whatever comes behind the comma.

So the cheapest guess goes first: from the right, what parted two items before. Where it misleads, a
regular expression runs along the items; where an item is nested deeper than that knows, its brackets
are counted one by one.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.documents.json_rewrite import decode_elements
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture

_SPACE: Final = rb"[ \t\n\r]*+"
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BARE: Final = rb'[^ \t\n\r,:\[\]{}"]++'
_LEVELS: Final = 12
_GUESSES: Final = 4
_FIRST_KEY_AT_MOST: Final = 32
_TOKENS_OF_A_VALUE: Final = 3  # its name, and its two brackets


def _container(levels: int) -> bytes:
    inside = rb'[^"\[\]{}]++|' + _STRING
    pattern = rb"[\[{](?:%b)*+[\]}]" % inside
    for _ in range(levels - 1):
        pattern = rb"[\[{](?:%b|%b)*+[\]}]" % (inside, pattern)
    return pattern


_VALUE_PATTERN: Final = rb"(?>%b|%b|%b)(?=%b[,\]}])" % (_container(_LEVELS), _STRING, _BARE, _SPACE)
_VALUE = re.compile(_VALUE_PATTERN, re.DOTALL)
_VALUES = re.compile(rb"(?:%b)(?:%b,%b%b)*+" % (_VALUE_PATTERN, _SPACE, _SPACE, _VALUE_PATTERN), re.DOTALL)
_TOKEN = re.compile(rb'%b|[\[{]|[\]}]|"' % _STRING, re.DOTALL)
_PLAIN = re.compile(rb"%b|%b" % (_STRING, _BARE), re.DOTALL)
_LEAD = re.compile(_SPACE)
_NEXT = re.compile(rb"%b([,}])" % _SPACE)
_GAP = re.compile(rb"[ \t\n\r,]*+")
_COMMA = re.compile(rb"%b," % _SPACE)
_END = re.compile(rb"%b\]" % _SPACE)
_ARRAY = re.compile(rb"%b\[" % _SPACE)
_OBJECT = re.compile(rb"%b\{" % _SPACE)
_MEMBER = re.compile(rb"%b(%b)%b:%b" % (_SPACE, _STRING, _SPACE, _SPACE), re.DOTALL)


def array_start(text: bytes, path: Sequence[str], limits: Limits) -> int:
    """Offset behind the `[` of the array at `path`, member by member from the root.

    -1 where it has not come yet; it may never come. Raises as `value_end`.
    """
    if not path:
        opened = _ARRAY.match(text)
        return opened.end() if opened else -1
    opened = _OBJECT.match(text)
    level, position = 0, opened.end() if opened else -1
    while position >= 0 and (member := _MEMBER.match(text, position)):
        position = member.end()
        if _name(member[1]) == path[level]:
            last = level == len(path) - 1
            if text.startswith(b"[" if last else b"{", position):
                if last:
                    return position + 1
                level, position = level + 1, position + 1
                continue
        level, position = _behind(text, position, level, limits)
    return -1


def _behind(text: bytes, position: int, level: int, limits: Limits) -> tuple[int, int]:
    """Level and offset of the member behind the value at `position`; offset -1 where there is none yet."""
    end = value_end(text, position, limits)
    while end >= 0 and (after := _NEXT.match(text, end)):
        if after[1] == b",":
            return level, after.end()
        level, end = level - 1, after.end()
        if level < 0:
            break
    return level, -1


def _name(token: bytes) -> str | None:
    try:
        return msgspec.json.decode(token, type=str)
    except ValueError:
        return None


def value_end(text: bytes, position: int, limits: Limits) -> int:
    """Offset behind the value at `position` once what follows shows that it is complete, else -1.

    Raises:
        Unreadable: UNPARSABLE_BODY where no value can stand there; TOO_DEEP and OVER_SIZE as soon as
            it is sure that its end would be over `limits`, so that looking for it stays cheap.
    """
    found = _VALUE.match(text, position)
    if found is not None:
        return found.end()
    end = _counted_end(text, position, limits)
    follows = _LEAD.match(text, end) if end >= 0 else None
    if follows is None or follows.end() == len(text):
        return -1
    if text[follows.end()] not in b",]}":
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not well-formed JSON")
    return end


def _counted_end(text: bytes, position: int, limits: Limits) -> int:
    if text[position : position + 1] not in (b"[", b"{"):
        return _plain_end(text, position)
    depth = 0
    left = _TOKENS_OF_A_VALUE * limits.json_nodes
    for token in _TOKEN.finditer(text, position):
        kind = token[0]
        left -= 1
        if left < 0:
            raise Unreadable(Posture.OVER_SIZE, "the document has too many values")
        if kind in (b"[", b"{"):
            depth += 1
            if depth > limits.json_depth:
                raise Unreadable(Posture.TOO_DEEP, "the document is nested too deeply")
        elif kind in (b"]", b"}"):
            depth -= 1
            if not depth:
                return token.end()
        elif kind == b'"':
            break  # a string that has not ended
    return -1


def _plain_end(text: bytes, position: int) -> int:
    token = _PLAIN.match(text, position)
    if token is not None:
        return token.end()
    if position < len(text) and text[position] != 0x22:
        raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not well-formed JSON")
    return -1


def array_end(text: bytes) -> int:
    """Offset behind the `]` with which the text begins, white space aside; -1 if it does not."""
    found = _END.match(text)
    return found.end() if found else -1


def gaps(content: bytes, elements: Sequence[msgspec.Raw]) -> list[bytes]:
    """What stands in front of each element of well-formed `content`: white space and the comma."""
    found = []
    position = 0
    for element in elements:
        gap = _GAP.match(content, position)
        assert gap is not None
        found.append(gap[0])
        position = gap.end() + len(element)
    return found


class ItemScanner:
    """Finds runs of complete items; learns from each run what parts its items."""

    __slots__ = ("_limits", "_seam")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seam = b"},"

    def run(self, text: bytes, *, first: bool) -> tuple[int, int]:
        """Where complete items begin and end at the start of `text`, (0, -1) where none is complete.

        `first` says that no item came before; otherwise the text begins with a comma, which the run
        leaves out. Space around the run is not part of it, but for that in front.

        Raises:
            Unreadable: as `value_end`.
        """
        start = 0
        if not first:
            comma = _COMMA.match(text)
            if comma is None:
                if text.strip(b" \t\n\r"):
                    raise Unreadable(Posture.UNPARSABLE_BODY, "the body is not well-formed JSON")
                return 0, -1
            start = comma.end()
        end = self._guess(text, start)
        if end < 0:
            lead = _LEAD.match(text, start)
            assert lead is not None
            if lead.end() == len(text):
                return 0, -1
            found = _VALUES.match(text, lead.end())
            end = found.end() if found else value_end(text, lead.end(), self._limits)
        return (start, end) if end >= 0 else (0, -1)

    def learn(self, content: bytes, elements: Sequence[msgspec.Raw]) -> None:
        """Take note of what parts the items of a confirmed run; the next guess looks for it."""
        if len(elements) < 2:
            return
        gap = gaps(content, elements[:2])[1]
        following = bytes(elements[1])
        start = following[: following.find(b":", 0, _FIRST_KEY_AT_MOST) + 1] or following[:1]
        if start[:1] in (b"{", b"["):
            self._seam = bytes(elements[0])[-1:] + gap + start

    def _guess(self, text: bytes, start: int) -> int:
        position = len(text)
        for _ in range(_GUESSES):
            position = text.rfind(self._seam, start, position)
            if position < 0:
                break
            try:
                decode_elements(b"[%b]" % text[start : position + 1])
            except (ValueError, RecursionError):
                continue
            return position + 1
        return -1
