"""Towards the upstream: a lean HTTP/1.1 client that trusts no answer it cannot read without doubt.

- `address`, `tls`, `parent`: which server, how it is verified, and which proxy leads to it
- `pool`, `partners`: connections, kept and bounded
- `connection`: one exchange at a time on one connection
- `head`, `parser`, `fields`: what goes out and what comes in, byte by byte
- `response`, `upload`, `tunnel`: bodies and tunnels with backpressure
- `hops`, `field_kinds`: which fields are for one hop only, and what fields mean for framing
- `target`, `request_fields`: what a request names, and what its fields may be, whichever protocol brought it

>>> pool = UpstreamPool(parse_upstream("http://127.0.0.1:8000"), DEFAULT_LIMITS)
>>> response = await pool.request("GET", b"/", [(b"Host", b"shop.example")])
>>> body = await response.read(limit)
"""

from gateway.upstream.address import Upstream, parse_upstream
from gateway.upstream.parent import Parent, parse_parent
from gateway.upstream.partners import PartnerPools
from gateway.upstream.pool import PoolStats, UpstreamPool, UpstreamPools
from gateway.upstream.response import UpstreamResponse
from gateway.upstream.tls import UpstreamTls, upstream_ssl_context
from gateway.upstream.tunnel import Tunnel

__all__ = [
    "Parent",
    "PartnerPools",
    "PoolStats",
    "Tunnel",
    "Upstream",
    "UpstreamPool",
    "UpstreamPools",
    "UpstreamResponse",
    "UpstreamTls",
    "parse_parent",
    "parse_upstream",
    "upstream_ssl_context",
]
