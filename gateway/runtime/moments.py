"""Request ids, salts and times for records, made in bulk, since every request needs them."""

import os
import time

from gateway.engine.record import Moment

_POOL = 4096
_CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FIVE_BITS = _CROCKFORD * 8
"""Maps each byte to the letter for its low five bits, so that 16 random bytes give 80 random bits."""
_SIX_BITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" * 4


class Moments:
    """Draws randomness by the page and formats each second only once."""

    def __init__(self) -> None:
        self._random = b""
        self._position = 0
        self._second = -1
        self._second_text = b""
        self._milliseconds = -1
        self._milliseconds_text = b""

    def request_id(self) -> bytes:
        """A ULID: 48 bits of milliseconds, 80 random bits, 26 characters of Crockford's base32."""
        now = int(time.time() * 1000)
        if now != self._milliseconds:
            self._milliseconds = now
            self._milliseconds_text = bytes(_CROCKFORD[now >> shift & 31] for shift in range(45, -1, -5))
        return self._milliseconds_text + self._draw(16).translate(_FIVE_BITS)

    def now(self, request_id: bytes) -> Moment:
        """The present moment for a record of this request."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        stamp = b"%b.%06dZ" % (self._second_text, int((now - second) * 1_000_000))
        salt = self._draw(22).translate(_SIX_BITS)
        return Moment(request_id, salt, stamp)

    def _draw(self, size: int) -> bytes:
        if self._position + size > len(self._random):
            self._random = os.urandom(_POOL)
            self._position = 0
        start = self._position
        self._position = start + size
        return self._random[start : start + size]
