"""Whether a regular expression can match any path segment at all.

A segment is not empty and holds no slash, and the expression has to match all of it. RE2 has already
accepted the syntax; this reads it once more to find what it asks for: a slash, text before `^` or
after `$`, or nothing.
"""

import re

import msgspec

from gateway.policy.pattern import compile_regex


class _Reach(msgspec.Struct, frozen=True):
    """What a part of an expression can match inside a segment: nothing at all (`empty`), some text
    (`filled`), and whether it insists on standing at the start or at the end.
    """

    empty: bool
    filled: bool
    at_start: bool = False
    at_end: bool = False

    @property
    def possible(self) -> bool:
        return self.empty or self.filled


_TEXT = _Reach(empty=False, filled=True)
_WIDTHLESS = _Reach(empty=True, filled=False)
_NEVER = _Reach(empty=False, filled=False)
_START = _Reach(empty=True, filled=False, at_start=True)
_END = _Reach(empty=True, filled=False, at_end=True)

_GROUP = re.compile(r"\((?:\?P?<\w+>|\?[imsU-]*:)?")
_FLAGS = re.compile(r"\(\?[imsU-]*\)")
_ESCAPED = re.compile(r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[0-7]{3}|[pP](?:\{[^}]*\}|.)|.)", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_COUNT = re.compile(r"(?:\*|\+|\?|\{(?P<least>\d+)(?:,(?P<most>\d*))?\})\??")
_SLASHES = frozenset((r"\/", r"\x2f", r"\x2F", r"\x{2f}", r"\x{2F}", r"\057"))
_PROBES = [bytes((byte,)) for byte in range(1, 128) if byte != ord("/")]


def doubt_about(regex: str) -> str | None:
    """Why the expression can match no segment, in words that follow its text; None where it can."""
    reading = _Reading(regex)
    if reading.alternatives().filled:
        return None
    if reading.anchored:
        return "has '^' or '$' where text has to come before or after it, so it never matches"
    if reading.slashed:
        return "needs a slash, which no segment holds"
    return "matches no text"


class _Reading:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.slashed = False
        self.anchored = False

    def alternatives(self) -> _Reach:
        found = [self._sequence()]
        while self._peek() == "|":
            self.position += 1
            found.append(self._sequence())
        usable = [reach for reach in found if reach.possible]
        return _Reach(
            empty=any(reach.empty for reach in usable),
            filled=any(reach.filled for reach in usable),
            at_start=bool(usable) and all(reach.at_start for reach in usable),
            at_end=bool(usable) and all(reach.at_end for reach in usable),
        )

    def _sequence(self) -> _Reach:
        parts: list[_Reach] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._counted())
        for number, part in enumerate(parts):
            before, after = parts[:number], parts[number + 1 :]
            misplaced = (part.at_start and not all(other.empty for other in before)) or (
                part.at_end and not all(other.empty for other in after)
            )
            if misplaced:
                self.anchored = True
                return _NEVER
        return _Reach(
            empty=all(part.empty for part in parts),
            filled=all(part.possible for part in parts) and any(part.filled for part in parts),
            at_start=any(part.at_start for part in parts),
            at_end=any(part.at_end for part in parts),
        )

    def _counted(self) -> _Reach:
        reach = self._atom()
        while count := _COUNT.match(self.text, self.position):
            self.position = count.end()
            if count["most"] == "0" or (count["least"] == "0" and count["most"] is None):
                reach = _WIDTHLESS
            elif count["least"] == "0" or (count["least"] is None and count[0][0] != "+"):
                reach = _Reach(empty=True, filled=reach.filled)
        return reach

    def _atom(self) -> _Reach:
        if flags := _FLAGS.match(self.text, self.position):
            self.position = flags.end()
            return _WIDTHLESS
        if group := _GROUP.match(self.text, self.position):
            self.position = group.end()
            inner = self.alternatives()
            self.position += 1
            return inner
        if self.text.startswith("\\Q", self.position):
            return self._quoted()
        if escaped := _ESCAPED.match(self.text, self.position):
            self.position = escaped.end()
            return self._escape(escaped[0])
        if listed := _CLASS.match(self.text, self.position):
            self.position = listed.end()
            return self._class(listed[0])
        character = self._peek()
        self.position += 1
        if character == "/":
            self.slashed = True
            return _NEVER
        return {"^": _START, "$": _END}.get(character, _TEXT)

    def _quoted(self) -> _Reach:
        end = self.text.find("\\E", self.position)
        quoted = self.text[self.position + 2 : end if end >= 0 else len(self.text)]
        self.position = end + 2 if end >= 0 else len(self.text)
        if "/" in quoted:
            self.slashed = True
            return _NEVER
        return _TEXT if quoted else _WIDTHLESS

    def _escape(self, escape: str) -> _Reach:
        if escape in _SLASHES:
            self.slashed = True
            return _NEVER
        return {r"\A": _START, r"\z": _END, r"\b": _WIDTHLESS, r"\B": _WIDTHLESS}.get(escape, _TEXT)

    def _class(self, listed: str) -> _Reach:
        if not listed.isascii() or re.search(r"\\[xpP]", listed):
            return _TEXT
        expression = compile_regex(listed)
        if any(expression.fullmatch(probe) for probe in _PROBES):
            return _TEXT
        self.slashed = self.slashed or bool(expression.fullmatch(b"/"))
        return _NEVER

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]
