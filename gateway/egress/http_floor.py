"""mitmproxy's HTTP, cut down to one side: requests come in, answers go out, and there is nothing behind.

The hooks of an add-on are not all that decides: mitmproxy answers errors with pages that quote the client, goes on
to the server where a hook fails, reads bodies to their end before anybody may refuse, and keeps heads without bound.
Here each of these ends in an answer of the gateway's or in a closed connection. `Stream` is one request, `Http1` and
`Http2` are what a connection speaks, `Http` holds them together.
"""

from typing import Protocol

import h11
from h11._readers import ChunkedReader, ContentLengthReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpLayer,
    HTTPMode,
    HttpStream,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpConnectHook, HttpRequestHeadersHook
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server

from gateway.egress.request_head import checked_head
from gateway.model.errors import Fault
from gateway.model.limits import Limits
from gateway.upstream.request_fields import client_fault

ENDS = "ends"
"""Of a flow's metadata: whether no body follows its head."""
NESTED = "nested"
"""Whether a CONNECT came through a tunnel, or to a port that is no proxy."""

_BREAKS = "the messages break the rules of HTTP"


class Desk(Protocol):
    """Who answers in the place of mitmproxy."""

    limits: Limits

    def malformed(self, client: Client, fault: Fault) -> http.Response:
        """The answer to what is no request."""

    def exceeded(self, flow: http.HTTPFlow, size: int) -> http.Response | None:
        """The answer where a body of which `size` bytes are here is too long by now."""

    def unanswered(self, flow: http.HTTPFlow) -> http.Response:
        """The answer where no hook gave one."""

    def abandoned(self, flow: http.HTTPFlow) -> None:
        """The client has left."""

    def done(self, flow: http.HTTPFlow) -> None:
        """The answer is on its way, or there will be none."""


class Http(HttpLayer):
    """Serves one connection, or what comes through one tunnel."""

    def __init__(self, context: Context, mode: HTTPMode, desk: Desk) -> None:
        super().__init__(context, mode)
        self._desk = desk

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Start):
            server: Layer = (
                Http2(self.context.fork(), self._desk)
                if self.context.client.alpn == b"h2"
                else Http1(self.context.fork(), self._desk)
            )
            self.connections[self.context.client] = server
        yield from super()._handle_event(event)

    def make_stream(self, stream_id: int) -> CommandGenerator[None]:
        stream = self.streams[stream_id] = Stream(self.context.fork(), stream_id, self._desk)
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> CommandGenerator[None]:  # noqa: ARG002
        """Give none."""
        stream = self.command_sources.pop(event)
        yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, (None, _BREAKS)))


class Stream(HttpStream):
    """One request, from its head to its answer."""

    def __init__(self, context: Context, stream_id: int, desk: Desk) -> None:
        super().__init__(context, stream_id)
        self._desk = desk

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, RequestProtocolError) and hasattr(self, "flow"):
            self._desk.abandoned(self.flow)
        yield from super().handle_event(event)

    def state_wait_for_request_headers(self, event: RequestHeaders) -> CommandGenerator[None]:
        """Ask who may refuse by the head alone; only then is there an interim answer, or a body."""
        flow = self.flow = http.HTTPFlow(self.context.client, self.context.server)
        flow.request = event.request
        flow.live = True
        flow.metadata[ENDS] = event.end_stream
        if flow.request.method == "CONNECT":
            yield from self.handle_connect()
            return
        yield HttpRequestHeadersHook(flow)
        if (yield from self.check_killed(True)):
            return
        if flow.response is not None:
            yield from self._answer_at_once()
            return
        if not event.end_stream and flow.request.headers.get("expect"):
            interim = http.Response.make(100)
            interim.headers.clear()
            yield SendHttp(ResponseHeaders(self.stream_id, interim), self.context.client)
        self.client_state = self.state_consume_request_body
        self.server_state = self.state_wait_for_response_headers

    def _answer_at_once(self) -> CommandGenerator[None]:
        """Answer while the body may still come: it goes nowhere, and the connection ends with it."""
        assert self.flow.response is not None
        self.client_state = self.state_errored
        if not self.flow.metadata[ENDS] and not self.flow.request.is_http2:
            self.flow.response.headers["Connection"] = "close"
        yield from self.send_response()
        if self.server_state == self.state_done:
            yield from self.flow_done()

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:
        if not request:
            return False
        refusal = self._desk.exceeded(self.flow, len(self.request_body_buf))
        if refusal is None:
            return False
        self.request_body_buf.clear()
        self.flow.response = refusal
        yield from self._answer_at_once()
        return True

    def make_server_connection(self) -> CommandGenerator[bool]:
        """Give the answer that no hook gave: there is no server to ask for one."""
        self.flow.response = self._desk.unanswered(self.flow)
        yield from self.send_response()
        return False

    def start_request_stream(self) -> CommandGenerator[None]:
        yield from self.make_server_connection()

    def handle_connect(self) -> CommandGenerator[None]:
        flow = self.flow
        self.client_state = self.state_done
        flow.metadata[NESTED] = self.mode is not HTTPMode.regular
        yield HttpConnectHook(flow)
        if (yield from self.check_killed(False)):
            return
        if flow.response is None and flow.metadata[NESTED]:
            flow.response = self._desk.unanswered(flow)
        yield from self.handle_connect_finish()  # type: ignore[no-untyped-call]
        if self._handle_event != self.passthrough:
            self._desk.done(flow)

    def flow_done(self) -> CommandGenerator[None]:
        yield from super().flow_done()
        self._desk.done(self.flow)

    def check_killed(self, emit_error_hook: bool) -> CommandGenerator[bool]:
        killed = yield from super().check_killed(emit_error_hook)
        if killed:
            self._desk.done(self.flow)
        return killed

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> CommandGenerator[None]:
        yield from super().handle_protocol_error(event)
        self._desk.done(self.flow)


class _WithoutTrailers:
    """h11's reader of chunks, which hands trailers on to a part of mitmproxy that knows none."""

    def __init__(self) -> None:
        self._reader = ChunkedReader()

    def __call__(self, buffer: ReceiveBuffer) -> h11.Data | h11.EndOfMessage | None:
        event = self._reader(buffer)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event

    def read_eof(self) -> None:
        self._reader.read_eof()


class Http1(Http1Server):
    """HTTP/1.0 and HTTP/1.1 from a client."""

    def __init__(self, context: Context, desk: Desk) -> None:
        super().__init__(context)
        self._desk = desk
        self._unread_at_most = desk.limits.request_line + desk.limits.headers_total

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        yield from super()._handle_event(event)
        if len(self.buf) <= self._unread_at_most or self.state == self.done:
            return
        if self.state == self.read_headers:
            yield from self._refuse(client_fault("headers_too_large", "the head is over the limit"))
        else:
            # What waits for its turn, or never ends a line of the chunked coding.
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(self._left())
            self.state = self.done

    def _left(self) -> RequestProtocolError:
        default = RequestProtocolError.code
        return RequestProtocolError(self.stream_id, _BREAKS, default)

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        if isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(self.conn)
            return
        lines = self.buf.maybe_extract_lines()
        if lines == []:
            lines = self.buf.maybe_extract_lines()  # RFC 9112 section 2.2: one empty line before a request
        if lines is None:
            return
        try:
            head = checked_head([bytes(line) for line in lines], self._desk.limits)
            self.request = http1.read_request_head(head)
            validate_headers(self.request)
            size = http1.expected_http_body_size(self.request)
        except Fault as fault:
            yield from self._refuse(fault)
            return
        except ValueError:
            yield from self._refuse(client_fault("bad_request", "the head breaks the rules of HTTP"))
            return
        yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, size == 0))
        self.body_reader = _WithoutTrailers() if size is None else ContentLengthReader(size)  # type: ignore[assignment]
        self.state = self.read_body
        yield from self.state(event)

    def _refuse(self, fault: Fault) -> CommandGenerator[None]:
        response = self._desk.malformed(self.context.client, fault)
        yield commands.SendData(self.conn, http1.assemble_response(response))
        yield commands.CloseConnection(self.conn)
        self.state = self.done

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        if not isinstance(event, ResponseProtocolError):
            yield from super().send(event)
            return
        if self.conn.state & ConnectionState.CAN_WRITE:
            if not self.response and answers(event):
                yield commands.SendData(self.conn, http1.assemble_response(_error(self._desk, self.context.client)))
            yield commands.CloseConnection(self.conn)


class Http2(Http2Server):
    """HTTP/2 from a client (RFC 9113)."""

    def __init__(self, context: Context, desk: Desk) -> None:
        super().__init__(context)
        self._desk = desk

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, ResponseProtocolError) and answers(event) and self._may_answer(event.stream_id):
            response = _error(self._desk, self.context.client)
            yield from super()._handle_event(ResponseHeaders(event.stream_id, response))
            yield from super()._handle_event(ResponseData(event.stream_id, response.raw_content or b""))
            yield from super()._handle_event(ResponseEndOfMessage(event.stream_id))
            return
        yield from super()._handle_event(event)

    def _may_answer(self, stream_id: int) -> bool:
        return self.is_open_for_us(stream_id) and not self.h2_conn.streams[stream_id].state_machine.headers_sent

    def protocol_error(self, message: str, error_code: int = 1) -> CommandGenerator[None]:  # noqa: ARG002 - it quotes
        """End the connection; what is wrong is not repeated (1: PROTOCOL_ERROR, RFC 9113 section 7)."""
        self._desk.malformed(self.context.client, client_fault("bad_request", _BREAKS))
        yield from super().protocol_error(_BREAKS, error_code)


def _error(desk: Desk, client: Client) -> http.Response:
    return desk.malformed(client, client_fault("bad_request", _BREAKS))


def answers(event: ResponseProtocolError) -> bool:
    """Whether an error is to be answered; some only end the exchange.

    mitmproxy 11 writes the status (204 for none), 12 a word that knows its status. This is all that differs.
    """
    status = getattr(event.code, "http_status_code", None)
    if status is None:
        return event.code != 204
    return status() is not None
