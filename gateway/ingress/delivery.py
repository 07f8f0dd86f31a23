"""The answer on its way to the client: framed anew, counted, at the client's pace."""

from collections.abc import AsyncIterator

from gateway.ingress.protocol import ClientConnection
from gateway.ingress.respond import CHUNKED, LAST_CHUNK, FieldLines, chunk, content_length, field_lines, head_bytes
from gateway.model.errors import Fault, Source
from gateway.model.message import Outgoing
from gateway.upstream import UpstreamResponse

_ANY_SIZE = 1 << 62


class Delivery:
    """Writes one answer. `begun` tells whether its head is out, `sent` how many bytes of body went.

    `own` are the field lines that this hop adds.
    """

    __slots__ = ("_connection", "_legacy", "_own", "begun", "keep_alive", "sent", "status", "unmarked_end")

    def __init__(self, connection: ClientConnection, *, legacy: bool, keep_alive: bool, own: bytes) -> None:
        self._connection = connection
        self._legacy = legacy
        self._own = own
        self.keep_alive = keep_alive
        self.begun = False
        self.sent = 0
        self.status = 0
        self.unmarked_end = False

    async def answer(
        self,
        outgoing: Outgoing,
        response: UpstreamResponse,
        first: list[bytes],
        *,
        without_body: bool,
        edited: AsyncIterator[bytes] | None = None,
    ) -> None:
        """Send an admitted answer; `first` is what was read of a body that now streams.

        `edited` is the body that goes in place of the response's own, of a length that nobody knows.

        Raises:
            ClientGoneError: the client left.
            Fault: the upstream failed; the head may be out already.
        """
        self.status = outgoing.status
        fields = field_lines(outgoing.fields)
        length = fields.length
        if without_body:
            self._send_bodyless(fields, length)
        elif outgoing.body is not None:
            self._send_whole(fields, outgoing.body)
        elif edited is not None:
            await self._stream(fields, edited)
        elif response.complete and not first:
            self._send_whole(fields, response.take_whole(_ANY_SIZE))
        elif length is not None:
            await self._stream_counted(fields, _after(first, response), length)
        else:
            await self._stream(fields, _after(first, response))
        if self._connection.writing_paused:
            await self._connection.drain()

    def _head(self, fields: FieldLines, framing: bytes, body: bytes = b"") -> bytes:
        self.begun = True
        return head_bytes(
            self.status,
            fields,
            framing=framing,
            keep_alive=self.keep_alive,
            legacy=self._legacy,
            via=self._own,
            body=body,
        )

    def _send_bodyless(self, fields: FieldLines, length: int | None) -> None:
        """HEAD and 304 may say how long the body would be; 204 must not, 205 has none (RFC 9110 15.3.6)."""
        if self.status == 205:
            length = 0
        framing = b"" if length is None or self.status == 204 else content_length(length)
        self._connection.send(self._head(fields, framing))

    def _send_whole(self, fields: FieldLines, body: bytes) -> None:
        self.sent = len(body)
        self._connection.send(self._head(fields, content_length(self.sent), body))

    async def _stream_counted(self, fields: FieldLines, pieces: AsyncIterator[bytes], length: int) -> None:
        connection = self._connection
        head = b""
        async for piece in pieces:
            self.sent += len(piece)
            if self.sent > length:
                break
            if not self.begun:
                head = self._head(fields, content_length(length))
            connection.send(head + piece if head else piece)
            head = b""
            if connection.writing_paused:
                await connection.drain()
        if self.sent != length:
            raise Fault("upstream_broken", Source.UPSTREAM, "the answer has not the announced length")

    async def _stream(self, fields: FieldLines, pieces: AsyncIterator[bytes]) -> None:
        """Chunked; to a client of HTTP/1.0, whose connection's end then is the body's, as it is."""
        connection = self._connection
        if self._legacy:
            self.keep_alive = False
            self.unmarked_end = True
        connection.send(self._head(fields, b"" if self._legacy else CHUNKED))
        async for piece in pieces:
            connection.send(piece if self._legacy else chunk(piece))
            self.sent += len(piece)
            if connection.writing_paused:
                await connection.drain()
        if not self._legacy:
            connection.send(LAST_CHUNK)


def _after(first: list[bytes], response: UpstreamResponse) -> AsyncIterator[bytes]:
    return _chained(first, response) if first else response.__aiter__()


async def _chained(first: list[bytes], response: UpstreamResponse) -> AsyncIterator[bytes]:
    for piece in first:
        yield piece
    async for piece in response:
        yield piece
