"""One exchange, from the parsed request to the last byte of its answer.

The order is fixed: check the head, ask the gateway for a passage, read the body as the passage
wants it, have the request admitted (its record is durable then), send it, and the same back. What
goes wrong becomes a refusal; once the head of the answer is out, it becomes a broken connection.
Nothing goes to either side that `admit_request` or `admit_response` did not hand back.
"""

import asyncio
import logging

import msgspec
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage

from gateway.ingress.clients import Clients
from gateway.ingress.delivery import Delivery
from gateway.ingress.edited import begun, edited
from gateway.ingress.header_block import HeaderBlock
from gateway.ingress.hop import Content, Hop
from gateway.ingress.own_exchange import OwnExchange, own_answer_bytes
from gateway.ingress.protocol import ClientConnection
from gateway.ingress.request_loop import ClientRequest
from gateway.ingress.respond import field_lines, head_bytes, refusal_bytes, switching_protocols
from gateway.ingress.settings import IngressSettings
from gateway.ingress.translate import RepeatedRequest, WireRequest, is_repeatable, read_head, read_repeated
from gateway.ingress.tunnel import accept_of, acceptance_fields, run_tunnel
from gateway.ingress.upload import ClientGoneError, Upload
from gateway.model.errors import Fault, Source, StoreDown, Unreadable
from gateway.model.message import Outgoing, Refusal, header_values
from gateway.runtime.gateway import Gateway, Passage, Reading, Refused
from gateway.runtime.own_pages import OwnPages
from gateway.upstream import UpstreamResponse
from gateway.upstream.hops import passed_before

_LOG = logging.getLogger("gateway.ingress")
_FLOWS = (Reading.FLOWING, Reading.TRIED)
_BODYLESS = frozenset({204, 205, 304})
_ALLOW = (b"Allow", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")


class Forwarder:
    """Serves the requests of one server, which `hop` sends on."""

    def __init__(
        self,
        gateway: Gateway,
        hop: Hop,
        settings: IngressSettings,
        clients: Clients,
        own_pages: OwnPages | None = None,
    ) -> None:
        self.gateway = gateway
        self.hop = hop
        self.own_pages = own_pages
        self.limits = settings.limits
        self.clients = clients
        self.via = settings.via.encode()
        self.via_line = b"Via: 1.1 " + self.via + b"\r\n"

    async def handle(self, request: ClientRequest) -> bool:
        """Answer one request; whether its connection may take another.

        Whatever happens below ends here as an answer or as a closed connection.
        """
        exchange = _Exchange(self, request)
        admission = self.clients.admission
        if not admission.enter() and not await admission.wait():
            return exchange.turn_away()
        try:
            return await exchange.run()
        except Refused as refused:
            return exchange.refuse(refused.refusal)
        except (Fault, Unreadable, StoreDown) as cause:
            return exchange.fail(cause)
        except ClientGoneError:
            request.connection.abort()
            return False
        except Exception as error:  # noqa: BLE001 - the adapter's guard: a failure of ours never forwards anything
            _LOG.exception("exchange failed", exc_info=error)
            return exchange.fail(Fault("internal_error", Source.GATEWAY, "the gateway failed", close=True))
        finally:
            admission.leave()
            exchange.finish()


class _Exchange:
    """The state of one request on its way."""

    _wire: WireRequest | None = None
    _passage: Passage | None = None
    _response: UpstreamResponse | None = None
    _delivery: Delivery | None = None
    _upload: Upload | None = None
    _own: OwnExchange | None = None
    _relayed = False
    _status = 0

    def __init__(self, forwarder: Forwarder, request: ClientRequest) -> None:
        self._forwarder = forwarder
        self._request = request
        self._connection: ClientConnection = request.connection

    async def run(self) -> bool:
        """See the module."""
        forwarder = self._forwarder
        wire = self._read_head()
        block = wire.block
        if wire.max_forwards == 0:
            return self._answer_options(wire)
        own_pages = forwarder.own_pages
        if own_pages is not None and own_pages.owns(wire.head.target):
            return await self._answer_myself(own_pages, wire)
        passage = self._passage = forwarder.hop.receive(wire)
        if wire.websocket_key and not passage.streams_websocket:
            raise Fault("upgrade_refused", Source.CLIENT, "this route passes no WebSocket")
        content: Content = None
        length = None
        if wire.head.has_body:
            outgoing, content, length = await self._admit_body(passage, block)
            if wire.partner is not None and content is not outgoing.body:
                content = forwarder.hop.counted(passage, content)
        else:
            outgoing = await passage.admit_request(None)
            if block.content_length == 0:
                content = b""
        pool, fields = forwarder.hop.onward(wire, passage, outgoing.headers)
        response = self._response = await pool.request(
            wire.head.method,
            outgoing.target,
            fields,
            content,
            content_length=length,
            strict_singletons=not passage.passes_over_limit,
            upgrade=bool(wire.websocket_key),
            still=passage.still_stands if passage.depends_on_consent else None,
        )
        if response.upgraded is not None:
            return await self._switch(passage, response, wire)
        persists = await self._answer(passage, response, wire)
        if self._upload is not None and not self._upload.finished:
            await asyncio.sleep(0)  # the pool has cancelled the upload; let it let go of the body
        return persists and not forwarder.clients.draining

    def _read_head(self) -> WireRequest:
        connection = self._connection
        connection.served += 1
        message = self._request.message
        last = connection.last
        if isinstance(message, RepeatedRequest) and last is not None:
            wire = self._wire = read_repeated(message, last)
        else:
            assert isinstance(message, RawRequestMessage)
            wire = self._wire = read_head(
                message,
                self._forwarder.limits,
                scheme=connection.scheme,
                peer=connection.peer,
                trusted=connection.trusted,
                last=None if last is None else last.block,
                certified=connection.certified,
                guard=connection.guard,
            )
            connection.remember(wire, repeatable=is_repeatable(wire))
        if wire.block.via or connection.server_name:
            self._check_way(wire)
        return wire

    def _check_way(self, wire: WireRequest) -> None:
        """Refuse what has come round in a loop, or was meant for another TLS host (RFC 9110 section 7.4)."""
        if passed_before(wire.block.via, self._forwarder.via):
            raise Fault("loop_detected", Source.CLIENT, "the request has passed here before")
        name = self._connection.server_name
        if name and wire.head.host.partition(":")[0] != name:
            raise Fault("host_unknown", Source.CLIENT, "Host is not the name that TLS asked for")

    async def _answer_myself(self, pages: OwnPages, wire: WireRequest) -> bool:
        """Answer with a page of the gateway's own; whether the connection may take another request."""
        forwarder, connection = self._forwarder, self._connection
        own = self._own = OwnExchange(pages, forwarder.gateway.services.metrics)
        payload, expects = self._request.payload, wire.block.expects_continue
        answer = await own.answer(wire, Upload(connection, payload, forwarder.limits, expects_continue=expects))
        self._status = answer.status
        keep_alive = self._may_persist(wire)
        without_body = wire.head.method == "HEAD"
        connection.send(
            own_answer_bytes(answer, keep_alive=keep_alive, legacy=wire.block.legacy, without_body=without_body)
        )
        await connection.drain()
        return keep_alive

    async def _admit_body(self, passage: Passage, block: HeaderBlock) -> tuple[Outgoing, Content, int | None]:
        """The admitted request, its body as it is to be sent, and the body's length where only the client knows it."""
        upload = self._upload = Upload(
            self._connection, self._request.payload, self._forwarder.limits, expects_continue=block.expects_continue
        )
        reading = passage.request_reading
        if reading is Reading.WHOLE:
            if not passage.passes_over_limit:
                body = await upload.whole(passage.body_limit, block.content_length)
                outgoing = await passage.admit_request(body)
                return outgoing, outgoing.body, None
            pieces, whole = await upload.up_to(passage.body_limit)
            if whole:
                outgoing = await passage.admit_request(b"".join(pieces))
                return outgoing, outgoing.body, None
            return await passage.admit_request(None), upload.pieces(pieces), block.content_length
        outgoing = await passage.admit_request(None)
        if outgoing.body is not None:
            return outgoing, outgoing.body, None
        if reading is Reading.FLOWING:
            return outgoing, edited(passage.editor, upload.pieces()), None
        if upload.finished:
            return outgoing, await upload.next(), None
        return outgoing, upload.pieces(), block.content_length

    async def _answer(self, passage: Passage, response: UpstreamResponse, wire: WireRequest) -> bool:
        """Admit and deliver the answer; whether the connection may take another request."""
        head = response.onward
        if wire.partner is not None:
            self._relayed = True
            head = self._forwarder.hop.homeward(wire, head)
        rest: list[bytes] = []
        body = None
        reading = passage.response_reading(head)
        if reading is Reading.WHOLE:
            if passage.passes_over_limit:
                body, rest = await _read_up_to(response, passage.body_limit)
            elif response.complete:
                body = response.take_whole(passage.body_limit)
            else:
                body = await response.read(passage.body_limit)
        elif reading is Reading.TRIED:
            body, rest = await _read_up_to(response, passage.body_limit)
        outgoing = await passage.admit_response(head, body)
        delivery = self._delivery = Delivery(
            self._connection,
            legacy=wire.block.legacy,
            keep_alive=self._may_persist(wire) and (self._upload is None or self._upload.finished or head.status < 300),
            own=self._forwarder.via_line + passage.receipt_line(),
        )
        flows = reading in _FLOWS and outgoing.body is None
        pieces = await begun(edited(passage.answer_editor, response.__aiter__(), rest)) if flows else None
        self._status = outgoing.status
        without_body = wire.head.method == "HEAD" or outgoing.status in _BODYLESS
        await delivery.answer(outgoing, response, rest, without_body=without_body, edited=pieces)
        return delivery.keep_alive

    async def _switch(self, passage: Passage, response: UpstreamResponse, wire: WireRequest) -> bool:
        """Let the WebSocket begin (RFC 6455 section 4)."""
        tunnel = response.upgraded
        assert tunnel is not None
        try:
            head = response.onward
            if header_values(head.headers, b"sec-websocket-accept") != [accept_of(wire.websocket_key)]:
                raise Fault("upstream_broken", Source.UPSTREAM, "the upstream's handshake does not fit the client's")
            outgoing = await passage.admit_response(head, None)
            self._status = 101
            headers = acceptance_fields(outgoing.headers, wire.websocket_key)
            self._delivery = Delivery(self._connection, legacy=False, keep_alive=False, own=b"")
            self._delivery.begun = True
            self._connection.send(switching_protocols(headers, self._forwarder.via_line))
            await run_tunnel(self._connection, tunnel, self._forwarder.limits.websocket_idle_timeout)
        finally:
            tunnel.close()
        return False

    def _answer_options(self, wire: WireRequest) -> bool:
        """The end of the way that Max-Forwards allows (RFC 9110 section 7.6.2)."""
        keep_alive = self._may_persist(wire) and self._request.payload.is_eof()
        head = head_bytes(204, field_lines((_ALLOW,)), framing=b"", keep_alive=keep_alive, legacy=wire.block.legacy)
        self._connection.send(head)
        return keep_alive

    def _may_persist(self, wire: WireRequest) -> bool:
        return (
            wire.keep_alive
            and not self._forwarder.clients.draining
            and self._connection.served < self._forwarder.limits.keepalive_requests
        )

    def turn_away(self) -> bool:
        """Ask the client to come back later. Nothing was read of its request, and nothing is made of it now."""
        message, clients = self._request.message, self._forwarder.clients
        self._connection.served += 1
        persists = (
            (isinstance(message, RepeatedRequest) or (not message.should_close and message.version >= HttpVersion11))
            and self._connection.served < self._forwarder.limits.keepalive_requests
            and self._request.payload.is_eof()
            and not clients.draining
        )
        without_body = message.method == "HEAD"
        try:
            self._connection.send(clients.turn_away("overloaded", keep_alive=persists, without_body=without_body))
        except ClientGoneError:
            return False
        return persists

    def fail(self, cause: Fault | Unreadable | StoreDown) -> bool:
        """Answer a failure."""
        return self.refuse(self._forwarder.gateway.refuse(cause, self._passage))

    def refuse(self, refusal: Refusal) -> bool:
        """Answer with a refusal, or break the connection off where an answer has begun."""
        delivery = self._delivery
        if delivery is not None and delivery.begun:
            self._connection.abort(reset=delivery.unmarked_end)
            return False
        wire = self._wire
        legacy = wire is None or wire.block.legacy
        keep_alive = (
            wire is not None and not refusal.close and self._request.payload.is_eof() and self._may_persist(wire)
        )
        without_body = self._request.message.method == "HEAD"
        if refusal.status == 405:
            # RFC 9110 section 15.5.6 asks for Allow; the engine does not know methods.
            refusal = msgspec.structs.replace(refusal, headers=(*refusal.headers, _ALLOW))
        self._status = refusal.status
        try:
            self._connection.send(
                refusal_bytes(refusal, keep_alive=keep_alive, legacy=legacy, without_body=without_body)
            )
        except ClientGoneError:
            return False
        return keep_alive

    def finish(self) -> None:
        """Count the exchange, and give up what the upstream has not finished sending."""
        response = self._response
        if response is not None and not response.complete:
            response.abort()
        passage = self._passage
        if passage is not None:
            if self._relayed and self._delivery is not None:
                self._forwarder.hop.delivered(passage, self._delivery.sent)
            passage.finish(self._status)
        elif self._own is not None:
            self._own.finish(self._status)


async def _read_up_to(response: UpstreamResponse, limit: int) -> tuple[bytes | None, list[bytes]]:
    """The body if it is no longer than `limit`, else what was read of a body that has to go on unread."""
    pieces: list[bytes] = []
    room = limit
    async for piece in response:
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            return None, pieces
    return b"".join(pieces), []
