"""Request ids, salts and times for records, made in bulk, since every request needs them."""

import os
import time
from itertools import product

from gateway.engine.record import Moment

_BATCH = 256
"""Ids, or salts, that are made of one draw."""
_CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FIVE_BITS = _CROCKFORD * 8
"""Maps each byte to the letter for its low five bits, so that 16 random bytes give 80 random bits."""
_TEN_BITS = [bytes(pair) for pair in product(_CROCKFORD, repeat=2)]
_ID_SIZE = 16
_SALT_SIZE = 22
_SIX_BITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" * 4


class Moments:
    """Draws randomness by the page and formats each second only once."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._salts: list[bytes] = []
        self._second = -1
        self._second_text = b""
        self._quarter_hour = -1
        self._quarter_hour_text = b""

    def request_id(self) -> bytes:
        """A ULID: 48 bits of milliseconds, 80 random bits, 26 characters of Crockford's base32."""
        now = int(time.time() * 1000)
        quarter_hour = now >> 20
        if quarter_hour != self._quarter_hour:
            self._quarter_hour = quarter_hour
            self._quarter_hour_text = bytes(_CROCKFORD[quarter_hour >> shift & 31] for shift in range(25, -1, -5))
        ids = self._ids or self._draw(self._ids, _ID_SIZE, _FIVE_BITS)
        return self._quarter_hour_text + _TEN_BITS[now >> 10 & 1023] + _TEN_BITS[now & 1023] + ids.pop()

    def now(self, request_id: bytes) -> Moment:
        """The present moment for a record of this request."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        stamp = b"%b.%06dZ" % (self._second_text, int((now - second) * 1_000_000))
        salts = self._salts or self._draw(self._salts, _SALT_SIZE, _SIX_BITS)
        return Moment(request_id, salts.pop(), stamp)

    def _draw(self, into: list[bytes], size: int, letters: bytes) -> list[bytes]:
        """Fill `into` with texts of `size` random letters; each is taken out once."""
        text = os.urandom(size * _BATCH).translate(letters)
        into += [text[start : start + size] for start in range(0, len(text), size)]
        return into
