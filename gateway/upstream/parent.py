"""The company's own proxy, through which partners are reached: a CONNECT, and TLS with the partner inside of it.

The parent sees the host and the port, never what is sent: the partner's certificate is verified as without one.
"""

import asyncio
import base64
import re
from ssl import SSLContext
from urllib.parse import urlsplit

import msgspec

from gateway.model.errors import Fault, Source
from gateway.upstream.tls import UpstreamTls, upstream_ssl_context

_ANSWER_AT_MOST = 8 * 1024
_OPENED = re.compile(rb"HTTP/1\.[01] 2[0-9]{2}(?: [^\r\n]*)?\r\n")


class Parent(msgspec.Struct, frozen=True):
    """`authorization` is the value of Proxy-Authorization, empty where the parent asks for none."""

    host: str
    port: int
    ssl: SSLContext | None = None
    authorization: bytes = b""


def parse_parent(url: str, credentials: str = "") -> Parent:
    """Read `http://host[:port]` or `https://host[:port]`; `credentials` are `NAME:PASSWORD` (RFC 7617).

    Raises:
        ValueError: it is no such URL.
    """
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path not in ("", "/")
        or "@" in parts.netloc
    ):
        raise ValueError("a parent proxy is http://HOST[:PORT] or https://HOST[:PORT]")
    encrypted = parts.scheme == "https"
    return Parent(
        parts.hostname,
        parts.port or (443 if encrypted else 80),
        upstream_ssl_context(UpstreamTls()) if encrypted else None,
        b"Basic " + base64.b64encode(credentials.encode()) if credentials else b"",
    )


async def open_tunnel(parent: Parent, host: str, port: int) -> asyncio.Transport:
    """A connection through `parent`, after which bytes go to `host` and back. Nobody reads from it yet.

    Raises:
        Fault: upstream_unreachable, where the parent does not open it.
        OSError: the parent cannot be reached, or its certificate does not verify.
    """
    loop = asyncio.get_running_loop()
    name = f"[{host}]" if ":" in host else host
    transport, answer = await loop.create_connection(
        lambda: _Answer(loop),
        parent.host,
        parent.port,
        ssl=parent.ssl,
        server_hostname=parent.host if parent.ssl is not None else None,
    )
    credentials = b"Proxy-Authorization: " + parent.authorization + b"\r\n" if parent.authorization else b""
    line = f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n".encode("ascii")
    try:
        transport.write(line + credentials + b"\r\n")
        await answer.opened
    except BaseException:
        transport.abort()
        raise
    return transport


class _Answer(asyncio.Protocol):
    """Reads the head of the answer to a CONNECT, and not one byte more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.opened: asyncio.Future[None] = loop.create_future()
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self.opened.done():
            return
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if end:
            # Whoever speaks TLS speaks second: bytes behind the head are nobody's.
            if _OPENED.match(head + b"\r\n") and not rest:
                self.opened.set_result(None)
            else:
                self._fail("the parent proxy does not open a tunnel to this partner")
        elif len(self._received) > _ANSWER_AT_MOST:
            self._fail("the parent proxy's answer is over the limit")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        if not self.opened.done():
            self._fail("the parent proxy closed the connection")

    def _fail(self, why: str) -> None:
        self.opened.set_exception(Fault("upstream_unreachable", Source.UPSTREAM, why))
        # Whoever waited may be gone by now.
        self.opened.exception()
