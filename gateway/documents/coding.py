"""Content codings taken off before a body is read and put on again after (RFC 9110 section 8.4).

Every coding is undone within a bound that is kept while inflating, never judged afterwards. A stream
has to end exactly where the body ends: bytes left over, a member cut short, a label without the coding
are refused, because another reader might see something else there.

What the coding itself can carry beside the content (a gzip file name, a zstd skippable frame) is not
content: skippable frames are refused, and gzip's extra fields are gone once the body is encoded anew.
"""

import zlib
from collections.abc import Callable
from typing import Final

import brotlicffi
import zstandard

from gateway.model.errors import Unreadable
from gateway.model.limits import MIB, Limits
from gateway.model.message import HeaderPairs, header_values
from gateway.model.words import Posture

SUPPORTED_CODINGS: tuple[bytes, ...] = (b"gzip", b"deflate", b"br", b"zstd")
_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15
_SLICE: Final = 64 * 1024
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_EXPANSION: Final = 32768  # a block of four bytes stands for at most 128 KiB


def decode_body(headers: HeaderPairs, body: bytes, limits: Limits) -> tuple[bytes, tuple[str, ...]]:
    """The body without its content codings, and those codings in the order in which they were applied.

    An empty body has nothing to undo. `identity` is no coding.

    Raises:
        Unreadable: UNKNOWN_CONTENT_CODING for a coding not in SUPPORTED_CODINGS or too many of them,
            DECOMPRESSION_BOMB over `limits.expansion_ratio`, OVER_SIZE over `limits.decoded_body`,
            UNPARSABLE_BODY for a stream that is broken or does not end with the body.
    """
    codings = codings_of(headers, limits.content_codings)
    if len(body) > limits.decoded_body:
        raise Unreadable(Posture.OVER_SIZE, "the body is too large")
    if not body or not codings:
        return body, codings
    bound = _Bound(len(body), limits)
    for coding in reversed(codings):
        output = _Output(bound)
        _DECODERS[coding](body, output, limits)
        body = output.content()
    return body, codings


def encode_body(body: bytes, codings: tuple[str, ...]) -> bytes:
    """The body with these codings (as `decode_body` returned them) applied in order."""
    for coding in codings:
        match coding:
            case "gzip":
                encoder = zlib.compressobj(wbits=_GZIP)
                body = encoder.compress(body) + encoder.flush()
            case "deflate":
                body = zlib.compress(body)
            case "br":
                body = brotlicffi.compress(body, quality=5)
            case "zstd":
                body = zstandard.ZstdCompressor().compress(body)
            case _:
                raise ValueError("not one of the supported codings")
    return body


def codings_of(headers: HeaderPairs, most: int) -> tuple[str, ...]:
    """The content codings that the fields name, in the order they were applied, identity left out.

    Raises:
        Unreadable: UNKNOWN_CONTENT_CODING, also for more than `most`.
    """
    names = []
    for value in header_values(headers, b"content-encoding"):
        for item in value.split(b","):
            name = item.strip(b" \t").lower()
            if name and name != b"identity":
                names.append(b"gzip" if name == b"x-gzip" else name)
    if len(names) > most:
        raise Unreadable(Posture.UNKNOWN_CONTENT_CODING, "too many content codings")
    if any(name not in SUPPORTED_CODINGS for name in names):
        raise Unreadable(Posture.UNKNOWN_CONTENT_CODING, "no decoder for a content coding")
    return tuple(name.decode("ascii") for name in names)


class _Bound:
    """How much one body may become, in bytes, and what it is called when it becomes more."""

    def __init__(self, encoded: int, limits: Limits) -> None:
        by_ratio = max(MIB, limits.expansion_ratio * encoded)
        self.size = min(by_ratio, limits.decoded_body)
        self.posture = Posture.DECOMPRESSION_BOMB if by_ratio < limits.decoded_body else Posture.OVER_SIZE


class _Output:
    """What one decoder has made so far, kept within the bound."""

    def __init__(self, bound: _Bound) -> None:
        self._bound = bound
        self._pieces: list[bytes] = []
        self.room = bound.size

    def add(self, piece: bytes) -> None:
        self.room -= len(piece)
        if self.room < 0:
            raise Unreadable(self._bound.posture, "the body inflates to too much")
        self._pieces.append(piece)

    def content(self) -> bytes:
        return b"".join(self._pieces)


def _broken() -> Unreadable:
    return Unreadable(Posture.UNPARSABLE_BODY, "the body is not in the content coding that its label says")


def _gzip(body: bytes, output: _Output, limits: Limits) -> None:
    position = 0
    for _ in range(limits.gzip_members):
        position = _inflate(body, position, _GZIP, output)
        if position == len(body):
            return
    raise Unreadable(Posture.DECOMPRESSION_BOMB, "the body has too many gzip members")


def _deflate(body: bytes, output: _Output, limits: Limits) -> None:  # noqa: ARG001 - one signature for all
    # RFC 9110 section 8.4.1.2: zlib is meant, raw deflate is sent. A zlib header decides.
    labelled = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    if _inflate(body, 0, _ZLIB if labelled else _RAW, output) != len(body):
        raise _broken()


def _inflate(body: bytes, position: int, wbits: int, output: _Output) -> int:
    """Inflate one stream that starts at `position`; returns where it ends."""
    decoder = zlib.decompressobj(wbits)
    while not decoder.eof:
        given = body[position : position + _SLICE]
        if not given:
            raise _broken()
        try:
            # One byte more than there is room for shows that there is more; the rest is never inflated.
            output.add(decoder.decompress(given, output.room + 1))
        except zlib.error:
            raise _broken() from None
        position += len(given) - len(decoder.unused_data)
    return position


def _brotli(body: bytes, output: _Output, limits: Limits) -> None:  # noqa: ARG001 - one signature for all
    decoder = brotlicffi.Decompressor()
    given = body
    try:
        while not decoder.is_finished():
            piece = decoder.process(given, output_buffer_limit=output.room + 1)
            if not piece and not given:
                raise _broken()
            given = b""
            output.add(piece)
    except brotlicffi.error:
        raise _broken() from None


def _zstd(body: bytes, output: _Output, limits: Limits) -> None:
    decompressor = zstandard.ZstdDecompressor(max_window_size=limits.zstd_window)
    position = 0
    while position < len(body):
        if not body.startswith(_ZSTD_MAGIC, position):
            raise _broken()
        decoder = decompressor.decompressobj()
        while not decoder.eof:
            # The library cannot bound its output, so the input is kept too small to exceed it by much.
            step = max(64, min(_SLICE, output.room // _ZSTD_EXPANSION))
            given = body[position : position + step]
            if not given:
                raise _broken()
            try:
                output.add(decoder.decompress(given))
            except zstandard.ZstdError:
                raise _broken() from None
            position += len(given) - len(decoder.unused_data)


_DECODERS: dict[str, Callable[[bytes, _Output, Limits], None]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
