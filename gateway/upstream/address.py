"""Which server a recipient's URL names, and how it is verified."""

from ssl import SSLContext
from urllib.parse import urlsplit

import msgspec

from gateway.upstream.parent import Parent
from gateway.upstream.tls import UpstreamTls, upstream_ssl_context

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Upstream(msgspec.Struct, frozen=True):
    """One server as the pool's key: two with different TLS identities never share a connection.

    `ssl` compares by identity, so contexts with other certificates are other upstreams. With a `parent` it is
    reached through that proxy.
    """

    scheme: str
    host: str
    port: int
    server_name: str = ""
    ssl: SSLContext | None = None
    parent: Parent | None = None


def parse_upstream(url: str, tls: UpstreamTls | None = None, *, context: SSLContext | None = None) -> Upstream:
    """Read `http://host[:port]` or `https://host[:port]`, IPv6 in brackets.

    `context` is one that was made of TLS files before, and is used in their place.

    Raises:
        ValueError: another scheme, or user information, a path, a query or a fragment, which a
            gateway that forwards targets verbatim could not honour; TLS files as
            `upstream_ssl_context` says.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("an upstream is http:// or https://")
    if "@" in parts.netloc or "?" in url or "#" in url or parts.path not in ("", "/"):
        raise ValueError("an upstream has a host and a port, and no user, path, query or fragment")
    host = parts.hostname
    if not host or not host.isascii() or not host.isprintable() or " " in host:
        raise ValueError("the upstream's host cannot be read")
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    if parts.scheme == "http":
        return Upstream("http", host, port)
    tls = tls or UpstreamTls()
    return Upstream("https", host, port, tls.server_name or host, context or upstream_ssl_context(tls))
