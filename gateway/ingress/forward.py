"""One exchange, from the parsed request to the last byte of its answer.

The order is fixed: check the head, ask the gateway for a passage, read the body as the passage
wants it, have the request admitted (its record is durable then), send it, and the same back. What
goes wrong becomes a refusal; once the head of the answer is out, it becomes a broken connection.
Nothing goes to either side that `admit_request` or `admit_response` did not hand back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TypeAlias

import msgspec

from gateway.ingress.clients import Clients
from gateway.ingress.hops import ForwardedMode, add_forwarding, passed_before, strip_hop_by_hop
from gateway.ingress.protocol import ClientConnection
from gateway.ingress.relay import Relay
from gateway.ingress.request_loop import ClientRequest
from gateway.ingress.respond import field_lines, head_bytes, refusal_bytes, switching_protocols
from gateway.ingress.settings import IngressSettings
from gateway.ingress.translate import WireRequest, read_head
from gateway.ingress.tunnel import accept_of, acceptance_fields, handshake_fields, run_tunnel
from gateway.ingress.upload import ClientGoneError, Upload
from gateway.ingress.upstream import UpstreamPool, UpstreamPools, UpstreamResponse
from gateway.model.errors import Fault, Source, StoreDown, Unreadable
from gateway.model.message import HeaderPairs, Outgoing, Refusal, ResponseHead
from gateway.runtime.gateway import Gateway, Passage, Reading, Refused

_LOG = logging.getLogger("gateway.ingress")
_BODYLESS = frozenset({204, 205, 304})
_ALLOW = (b"Allow", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")

Content: TypeAlias = bytes | AsyncIterator[bytes] | None


class Forwarder:
    """Serves the requests of one worker."""

    def __init__(self, gateway: Gateway, pools: UpstreamPools, settings: IngressSettings, clients: Clients) -> None:
        self.gateway = gateway
        self.pools = pools
        self.forwarding = settings.forwarding
        self.limits = settings.limits
        self.clients = clients
        self.via = settings.via.encode()
        self.via_line = b"Via: 1.1 " + self.via + b"\r\n"

    async def handle(self, request: ClientRequest) -> bool:
        """Answer one request; whether its connection may take another.

        Whatever happens below ends here as an answer or as a closed connection.
        """
        exchange = _Exchange(self, request)
        clients = self.clients
        if not clients.enter():
            return exchange.fail(Fault("overloaded", Source.GATEWAY, "too many exchanges are under way", close=True))
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
            clients.leave()
            exchange.finish()


class _Exchange:
    """The state of one request on its way."""

    __slots__ = ("_connection", "_forwarder", "_passage", "_relay", "_request", "_response", "_status", "_wire")

    def __init__(self, forwarder: Forwarder, request: ClientRequest) -> None:
        self._forwarder = forwarder
        self._request = request
        self._connection: ClientConnection = request.connection
        self._wire: WireRequest | None = None
        self._passage: Passage | None = None
        self._response: UpstreamResponse | None = None
        self._relay: Relay | None = None
        self._status = 0

    async def run(self) -> bool:
        """See the module."""
        forwarder = self._forwarder
        connection = self._connection
        connection.served += 1
        wire = self._wire = read_head(
            self._request.message,
            forwarder.limits,
            scheme=connection.scheme,
            peer=connection.peer,
            trusted=connection.trusted,
        )
        self._check_way(wire)
        if wire.max_forwards == 0:
            return self._answer_options(wire)
        passage = self._passage = forwarder.gateway.receive(wire.head)
        if wire.websocket_key and not passage.streams_websocket:
            raise Fault("upgrade_refused", Source.CLIENT, "this route passes no WebSocket")
        upload = Upload(connection, self._request.payload, forwarder.limits, expects_continue=wire.expects_continue)
        outgoing, content, length = await self._admit_request(passage, upload, wire)
        pool = forwarder.pools.of(passage.upstream)
        response = self._response = await pool.request(
            wire.head.method,
            outgoing.target,
            self._onward_fields(wire, outgoing.headers, pool),
            content,
            content_length=length,
            strict_singletons=not passage.passes_over_limit,
            upgrade=bool(wire.websocket_key),
        )
        if response.upgraded is not None:
            return await self._switch(passage, response, wire)
        await self._answer(passage, response, wire, upload)
        if not upload.finished:
            await asyncio.sleep(0)  # the pool has cancelled the upload; let it let go of the body
        assert self._relay is not None
        return self._relay.keep_alive and not forwarder.clients.draining

    def _check_way(self, wire: WireRequest) -> None:
        """Refuse what has come round in a loop, or was meant for another TLS host (RFC 9110 section 7.4)."""
        if wire.via and passed_before(wire.via, self._forwarder.via):
            raise Fault("loop_detected", Source.CLIENT, "the request has passed here before")
        name = self._connection.server_name
        if name and wire.head.host.partition(":")[0] != name:
            raise Fault("host_unknown", Source.CLIENT, "Host is not the name that TLS asked for")

    async def _admit_request(
        self, passage: Passage, upload: Upload, wire: WireRequest
    ) -> tuple[Outgoing, Content, int | None]:
        """The admitted request, its body as it is to be sent, and the body's length where only the client knows it."""
        reading = passage.request_reading
        if not wire.head.has_body:
            outgoing = await passage.admit_request(None)
            return outgoing, (b"" if wire.content_length == 0 else None), None
        if reading is Reading.WHOLE:
            if not passage.passes_over_limit:
                body = await upload.whole(passage.body_limit, wire.content_length)
                outgoing = await passage.admit_request(body)
                return outgoing, outgoing.body, None
            pieces, whole = await upload.up_to(passage.body_limit)
            if whole:
                outgoing = await passage.admit_request(b"".join(pieces))
                return outgoing, outgoing.body, None
            return await passage.admit_request(None), upload.pieces(pieces), wire.content_length
        outgoing = await passage.admit_request(None)
        if outgoing.body is not None:
            return outgoing, outgoing.body, None
        if reading is Reading.PARTS:
            return outgoing, _edited(passage, upload), None
        if upload.finished:
            return outgoing, await upload.next(), None
        return outgoing, upload.pieces(), wire.content_length

    def _onward_fields(self, wire: WireRequest, headers: HeaderPairs, pool: UpstreamPool) -> HeaderPairs:
        """The admitted fields and what this hop adds to them."""
        forwarder = self._forwarder
        head = wire.head
        if forwarder.forwarding.mode is not ForwardedMode.OFF:
            headers = add_forwarding(
                headers, forwarder.forwarding, peer=head.peer, scheme=head.scheme, host=wire.authority
            )
        fields = (*headers, (b"Via", (b"1.0 " if wire.legacy else b"1.1 ") + forwarder.via))
        if wire.websocket_key:
            fields = handshake_fields(fields, wire.websocket_key)
        if not head.host:
            upstream = pool.upstream
            fields = ((b"Host", f"{upstream.host}:{upstream.port}".encode()), *fields)
        return fields

    async def _answer(self, passage: Passage, response: UpstreamResponse, wire: WireRequest, upload: Upload) -> None:
        head = ResponseHead(response.head.status, strip_hop_by_hop(response.head.headers))
        outgoing, rest = await self._admit_response(passage, response, head)
        relay = self._relay = Relay(
            self._connection,
            legacy=wire.legacy,
            keep_alive=self._may_persist(wire) and (upload.finished or head.status < 300),
            via=self._forwarder.via_line,
        )
        self._status = outgoing.status
        without_body = wire.head.method == "HEAD" or outgoing.status in _BODYLESS
        await relay.answer(outgoing, response, rest, without_body=without_body)

    async def _admit_response(
        self, passage: Passage, response: UpstreamResponse, head: ResponseHead
    ) -> tuple[Outgoing, list[bytes]]:
        """The admitted answer, and what was read of a body that then had to go on unread."""
        if passage.response_reading(head) is not Reading.WHOLE:
            return await passage.admit_response(head, None), []
        if not passage.passes_over_limit:
            return await passage.admit_response(head, await response.read(passage.body_limit)), []
        pieces: list[bytes] = []
        room = passage.body_limit
        async for piece in response:
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                return await passage.admit_response(head, None), pieces
        return await passage.admit_response(head, b"".join(pieces)), []

    async def _switch(self, passage: Passage, response: UpstreamResponse, wire: WireRequest) -> bool:
        """Let the WebSocket begin (RFC 6455 section 4)."""
        tunnel = response.upgraded
        assert tunnel is not None
        try:
            head = ResponseHead(101, strip_hop_by_hop(response.head.headers))
            accepts = [value for name, value in head.headers if name.lower() == b"sec-websocket-accept"]
            if accepts != [accept_of(wire.websocket_key)]:
                raise Fault("upstream_broken", Source.UPSTREAM, "the upstream's handshake does not fit the client's")
            outgoing = await passage.admit_response(head, None)
            self._status = 101
            headers = acceptance_fields(outgoing.headers, wire.websocket_key)
            self._relay = Relay(self._connection, legacy=False, keep_alive=False, via=b"")
            self._relay.begun = True
            self._connection.send(switching_protocols(headers, self._forwarder.via_line))
            await run_tunnel(self._connection, tunnel, self._forwarder.limits.websocket_idle_timeout)
        finally:
            tunnel.close()
        return False

    def _answer_options(self, wire: WireRequest) -> bool:
        """The end of the way that Max-Forwards allows (RFC 9110 section 7.6.2)."""
        keep_alive = self._may_persist(wire) and self._request.payload.is_eof()
        head = head_bytes(204, field_lines((_ALLOW,)), framing=b"", keep_alive=keep_alive, legacy=wire.legacy)
        self._connection.send(head)
        return keep_alive

    def _may_persist(self, wire: WireRequest) -> bool:
        return (
            wire.keep_alive
            and not self._forwarder.clients.draining
            and self._connection.served < self._forwarder.limits.keepalive_requests
        )

    def fail(self, cause: Fault | Unreadable | StoreDown) -> bool:
        """Answer a failure."""
        return self.refuse(self._forwarder.gateway.refuse(cause, self._passage))

    def refuse(self, refusal: Refusal) -> bool:
        """Answer with a refusal, or break the connection off where an answer has begun."""
        relay = self._relay
        if relay is not None and relay.begun:
            self._connection.abort(reset=relay.unmarked_end)
            return False
        wire = self._wire
        legacy = wire is None or wire.legacy
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
        if self._response is not None:
            self._response.abort()
        if self._passage is not None:
            self._passage.finish(self._status)


async def _edited(passage: Passage, upload: Upload) -> AsyncIterator[bytes]:
    """The body as the passage's editor lets it go on; each piece is on record when it comes."""
    editor = passage.editor
    if editor is None:
        raise Fault("internal_error", Source.GATEWAY, "nobody edits this body", close=True)
    async for piece in upload.pieces():
        if edited := await editor.feed(piece):
            yield edited
    if edited := await editor.finish():
        yield edited
