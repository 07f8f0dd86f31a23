"""How much is answered for one person or peer: a bucket each that fills again with time. In memory, bounded."""

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from gateway.model.message import RequestHead, header_values
from gateway.model.network import lies_in

MOST_BUCKETS = 20_000
"""Buckets that are kept; of more, those asked for longest ago go, and would be nearly full by then."""

_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
"""Some proxies say the port, too."""


class _Bucket(msgspec.Struct):
    left: float
    at: float


class RateLimit:
    """Lets `per_minute` requests through for each key, at once or spread over the minute."""

    def __init__(self, per_minute: int, *, most: int = MOST_BUCKETS) -> None:
        self._size = float(per_minute)
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def allows(self, key: str, now: float) -> bool:
        """Whether one more is let through now (seconds of a clock that only goes forward); counts it if so."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._size, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            bucket.left = min(self._size, bucket.left + (now - bucket.at) * self._size / 60)
            bucket.at = now
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True


def peer_key(head: RequestHead, trusted: Sequence[str]) -> str:
    """Whom to count a request for: the peer's network, or the client's that a trusted peer speaks for; empty for none.

    An IPv6 client has a network of 64 bits to itself, and could use another address each time.
    """
    address = _address(head.peer)
    if address is None:
        return ""
    if lies_in(head.peer, map(ipaddress.ip_network, trusted)):
        spoken = header_values(head.headers, b"x-forwarded-for")
        address = _address(spoken[-1].decode("latin-1").rpartition(",")[2].strip()) if spoken else None
        if address is None:
            return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match[1] or match[2]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped
