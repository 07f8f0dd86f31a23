"""One connection to an upstream: one exchange at a time.

Any byte that nobody asked for closes the connection, so that it can never become the answer to
someone else's request (RFC 9112 section 9.2).

States: idle (`_waiter` and `_response` are None), awaiting a head (`_waiter` is set), receiving a
body (`_response` is set), closed. Time is watched from outside: the pool calls `expire` when
`deadline` has passed.
"""

import asyncio
import math
import select
import ssl
from collections.abc import AsyncIterator
from typing import Protocol, cast

from gateway.model.errors import Fault, Source
from gateway.model.limits import Limits
from gateway.upstream.fields import JudgedHead
from gateway.upstream.head import broken, has_field
from gateway.upstream.parser import ResponseParser
from gateway.upstream.response import UpstreamResponse
from gateway.upstream.templates import HeadTemplates
from gateway.upstream.tunnel import Tunnel
from gateway.upstream.upload import start_upload

_INTERIM_AT_MOST = 8
_NEVER = math.inf
_AT_ONCE = 64 * 1024
"""Bytes of a request that any upstream's socket takes in one go."""


class Dropped(Fault):
    """The connection ended before any byte of the answer: a reused one may have been closed meanwhile."""

    def __init__(self) -> None:
        super().__init__("upstream_broken", Source.UPSTREAM, "the upstream closed the connection without an answer")


class Home(Protocol):
    """The pool as its connections see it."""

    def take_back(self, connection: "UpstreamConnection") -> None: ...
    def forget(self, connection: "UpstreamConnection") -> None: ...
    def hand_over(self, connection: "UpstreamConnection", tunnel: Tunnel) -> None: ...
    def count_unsolicited(self) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """See the module. `served` counts the exchanges that ended well."""

    def __init__(self, home: Home, limits: Limits, loop: asyncio.AbstractEventLoop, templates: HeadTemplates) -> None:
        self.deadline = _NEVER
        self.served = 0
        self._home = home
        self._limits = limits
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = ResponseParser(limits, templates)
        self._readable = select.poll()
        self._closed = False
        self._writable: asyncio.Future[None] | None = None
        self._upload: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[UpstreamResponse] | None = None
        self._response: UpstreamResponse | None = None
        self._strict = self._upgrade = self._answered = False
        self._interims = 0
        self._unsent: float = 0

    # The pool's side

    @property
    def closed(self) -> bool:
        return self._closed

    def usable(self) -> bool:
        """Whether an idle connection is still open with nothing unread: not one byte may be waiting."""
        transport = self._transport
        return not (self._closed or transport is None or transport.is_closing() or self._readable.poll(0))

    def send(
        self, request: bytes, *, is_head: bool, strict: bool, upgrade: bool = False
    ) -> asyncio.Future[UpstreamResponse]:
        """Write a request (head and the body in full, or the head alone) and return its answer's future."""
        assert self._transport is not None
        self._parser.begin(is_head=is_head)
        self._strict = strict
        self._upgrade = upgrade
        self._answered = False
        self._interims = 0
        self._unsent = 0 if len(request) < _AT_ONCE else math.inf
        self._waiter = self._loop.create_future()
        self.deadline = self._loop.time() + self._limits.upstream_first_byte_timeout
        self._transport.write(request)
        return self._waiter

    def send_body(self, body: AsyncIterator[bytes], length: int | None) -> None:
        """Stream the body of the request just sent; the clock for the answer starts at its end."""
        self.deadline = _NEVER
        self._upload = start_upload(body, length, self, self._loop)
        self._upload.add_done_callback(self._upload_done)

    def expire(self) -> None:
        """The deadline has passed: give up what is under way, or the idle connection.

        A large request on its way to a slow upstream has time as long as some of it goes out.
        """
        if self._waiter is None and self._response is None:
            self.abort()
            return
        left = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if left < self._unsent:
            self._unsent = left
            limits = self._limits
            wait = limits.upstream_idle_timeout if left else limits.upstream_first_byte_timeout
            self.deadline = self._loop.time() + wait
        else:
            self.fail(Fault("upstream_timeout", Source.UPSTREAM, "the upstream did not answer in time"))

    def give_up(self, waiter: "asyncio.Future[UpstreamResponse]") -> None:
        """Whoever awaited `waiter` is gone: close, unless the exchange ended and others may be served by now."""
        if self._waiter is waiter:
            self.abort()
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            response = waiter.result()
            response.abort()
            if response.upgraded is not None:
                response.upgraded.abort()

    def abort(self) -> None:
        """Close at once, never to be reused; what is under way ends with an error."""
        self.fail(broken("the exchange was given up"))

    def fail(self, error: Exception) -> None:
        """End the exchange with `error` and close the connection at once."""
        if self._closed:
            return
        self._close_down(error)
        if self._transport is not None:
            self._transport.abort()

    def _close_down(self, error: Exception) -> None:
        self._closed = True
        self.deadline = _NEVER
        self._home.forget(self)
        self.resume_writing()
        if self._upload is not None:
            self._upload.cancel()
        waiter, self._waiter = self._waiter, None
        response, self._response = self._response, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif response is not None:
            response.fail(error)

    # The response's side

    def pause(self) -> None:
        """Stop reading: the client is slower than the upstream, which is nobody's timeout here."""
        if self._transport is not None and not self._closed:
            self._transport.pause_reading()
            self.deadline = _NEVER

    def resume(self) -> None:
        if self._transport is not None and not self._closed:
            self._transport.resume_reading()
            self._touch()

    # The upload's side

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._closed:
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the upstream has taken enough; a stall counts against the idle timeout."""
        while self._writable is not None and not self._closed:
            if self._waiter is not None:
                self._unsent = math.inf
                self._touch()
            await self._writable
        if self._waiter is not None:
            self.deadline = _NEVER

    def upload_finished(self) -> None:
        if self._waiter is not None:
            self._unsent = 0
            self.deadline = self._loop.time() + self._limits.upstream_first_byte_timeout

    def _upload_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and task is self._upload:
            self.fail(error if isinstance(error, Exception) else broken("the request was given up"))

    def _touch(self) -> None:
        self.deadline = self._loop.time() + self._limits.upstream_idle_timeout

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports do not inherit from it
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        self._lost()
        self._transport = None
        self._parser.close()

    def eof_received(self) -> None:
        """An orderly end: of a body that lasts until then, or of the connection."""
        if self._response is not None and self._parser.until_eof and self._ended_in_order():
            self._finish(self._response)
        else:
            self._lost()

    def _lost(self) -> None:
        if not self._closed:
            early = self._waiter is not None and not self._answered
            self._close_down(Dropped() if early else broken("the upstream closed the connection mid-message"))

    def _ended_in_order(self) -> bool:
        """Whether TLS said goodbye (RFC 9112 section 9.8); asyncio reports a mere FIN the same way."""
        assert self._transport is not None
        tls: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return tls.read(1) == b""
        except ssl.SSLError:
            return False  # it still waits for more

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            if self._response is not None:
                self._receive_body(self._response, data)
            elif self._waiter is not None:
                self._receive_head(data)
            else:
                self._home.count_unsolicited()
                self.abort()
        except Fault as fault:
            self.fail(fault)

    # The answer

    def _receive_head(self, data: bytes) -> None:
        self._answered = True
        parser = self._parser
        while parser.read_head(data):
            status = parser.judged.onward.status
            if status >= 200:
                self._start_response(parser.judged)
                return
            data = parser.rest
            if status == 101:
                self._switch(parser.judged, data)
                return
            self._interims += 1
            if self._interims > _INTERIM_AT_MOST:
                raise broken("the upstream sends interim responses without end")
            if not data:
                return

    def _start_response(self, judged: JudgedHead) -> None:
        status = judged.onward.status
        if status == 407:
            raise broken("the upstream asks the gateway to authenticate as a proxy's client")
        if self._strict and judged.repeats:
            raise broken("the response repeats a field that may stand once")
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            self.abort()  # cancelled in this very turn of the loop
            return
        response = UpstreamResponse(judged, self, self._loop)
        parser = self._parser
        if parser.complete:
            response.arrive(parser.take_chunks())
            self._end_exchange()
        else:
            self._touch()
            for chunk in parser.take_chunks():
                response.receive(chunk)
            self._response = response
            if self._upload is not None and status >= 300:
                self._upload.cancel()  # the upstream has made up its mind: the rest would be in vain
        waiter.set_result(response)

    def _receive_body(self, response: UpstreamResponse, data: bytes) -> None:
        self._touch()
        parser = self._parser
        parser.read_body(data)
        for chunk in parser.take_chunks():
            response.receive(chunk)
        if parser.complete:
            self._finish(response)

    def _finish(self, response: UpstreamResponse) -> None:
        self._response = None
        if not self._closed:
            response.finish()
            self._end_exchange()

    def _end_exchange(self) -> None:
        """The answer is complete: keep the connection for others, or close it."""
        self.served += 1
        parser = self._parser
        if parser.extra:
            self._home.count_unsolicited()
        transport = self._transport
        assert transport is not None
        sent = self._upload is None or self._upload_ended()
        if sent and not transport.get_write_buffer_size() and parser.persistent and not parser.extra:
            self.deadline = self._loop.time() + self._limits.upstream_pool_idle
            self._home.take_back(self)
            return
        self._closed = True
        self._home.forget(self)
        transport.abort()

    def _upload_ended(self) -> bool:
        """Whether the body went out to its end; what has not been sent by now never will be."""
        upload, self._upload = self._upload, None
        if upload is None or (upload.done() and not upload.cancelled() and upload.exception() is None):
            return True
        upload.cancel()
        return False

    def _switch(self, judged: JudgedHead, first: bytes) -> None:
        asked = self._upgrade and has_field(judged.headers, b"upgrade", b"websocket")
        if not asked or not has_field(judged.headers, b"connection", b"upgrade"):
            raise broken("the upstream switches to a protocol that nobody asked for")
        assert self._transport is not None
        waiter, self._waiter = self._waiter, None
        tunnel = Tunnel(self._transport, self._loop, first)
        self._transport.set_protocol(tunnel)
        self._closed = True
        self._home.hand_over(self, tunnel)
        self._transport = None
        self._parser.close()
        response = UpstreamResponse(judged, self, self._loop)
        response.upgraded = tunnel
        response.finish()
        if waiter is not None and not waiter.done():
            waiter.set_result(response)
        else:
            tunnel.abort()
