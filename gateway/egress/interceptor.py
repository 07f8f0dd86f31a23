"""What is done at each of mitmproxy's hooks: who sends, where to, and the whole way of a call through the gateway."""

import ipaddress

from mitmproxy import connection, http
from mitmproxy.proxy import layer, server_hooks
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.tls import ClientTLSLayer
from mitmproxy.tls import ClientHelloData, TlsData

from gateway.egress.call import Call
from gateway.egress.client_side import NEVER_CONNECTED
from gateway.egress.client_sides import ClientSides
from gateway.egress.guard import Closed
from gateway.egress.http_floor import ENDS, NESTED, Http
from gateway.egress.leaves import Leaves
from gateway.egress.protocols import Spoken, spoken
from gateway.egress.translate import made, read_request, refusal_response, tunnel_to
from gateway.engine.refusals import refusal
from gateway.model.errors import Fault, Source, Unreadable
from gateway.model.limits import Limits
from gateway.model.message import header_values
from gateway.model.network import is_loopback
from gateway.runtime.gateway import Gateway, Refused
from gateway.runtime.outgoing import OutgoingCalls
from gateway.upstream.request_fields import client_fault

_CALL = "call"
_FAILED = refusal("internal_error", close=True)
_EMPTY = made(502, ((b"Content-Length", b"0"), (b"Connection", b"close")), b"")


class Interceptor:
    """The hooks, for all listeners of one worker. `sides` are the connections of clients."""

    def __init__(self, gateway: Gateway, calls: OutgoingCalls, leaves: Leaves, sides: ClientSides, via: bytes) -> None:
        self.limits: Limits = sides.limits
        self._gateway = gateway
        self._calls = calls
        self._leaves = leaves
        self._sides = sides
        self._via = via

    def count(self, code: str) -> None:
        """Count what ended without an answer, by its reason."""
        self._gateway.services.metrics.refusal(code)

    # Connections

    def client_connected(self, client: connection.Client) -> None:
        """Nothing to decide: `ProxyPort` has."""

    def next_layer(self, question: layer.NextLayer) -> None:
        """HTTP and TLS pass; whatever else comes, from a banner to HTTP/2 without TLS, ends here."""
        context = question.context
        side = self._sides.of(context.client.id)
        inside = any(isinstance(each, Http) for each in context.layers) or side.fixed is not None
        encrypted = any(isinstance(each, ClientTLSLayer) for each in context.layers)
        mode = HTTPMode.transparent if inside else HTTPMode.regular
        if encrypted and context.client.alpn == b"h2":
            question.layer = Http(context, mode, self)
            return
        match spoken(question.data_client()):
            case Spoken.UNDECIDED:
                return
            case Spoken.HTTP:
                question.layer = Http(context, mode, self)
            case Spoken.TLS if inside and not encrypted:
                side.await_head()
                question.layer = ClientTLSLayer(context)
            case _:
                self.count("not_http")
                question.layer = Closed(context)

    def tls_clienthello(self, hello: ClientHelloData) -> None:
        """Inside of a tunnel, TLS asks for the host that the tunnel leads to.

        An address has no name to ask for, and Java asks for no name that is without a dot.
        """
        side = self._sides.of(hello.context.client.id)
        if side.fixed is not None or side.tunnel is None:
            return
        name = hello.client_hello.sni
        if name is None:
            if "." in side.tunnel.name and not _is_address(side.tunnel.name):
                side.refuse("tls_name_missing")
        elif name.lower().removesuffix(".") != side.tunnel.name:
            side.refuse("tls_name_differs")

    def tls_start_client(self, start: TlsData) -> None:
        if not self._sides.of(start.context.client.id).refused:
            self._leaves.tls_start_client(start)

    def tls_established_client(self, established: TlsData) -> None:
        self._sides.of(established.context.client.id).await_head()

    def tls_failed_client(self, failed: TlsData) -> None:
        """Most of all: a client that does not know our authority."""
        if not self._sides.of(failed.context.client.id).refused:
            self.count("tls_failed")

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        data.server.error = NEVER_CONNECTED

    # Requests

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Who sends, and whether the host is anyone's; what a request inside may do is decided when it comes."""
        side = self._sides.of(flow.client_conn.id)
        side.begin(flow, uploads=False)
        authorization = tuple(header_values(flow.request.data.headers.fields, b"proxy-authorization"))
        try:
            self._check_open()
            if flow.metadata[NESTED]:
                raise client_fault("method_not_allowed", "no tunnel leads through another, or from a port of its own")
            tunnel = tunnel_to(flow.request)
            self._calls.open_tunnel(tunnel.over("https").host, authorization, side.peer)
        except Refused as refused:
            flow.response = refusal_response(refused.refusal)
        except (Fault, Unreadable) as cause:
            flow.response = self._refused(cause, authorization, side.peer)
        else:
            side.tunnel, side.authorization = tunnel, authorization
            flow.server_conn.address = (tunnel.name, tunnel.port)
            side.end(flow)
            side.await_head()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Decide on the head, so that no body is read of a request that has no route."""
        side = self._sides.of(flow.client_conn.id)
        side.begin(flow, uploads=not flow.metadata[ENDS])
        authorization = side.authorization
        try:
            self._check_open()
            within = side.tunnel.over(_scheme(flow)) if side.tunnel is not None and side.fixed is None else None
            received = read_request(
                flow.request,
                self.limits,
                peer=side.peer,
                via=self._via,
                ends=flow.metadata[ENDS],
                within=within,
                fixed=side.fixed,
            )
            if side.tunnel is None or side.fixed is not None:
                authorization = received.authorization
            passage = self._calls.receive(received.head, authorization)
            call = Call(self._gateway, received, passage, side.pool, self._via, is_http2=flow.request.is_http2)
            flow.metadata[_CALL] = call
            _check_scheme(received.head.scheme, received.head.host, observed=passage.passes_over_limit)
            call.check_length(received.content_length)
        except Refused as refused:
            flow.response = refusal_response(refused.refusal, flow.request.method)
        except (Fault, Unreadable) as cause:
            call_so_far: Call | None = flow.metadata.get(_CALL)
            if call_so_far is not None:
                refusal = self._gateway.refuse(cause, call_so_far.passage)
                flow.response = refusal_response(refusal, flow.request.method)
            else:
                flow.response = self._refused(cause, authorization, side.peer, flow.request.method)

    async def request(self, flow: http.HTTPFlow) -> None:
        """The whole way of the call; its answer is what mitmproxy sends."""
        side = self._sides.of(flow.client_conn.id)
        side.uploaded(flow)
        call: Call = flow.metadata[_CALL]
        response = await call.answer(flow.request.raw_content or b"")
        flow.response = response if response is not None else _EMPTY.copy()
        if side.served + 1 >= self.limits.keepalive_requests or self._sides.draining:
            flow.response.headers["Connection"] = "close"

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Nothing to decide: `request` has."""

    def response(self, flow: http.HTTPFlow) -> None:
        """Nothing to decide: `request` has."""

    def error(self, flow: http.HTTPFlow) -> None:
        """The client broke off: give up what goes on for it."""
        self.abandoned(flow)

    # What the floor below asks for

    def malformed(self, client: connection.Client, fault: Fault) -> http.Response:
        side = self._sides.of(client.id)
        if side.authorization:
            return self._refused(fault, side.authorization, side.peer)
        return refusal_response(self._gateway.refuse(fault))

    def exceeded(self, flow: http.HTTPFlow, size: int) -> http.Response | None:
        call: Call = flow.metadata[_CALL]
        try:
            call.check_length(size)
        except Fault as fault:
            self._sides.of(flow.client_conn.id).uploaded(flow)
            return refusal_response(self._gateway.refuse(fault, call.passage), flow.request.method)
        return None

    def unanswered(self, flow: http.HTTPFlow) -> http.Response:
        self.count("internal_error")
        return self.failed(flow)

    def failed(self, flow: http.HTTPFlow) -> http.Response:
        return refusal_response(_FAILED, flow.request.method)

    def abandoned(self, flow: http.HTTPFlow) -> None:
        call: Call | None = flow.metadata.get(_CALL)
        if call is not None:
            call.leave()

    def done(self, flow: http.HTTPFlow) -> None:
        call: Call | None = flow.metadata.get(_CALL)
        if call is not None:
            call.passage.finish(flow.response.status_code if flow.response is not None else 0)
        self._sides.end(flow)

    def over(self, flow: http.HTTPFlow) -> None:
        """The connection of a request has ended: nobody is left to answer."""
        self.abandoned(flow)
        self.done(flow)

    def close(self, client: connection.Client) -> None:
        self._sides.of(client.id).abort()

    def _check_open(self) -> None:
        if self._sides.draining:
            raise Fault("draining", Source.GATEWAY, "the gateway is stopping", close=True)
        if self._sides.under_way > self.limits.in_flight:
            raise Fault("overloaded", Source.GATEWAY, "too much is under way")

    def _refused(
        self, cause: Fault | Unreadable, authorization: tuple[bytes, ...], peer: str, method: str = ""
    ) -> http.Response:
        try:
            refused = self._calls.refused(cause, authorization, peer)
        except Refused as unproven:
            refused = unproven
        return refusal_response(refused.refusal, method)


def _scheme(flow: http.HTTPFlow) -> str:
    return "https" if flow.client_conn.tls else "http"


def _check_scheme(scheme: str, host: str, *, observed: bool) -> None:
    """Nothing goes to another machine in the clear, but for what is only observed."""
    name = host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]
    if scheme == "http" and not observed and not is_loopback(name):
        raise Fault("tls_required", Source.CLIENT, "partners on other machines are reached by https only")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
