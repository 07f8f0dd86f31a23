"""Responses from bytes: syntax by llhttp, doubts by us.

The end of the head is found and its status line checked here, its fields are judged by
`upstream_fields`; llhttp checks the syntax of the fields and decodes the body. No I/O.
"""

import httptools

from gateway.model.limits import Limits
from gateway.model.message import ResponseHead
from gateway.upstream.fields import JudgedHead, check_size, judge_fields
from gateway.upstream.head import STATUS_LINE, broken
from gateway.upstream.templates import HeadTemplates

_HEAD_END = b"\r\n\r\n"
_BODYLESS = frozenset({204, 205, 304})
_NO_HEAD = JudgedHead((), ResponseHead(0, ()), None, chunked=False, persistent=False, repeats=False)


class ResponseParser:
    """`begin` before each exchange, then `read_head` until it says True, then `read_body`.

    After a head: `judged`; `rest` (what followed an interim response); `until_eof`
    (the body lasts as long as the connection); `persistent` (the connection may serve again). At
    any time: `complete` (the message has ended), `extra` (bytes followed that belong to no message).
    """

    def __init__(self, limits: Limits, templates: HeadTemplates) -> None:
        self._limits = limits
        self._templates = templates
        self._llhttp = httptools.HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._head_done = False
        self.judged = _NO_HEAD
        self.rest = b""
        self.begin(is_head=False)

    def begin(self, *, is_head: bool) -> None:
        """Expect the answer to a new request; the answer to HEAD has no body whatever it says."""
        self._is_head = is_head
        self._partial: bytearray | None = None
        self._quiet = 0
        self.until_eof = False
        self.persistent = True
        self.complete = False
        self.extra = False

    def close(self) -> None:
        """Let go of llhttp, which holds bound methods of ours."""
        del self._llhttp

    def read_head(self, data: bytes) -> bool:
        """Take bytes of a head and what may follow it; True once the head is here.

        Raises:
            Fault: upstream_broken.
        """
        if self._partial is None:
            if not self._is_head:
                known = self._templates.read(data)
                if known is not None:
                    self._take_whole(*known)
                    return True
            end = data.find(_HEAD_END)
            if end < 0:
                self._partial = bytearray(data)
        else:
            seen = max(len(self._partial) - 3, 0)
            self._partial += data
            end = self._partial.find(_HEAD_END, seen)
            data = bytes(self._partial) if end >= 0 else b""
        if end < 0:
            assert self._partial is not None
            self._check_partial(self._partial)
            return False
        self._partial = None
        self._parse_head(data, end + 4)
        return True

    def _take_whole(self, judged: JudgedHead, body: bytes) -> None:
        self.judged = judged
        self.persistent = judged.persistent
        self.complete = True
        self._chunks = [body] if body else []

    def read_body(self, data: bytes) -> None:
        """Take bytes of a body.

        Raises:
            Fault: upstream_broken.
        """
        self._quiet += len(data)
        self._feed(data)
        if self._quiet > self._limits.headers_total:
            raise broken("the response's chunk extensions or trailers are over the limit")

    def take_chunks(self) -> list[bytes]:
        """The decoded bytes of the body since the last call."""
        chunks = self._chunks
        self._chunks = []
        return chunks

    def _check_partial(self, partial: bytearray) -> None:
        if not b"HTTP/1.".startswith(partial[:7]) or partial.count(b"\n") != partial.count(b"\r\n"):
            raise broken("the answer does not begin like a response of HTTP/1")
        if len(partial) > self._limits.headers_total:
            raise broken("the response's header fields are over the limit")

    def _parse_head(self, data: bytes, size: int) -> None:
        line = STATUS_LINE.match(data)
        if line is None:
            raise broken("the status line is not one of HTTP/1")
        status = int(line[2])
        bodyless = self._is_head or status in _BODYLESS or status < 200
        if bodyless:
            self.rest, data = data[size:], data[:size]
        fields = self._fields = []
        self._head_done = self.complete = False
        self._feed(data)
        if not self._head_done:
            raise broken("the response's head cannot be read")
        check_size(fields, size, self._limits)
        # llhttp leaves white space at the end of values.
        padded = data.find(b" \r\n", 0, size) > 0 or data.find(b"\t\r\n", 0, size) > 0
        judged = self.judged = judge_fields(status, line[1], fields, padded=padded)
        self.persistent = judged.persistent
        self._templates.learn(data[:size], judged)
        if bodyless:
            if status >= 200:
                self._end_with_head()
        elif judged.length is None and not judged.chunked:
            self.until_eof = True
            self.persistent = False

    def _end_with_head(self) -> None:
        """Status or method end the message here, whatever its fields announce (RFC 9112 section 6.3)."""
        self.extra = bool(self.rest)
        if not self.complete:
            self.complete = True
            self._llhttp = httptools.HttpResponseParser(self)  # the old one still waits for a body
            self.persistent = self.persistent and self._is_head

    def _feed(self, data: bytes) -> None:
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # a 101, whose feed ends with its head
        except httptools.HttpParserError:
            if not self.complete:
                raise broken("the response breaks the syntax of HTTP/1.1") from None
            self.extra = True

    # Callbacks of httptools

    def on_message_begin(self) -> None:
        if self.complete:
            self.extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers come here as well, after the head is done, and are dropped (RFC 9110 section 6.5.1)."""
        if not self._head_done:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_done = True

    def on_body(self, data: bytes) -> None:
        self._quiet = 0
        if not self.complete:  # else of a second message in one segment, which answers nothing
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        self.complete = True
