"""Towards the upstream: a lean HTTP/1.1 client that trusts no answer it cannot read without doubt.

- `upstream_address`, `upstream_tls`: which server, and how it is verified
- `upstream_pool`: connections, kept and bounded
- `upstream_connection`: one exchange at a time on one connection
- `upstream_head`, `upstream_parser`, `upstream_fields`: what goes out and what comes in, byte by byte
- `upstream_response`, `upstream_upload`, `upstream_tunnel`: bodies and tunnels with backpressure

>>> pool = UpstreamPool(parse_upstream("http://127.0.0.1:8000"), DEFAULT_LIMITS)
>>> response = await pool.request("GET", b"/", [(b"Host", b"shop.example")])
>>> body = await response.read(limit)
"""

from gateway.ingress.upstream_address import Upstream, parse_upstream
from gateway.ingress.upstream_pool import PoolStats, UpstreamPool, UpstreamPools
from gateway.ingress.upstream_response import UpstreamResponse
from gateway.ingress.upstream_tls import UpstreamTls, upstream_ssl_context
from gateway.ingress.upstream_tunnel import Tunnel

__all__ = [
    "PoolStats",
    "Tunnel",
    "Upstream",
    "UpstreamPool",
    "UpstreamPools",
    "UpstreamResponse",
    "UpstreamTls",
    "parse_upstream",
    "upstream_ssl_context",
]
