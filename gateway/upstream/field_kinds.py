"""What a field name means to this hop, found once for each spelling of it.

The codes are bits, so that a set of them is one number.
"""

from typing import Final

from gateway.upstream.hops import HOP_BY_HOP

ORDINARY: Final = 0
THIS_HOP: Final = 1
CONNECTION: Final = 2
CONTENT_LENGTH: Final = 4
TRANSFER_ENCODING: Final = 8
DATE: Final = 16
SINGLETON: Final = 32 | 64 | 128 | 256
"""Fields of a response that may stand once, and of which receivers would pick different ones (RFC 9110 5.3)."""

_KINDS = dict.fromkeys(HOP_BY_HOP, THIS_HOP) | {
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"date": DATE,
    b"content-type": 32,
    b"location": 64,
    b"etag": 128,
    b"content-disposition": 256,
}
_SPELLINGS_AT_MOST = 1024
_NAME_AT_MOST = 64


class _Kinds(dict[bytes, int]):
    """Kinds by name as spelled. Bounded: senders choose the names."""

    def __missing__(self, name: bytes) -> int:
        kind = _KINDS.get(name.lower(), ORDINARY)
        if len(name) <= _NAME_AT_MOST:
            if len(self) >= _SPELLINGS_AT_MOST:
                self.clear()
            self[name] = kind
        return kind


KINDS = _Kinds()
"""`KINDS[name]` is the kind of the field, whatever its spelling."""
