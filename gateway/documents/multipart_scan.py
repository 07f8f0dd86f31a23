"""Multipart bodies cut into parts as the bytes come in (RFC 2046 section 5.1, RFC 7578).

Strict on purpose: the body starts with its first delimiter (one CRLF may stand before it) and ends
with the closing one (one CRLF may stand after it); preamble, epilogue, padding after a boundary, and a
boundary at the start of a line that a lenient reader would take for a delimiter are refused.
"""

from enum import Enum
from typing import TypeAlias

from gateway.documents.multipart_head import PartHead, parse_part_head
from gateway.model.errors import Unreadable
from gateway.model.limits import Limits
from gateway.model.words import Posture


class Mark(Enum):
    PART_END = "part_end"
    CLOSE = "close"


Event: TypeAlias = PartHead | bytes | Mark
"""A part begins; some of its content; it ends; or the closing delimiter, after which nothing comes."""

_CRLF = b"\r\n"
_BLANK = b"\r\n\r\n"


class _State(Enum):
    START = "start"
    HEAD = "head"
    CONTENT = "content"
    CLOSED = "closed"


class PartScanner:
    """Feed it the body in any slices; content comes out as soon as it cannot be a delimiter.

    `opening` and `ending` are the CRLF, if any, before the first and after the closing delimiter.
    """

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self._dash = b"--" + boundary
        self._limits = limits
        self._buffer = b""
        self._state = _State.START
        self._last = b""
        self._parts = 0
        self.opening = b""
        self.ending = b""

    def feed(self, chunk: bytes) -> list[Event]:
        """What these bytes complete.

        Raises:
            Unreadable: UNPARSABLE_BODY, UNDECODABLE_CHARSET, OVER_SIZE; the scanner is then spent.
        """
        self._buffer += chunk
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def finish(self) -> None:
        """Say that the body ends here.

        Raises:
            Unreadable: UNPARSABLE_BODY where the closing delimiter has not come.
        """
        if self._state is not _State.CLOSED or self._buffer not in (b"", _CRLF):
            raise _malformed("the multipart body does not end with its closing delimiter")
        self.ending = self._buffer

    def _step(self, events: list[Event]) -> bool:
        match self._state:
            case _State.START:
                return self._start(events)
            case _State.HEAD:
                return self._head(events)
            case _State.CONTENT:
                return self._content(events)
            case _State.CLOSED:
                if not _CRLF.startswith(self._buffer):
                    raise _malformed("something follows the closing delimiter")
                return False

    def _start(self, events: list[Event]) -> bool:
        if _CRLF.startswith(self._buffer[:2]) and len(self._buffer) < 2:
            return False
        opening = _CRLF if self._buffer.startswith(_CRLF) else b""
        head = self._buffer[len(opening) :]
        if not head.startswith(self._dash[: len(head)]):
            raise _malformed("the multipart body does not start with its boundary")
        if len(head) < len(self._dash) + 2:
            return False
        self.opening = opening
        self._delimited(head[len(self._dash) :], events)
        return True

    def _delimited(self, after: bytes, events: list[Event]) -> None:
        """Go on behind a boundary; `after` has at least the two bytes that tell which delimiter it is."""
        if after.startswith(_CRLF):
            self._parts += 1
            if self._parts > self._limits.multipart_parts:
                raise Unreadable(Posture.OVER_SIZE, "the form has too many parts")
            self._state = _State.HEAD
        elif after.startswith(b"--"):
            events.append(Mark.CLOSE)
            self._state = _State.CLOSED
        else:
            raise _malformed("a boundary is followed by something else than a line end")
        self._buffer = after[2:]

    def _head(self, events: list[Event]) -> bool:
        end = self._buffer.find(_BLANK)
        if max(end, len(self._buffer) - 3 if end < 0 else 0) > self._limits.multipart_part_header:
            raise Unreadable(Posture.OVER_SIZE, "a part's header fields are too long")
        if end < 0:
            return False
        events.append(parse_part_head(self._buffer[:end], self._limits))
        self._buffer = self._buffer[end + 4 :]
        self._last = b"\n"
        self._state = _State.CONTENT
        return True

    def _content(self, events: list[Event]) -> bool:
        buffer = self._buffer
        position = buffer.find(self._dash)
        while position >= 0:
            before = buffer[max(position - 2, 0) : position]
            if before == _CRLF:
                if len(buffer) < position + len(self._dash) + 2:
                    self._release(position - 2, events)
                    return False
                self._release(position - 2, events)
                events.append(Mark.PART_END)
                self._delimited(buffer[position + len(self._dash) :], events)
                return True
            if (before[-1:] or self._last) in (b"\r", b"\n"):
                raise _malformed("a line starts with the boundary but is no delimiter")
            position = buffer.find(self._dash, position + 1)
        # A boundary that is cut off here, and the CRLF before it, must stay.
        self._release(len(buffer) - len(self._dash) - 1, events)
        return False

    def _release(self, length: int, events: list[Event]) -> None:
        if length > 0:
            events.append(self._buffer[:length])
            self._last = self._buffer[length - 1 : length]
            self._buffer = self._buffer[length:]


def _malformed(why: str) -> Unreadable:
    return Unreadable(Posture.UNPARSABLE_BODY, why)
