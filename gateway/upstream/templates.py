"""Heads that an upstream sends again and again, learned and then read in one step.

A head that was read and judged in full teaches its template once it has come `LEARN_AFTER` times with
nothing changed but values of `VARYING` fields. From then on a head that is the template's, byte for byte
around values of visible characters, is known to mean what the first one meant. Any other is read in full.
Only answers whose whole body came with their head are read so: the connection's parser sees nothing of them.
"""

import re

import msgspec

from gateway.model.field_template import VARYING, FieldTemplate, FilledFields, HeaderPairs, hole
from gateway.model.limits import Limits
from gateway.model.message import ResponseHead
from gateway.upstream.fields import JudgedHead

LEARN_AFTER = 4
_KNOWN_AT_MOST = 8
_CANDIDATES_AT_MOST = 64
_VALUE_AT_MOST = 200
_PATIENCE = 256
"""Heads looked at in vain before only one in as many is looked at."""

_VALUE = rb"([!-~](?:[ -~]{0,%d}[!-~])?)" % (_VALUE_AT_MOST - 2)
_LENGTH = rb"([0-9]{1,18})"
_TAG = re.compile(rb'(W/)?"([!#-~]{0,%d})"' % _VALUE_AT_MOST)
_TAG_TEXT = rb"([!#-~]{0,%d})" % _VALUE_AT_MOST
_BODYLESS = frozenset({204, 205, 304})


class _HeadTemplate(msgspec.Struct, frozen=True, gc=False):
    pattern: "re.Pattern[bytes]"
    every: FieldTemplate
    onward: FieldTemplate
    judged: JudgedHead
    length: int


class HeadTemplates:
    """What is known of the heads of one upstream."""

    def __init__(self, limits: Limits) -> None:
        self._learns = limits.header_field >= 2 * _VALUE_AT_MOST
        self._size_limit = limits.headers_total
        self._known: list[_HeadTemplate] = []
        self._candidates: dict[bytes, int] = {}
        self._in_vain = 0

    @property
    def patterns(self) -> list["re.Pattern[bytes]"]:
        """Of the heads that are known, the one learned last first."""
        return [known.pattern for known in self._known]

    def read(self, data: bytes) -> tuple[JudgedHead, bytes] | None:
        """The head and the body, if `data` is a whole answer with a known head and nothing behind it."""
        for known in self._known:
            found = known.pattern.match(data)
            if found is None:
                continue
            values = found.groups()
            length = int(values[known.length])
            end = found.end()
            if len(data) - end != length or end > self._size_limit:
                return None
            first = known.judged
            onward = ResponseHead(first.onward.status, FilledFields(known.onward, values))
            every = FilledFields(known.every, values)
            return JudgedHead(every, onward, length, False, first.persistent, first.repeats), data[end:]
        return None

    def learn(self, head: bytes, judged: JudgedHead) -> None:
        """Take note of a head that was read in full; `head` are its bytes, empty line included."""
        status = judged.onward.status
        if not self._learns or judged.length is None or status < 200 or status in _BODYLESS:
            return
        self._in_vain += 1
        if self._in_vain > _PATIENCE and self._in_vain % _PATIENCE:
            return
        lines = _pattern_lines(head)
        if lines is None or len(lines) != len(judged.headers) + 1:
            return
        text = b"\r\n".join(lines) + b"\r\n\r\n"
        seen = self._candidates.get(text, 0) + 1
        if seen < LEARN_AFTER:
            if len(self._candidates) >= _CANDIDATES_AT_MOST:
                self._candidates.clear()
            self._candidates[text] = seen
            return
        self._candidates.pop(text, None)
        self._keep(text, judged)

    def _keep(self, text: bytes, judged: JudgedHead) -> None:
        every = judged.headers
        marked, length = _marked(every)
        kept = {id(pair) for pair in judged.onward.headers}
        onward = tuple(new for pair, new in zip(every, marked, strict=True) if id(pair) in kept)
        if len(onward) != len(kept):
            return
        known = _HeadTemplate(re.compile(text), FieldTemplate(marked), FieldTemplate(onward), judged, length)
        self._known = [known, *self._known[: _KNOWN_AT_MOST - 1]]
        self._in_vain = 0


def _pattern_lines(head: bytes) -> list[bytes] | None:
    """A pattern for each line; None where the head is not one to learn, as with a field twice that may have a hole."""
    status, *lines = head[:-4].split(b"\r\n")
    met: set[bytes] = set()
    patterns = [re.escape(status)]
    for line in lines:
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower not in VARYING:
            patterns.append(re.escape(line))
            continue
        pattern = _value_pattern(lower, value[1:])
        if lower in met or pattern is None or value[:1] != b" ":
            return None
        met.add(lower)
        patterns.append(re.escape(name) + b": " + pattern)
    return patterns if b"content-length" in met else None


def _value_pattern(name: bytes, value: bytes) -> bytes | None:
    if name == b"content-length":
        return _LENGTH if re.fullmatch(_LENGTH, value) else None
    if name == b"etag":
        tag = _TAG.fullmatch(value)
        return None if tag is None else (tag[1] or b"") + b'"' + _TAG_TEXT + b'"'
    return _VALUE if re.fullmatch(_VALUE, value) else None


def _marked(pairs: HeaderPairs) -> tuple[HeaderPairs, int]:
    """The fields with holes, numbered in the order of the pattern's groups, and the number of Content-Length."""
    marked: list[tuple[bytes, bytes]] = []
    count = length = 0
    for name, value in pairs:
        lower = name.lower()
        if lower not in VARYING:
            marked.append((name, value))
            continue
        mark = hole(count)
        if lower == b"etag":
            mark = value.partition(b'"')[0] + b'"' + mark + b'"'
        elif lower == b"content-length":
            length = count
        marked.append((name, mark))
        count += 1
    return tuple(marked), length
