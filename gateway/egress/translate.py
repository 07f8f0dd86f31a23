"""Between mitmproxy's messages and the gateway's: heads are judged and remade, bodies stay the bytes that came.

Nothing here decodes: mitmproxy's `content` would inflate whatever a client declares, `raw_content` is what it sent.
Refused is what two parsers, or two protocols, could read differently: more than one host for one request, CONNECT
and TRACE, framing that HTTP/1.1 and the body disagree about, fields that may stand once and stand twice.
"""

import re

import msgspec
from mitmproxy import http
from mitmproxy.net.http import status_codes

from gateway.model.limits import Limits
from gateway.model.message import HeaderPairs, Outgoing, Refusal, RequestHead, header_values
from gateway.model.words import Posture
from gateway.upstream.hops import passed_before, strip_request
from gateway.upstream.request_fields import client_fault, fields_by_name
from gateway.upstream.target import host_of, read_target

_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_NEVER_SENT = frozenset({b"CONNECT", b"TRACE"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})
_NO_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BODYLESS = frozenset({204, 205, 304})
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DIGITS_AT_MOST = 18
_CONTINUE = b"100-continue"
_ANSWERED_HERE = frozenset({b"expect", b"max-forwards"})


class Destination(msgspec.Struct, frozen=True):
    """Where a request goes: `host` is in lower case, with the port where it is not the scheme's own."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"


class Tunnel(msgspec.Struct, frozen=True):
    """Where a CONNECT, or a fixed port, leads. `name` is the host alone, IPv6 without brackets."""

    name: str
    port: int

    def over(self, scheme: str) -> Destination:
        """The same for what comes through it with TLS (`https`), or without."""
        return Destination(scheme, host_of(_authority(self.name, self.port), scheme))


class Received(msgspec.Struct, frozen=True):
    """A request's head as its partner is to get it, and what only this hop needs to know."""

    head: RequestHead
    authorization: tuple[bytes, ...]
    content_length: int | None


def read_request(
    request: http.Request,
    limits: Limits,
    *,
    peer: str,
    via: bytes,
    ends: bool,
    within: Destination | None = None,
    fixed: Destination | None = None,
) -> Received:
    """Check the head of one request and strip what belongs to this hop only.

    `ends` says that no body follows. `within` is where the tunnel leads that it came through. With `fixed` clients
    take the port for that partner, whatever they call it. Without both, the request names its destination itself.

    Raises:
        Fault: bad_request, ambiguous_framing, method_not_allowed, expectation_failed, upgrade_refused, uri_too_long,
            headers_too_large, loop_detected.
    """
    data = request.data
    _check_line(data.method, data.path, limits)
    lines: HeaderPairs = tuple((bytes(name), bytes(value)) for name, value in data.headers.fields)
    if len(lines) > limits.header_count:
        raise client_fault("headers_too_large", "there are too many header fields")
    if request.is_http2:
        lines = _with_one_cookie(lines)
    fields = fields_by_name(lines, limits)
    _check_fields(lines, fields, limits, via)
    target, authority = read_target(data.method.decode(), data.path)
    if authority is not None:
        raise client_fault("bad_request", "the target names a host where it has none to name")
    where = fixed or _destination(request, fields, within)
    onward = strip_request(_with_host(lines, where.host), trusted=False)
    head = RequestHead(
        data.method.decode(),
        target,
        where.host,
        tuple([line for line in onward if line[0].lower() not in _ANSWERED_HERE]),
        where.scheme,
        peer,
        not ends,
    )
    length = fields.get(b"content-length")
    return Received(head, tuple(header_values(lines, b"proxy-authorization")), int(length) if length else None)


def _check_line(method: bytes, target: bytes, limits: Limits) -> None:
    if _METHOD.fullmatch(method) is None:
        raise client_fault("bad_request", "the method is no token")
    if method in _NEVER_SENT:
        raise client_fault("method_not_allowed", "CONNECT inside of a tunnel and TRACE do not pass")
    if len(target) > limits.request_line:
        raise client_fault("uri_too_long", "the target is over the limit")


def _check_fields(lines: HeaderPairs, fields: dict[bytes, bytes], limits: Limits, via: bytes) -> None:
    for name, value in lines:
        if _NAME.fullmatch(name) is None or _NO_VALUE.search(value):
            raise client_fault("bad_request", "a header field holds what none can hold")
        if len(name) + len(value) > limits.header_field:
            raise client_fault("headers_too_large", "a header field is over the limit")
    length = fields.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) <= _DIGITS_AT_MOST):
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "Content-Length is not one number")
    if fields.get(b"expect", _CONTINUE).lower() != _CONTINUE:
        raise client_fault("expectation_failed", "only 100-continue can be expected")
    if b"websocket" in fields.get(b"upgrade", b"").lower():
        raise client_fault("upgrade_refused", "no WebSocket passes")
    if passed_before(header_values(lines, b"via"), via):
        raise client_fault("loop_detected", "the request has passed here before")


def _destination(request: http.Request, fields: dict[bytes, bytes], within: Destination | None) -> Destination:
    """The one host that target, pseudo-header, Host and tunnel all name.

    Raises:
        Fault: ambiguous_framing, where they name more than one; bad_request, where none is named.
    """
    data = request.data
    scheme = data.scheme.decode("ascii", "replace").lower()
    if within is None:
        if scheme != "http":
            raise client_fault("bad_request", "a proxy is asked for http by absolute-form, for https by CONNECT")
    elif scheme and scheme != within.scheme:
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "the scheme is not that of the connection")
    else:
        scheme = within.scheme
    named = {host_of(each, scheme) for each in (data.authority, fields.get(b"host", b"")) if each}
    if request.is_http11 and not fields.get(b"host"):
        raise client_fault("bad_request", "Host is missing")
    if within is not None:
        named.add(within.host)
    if len(named) != 1:
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "the request names more than one host, or none")
    return Destination(scheme, named.pop())


def _authority(host: str, port: int) -> bytes:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}".encode("ascii", "replace")


def tunnel_to(request: http.Request) -> Tunnel:
    """Where a CONNECT leads (RFC 9110 section 9.3.6).

    Raises:
        Fault: bad_request; ambiguous_framing, where Host names another host.
    """
    authority = request.data.authority
    # Of no scheme, the port stays.
    host = host_of(authority, "")
    name, _, port = host.rpartition(":")
    if not name or not port.isdigit() or int(port) == 0:
        raise client_fault("bad_request", "CONNECT names a host and a port")
    hosts = header_values(request.data.headers.fields, b"host")
    # Some clients leave out the port.
    if len(hosts) > 1 or any(host_of(each, "") not in (host, name) for each in hosts):
        raise client_fault(Posture.AMBIGUOUS_FRAMING, "CONNECT and Host name two hosts")
    return Tunnel(name.strip("[]"), int(port))


def _with_one_cookie(lines: HeaderPairs) -> HeaderPairs:
    """RFC 9113 section 8.2.3: the crumbs of Cookie are one field for whoever speaks HTTP/1.1."""
    crumbs = header_values(lines, b"cookie")
    if len(crumbs) < 2:
        return lines
    first = next(place for place, line in enumerate(lines) if line[0].lower() == b"cookie")
    others = [line for line in lines if line[0].lower() != b"cookie"]
    others.insert(first, (b"cookie", b"; ".join(crumbs)))
    return tuple(others)


def _with_host(lines: HeaderPairs, host: str) -> HeaderPairs:
    """Host as it goes on: first of all, as the client wrote it where it wrote it."""
    given = [line for line in lines if line[0].lower() == b"host"]
    rest = tuple([line for line in lines if line[0].lower() != b"host"])
    if given and host_of(given[0][1], "") in (host, f"{host}:443", f"{host}:80"):
        return (given[0], *rest)
    return ((b"Host", host.encode()), *rest)


def response_of(outgoing: Outgoing, body: bytes, method: str, own: HeaderPairs) -> http.Response:
    """An admitted answer, framed anew. `own` are the fields that this hop adds.

    HEAD and 304 may say how long the body would be; 204 must not, 205 has none (RFC 9110 section 15.3.6).
    """
    fields = [pair for pair in outgoing.headers if pair[0].lower() not in _FRAMING]
    bodyless = method == "HEAD" or outgoing.status in _BODYLESS
    length = b"%d" % len(body)
    if bodyless:
        announced = header_values(outgoing.headers, b"content-length")
        length = b"" if outgoing.status == 204 or not announced else announced[0]
        length = b"0" if outgoing.status == 205 else length
    framing = ((b"Content-Length", length),) if length else ()
    return made(outgoing.status, (*fields, *own, *framing), b"" if bodyless else body)


def refusal_response(refusal: Refusal, method: str = "") -> http.Response:
    """The gateway's own answer."""
    framing = (b"Content-Length", b"%d" % len(refusal.body))
    fields = (*refusal.headers, framing, *(((b"Connection", b"close"),) if refusal.close else ()))
    return made(refusal.status, fields, b"" if method == "HEAD" else refusal.body)


def made(status: int, fields: HeaderPairs, body: bytes) -> http.Response:
    """A response of mitmproxy's, in HTTP/1.1: for clients of HTTP/2 it is spelt anew when it is sent."""
    reason = status_codes.RESPONSES.get(status, "").encode()
    return http.Response(b"HTTP/1.1", status, reason, http.Headers(fields), body, None, 0.0, 0.0)
