"""Content codings taken off and put on again while a body flows (RFC 9110 section 8.4).

The same codings as for whole bodies, as strictly: each stream has to end where the body ends, and
what it becomes is held against what came in, as it flows. It is always coded anew, since nobody can
tell at its beginning that nothing will change.
"""

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

import brotlicffi
import zstandard

from gateway.documents.item_stream import BodyStream
from gateway.documents.multipart_stream import Piece
from gateway.model.errors import Unreadable
from gateway.model.limits import MIB, Limits
from gateway.model.words import Posture

_SLICE: Final = 256 * 1024
_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15
_ZSTD_STEP: Final = 256  # its decoder cannot bound its output: a block of four bytes stands for 128 KiB at most
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class Decoder(Protocol):
    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Slices of what the chunk stands for. Raises Unreadable."""
        ...

    def finish(self) -> None:
        """Say that the body ended. Raises Unreadable where the coding has not."""
        ...


class Encoder(Protocol):
    def encode(self, content: bytes) -> bytes:
        """All that a receiver needs to read `content`."""
        ...

    def finish(self) -> bytes: ...


def _broken() -> Unreadable:
    return Unreadable(Posture.UNPARSABLE_BODY, "the body is not in the content coding that its label says")


class _Gzip:
    """Members one after the other, as many as `limits.gzip_members`."""

    def __init__(self, limits: Limits) -> None:
        self._members = limits.gzip_members
        self._decoder = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._decoder.eof:
                self._members -= 1
                if self._members < 1:
                    raise Unreadable(Posture.DECOMPRESSION_BOMB, "the body has too many gzip members")
                self._decoder = zlib.decompressobj(_GZIP)
            self._begun = True
            yield from _inflated(self._decoder, chunk)
            chunk = self._decoder.unused_data

    def finish(self) -> None:
        if self._begun and not self._decoder.eof:
            raise _broken()


class _Deflate:
    """A zlib stream as RFC 9110 section 8.4.1.2 means it, or a raw one as it is sent; its first two bytes decide."""

    def __init__(self, _limits: Limits) -> None:
        self._first = b""
        self._decoder: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        if self._decoder is None:
            self._first += chunk
            if len(self._first) < 2:
                return
            chunk = self._first
            labelled = chunk[0] & 0x0F == 8 and (chunk[0] << 8 | chunk[1]) % 31 == 0
            self._decoder = zlib.decompressobj(_ZLIB if labelled else _RAW)
        yield from _inflated(self._decoder, chunk)
        if self._decoder.unused_data:
            raise _broken()

    def finish(self) -> None:
        if self._first and (self._decoder is None or not self._decoder.eof):
            raise _broken()


def _inflated(decoder: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    if decoder.eof:
        raise _broken()
    try:
        while True:
            content = decoder.decompress(chunk, _SLICE)
            if content:
                yield content
            chunk = decoder.unconsumed_tail
            if decoder.eof or (not chunk and len(content) < _SLICE):
                return
    except zlib.error:
        raise _broken() from None


class _Brotli:
    def __init__(self, _limits: Limits) -> None:
        self._decoder = brotlicffi.Decompressor()
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._begun = True
        if self._decoder.is_finished():
            raise _broken()
        try:
            content = self._decoder.process(chunk, output_buffer_limit=_SLICE)
            while content:
                yield content
                content = b"" if self._decoder.is_finished() else self._decoder.process(b"", output_buffer_limit=_SLICE)
        except brotlicffi.error:
            raise _broken() from None

    def finish(self) -> None:
        if self._begun and not self._decoder.is_finished():
            raise _broken()


class _Zstd:
    """Frames one after the other; skippable ones carry what no rule would see, and are refused."""

    def __init__(self, limits: Limits) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=limits.zstd_window)
        self._decoder = self._decompressor.decompressobj()
        self._start = b""
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        for position in range(0, len(chunk), _ZSTD_STEP):
            yield from self._step(chunk[position : position + _ZSTD_STEP])

    def _step(self, given: bytes) -> Iterator[bytes]:
        while given:
            if self._decoder.eof:
                self._decoder = self._decompressor.decompressobj()
                self._begun = False
            if not self._begun:
                self._start += given
                if len(self._start) < len(_ZSTD_MAGIC):
                    return
                given, self._start = self._start, b""
                if not given.startswith(_ZSTD_MAGIC):
                    raise _broken()
                self._begun = True
            try:
                content = self._decoder.decompress(given)
            except zstandard.ZstdError:
                raise _broken() from None
            if content:
                yield content
            given = self._decoder.unused_data

    def finish(self) -> None:
        if self._start or (self._begun and not self._decoder.eof):
            raise _broken()


class _Bounded:
    """Holds what a body became against what came in: see `Limits.expansion_ratio`."""

    def __init__(self, limits: Limits) -> None:
        self._ratio = limits.expansion_ratio
        self._came = 0
        self._became = 0

    def came(self, size: int) -> None:
        self._came += size

    def became(self, size: int) -> None:
        self._became += size
        if self._became > max(MIB, self._ratio * self._came):
            raise Unreadable(Posture.DECOMPRESSION_BOMB, "the body inflates to too much")


class _Deflating:
    """zlib's encoder for gzip and deflate."""

    def __init__(self, wbits: int) -> None:
        self._encoder = zlib.compressobj(wbits=wbits)

    def encode(self, content: bytes) -> bytes:
        return self._encoder.compress(content) + self._encoder.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._encoder.flush()


class _BrotliEncoder:
    def __init__(self) -> None:
        self._encoder = brotlicffi.Compressor(quality=5)

    def encode(self, content: bytes) -> bytes:
        return bytes(self._encoder.process(content) + self._encoder.flush())

    def finish(self) -> bytes:
        return bytes(self._encoder.finish())


class _ZstdEncoder:
    def __init__(self) -> None:
        self._encoder = zstandard.ZstdCompressor().compressobj()

    def encode(self, content: bytes) -> bytes:
        return self._encoder.compress(content) + self._encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._encoder.flush()


_DECODERS: dict[str, type[_Gzip] | type[_Deflate] | type[_Brotli] | type[_Zstd]] = {
    "gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


def _encoder_of(coding: str) -> Encoder:
    match coding:
        case "gzip":
            return _Deflating(_GZIP)
        case "deflate":
            return _Deflating(_ZLIB)
        case "br":
            return _BrotliEncoder()
        case _:
            return _ZstdEncoder()


class CodedStream:
    """A stream behind content codings, which are given in the order in which they were applied."""

    def __init__(self, inner: BodyStream, codings: tuple[str, ...], limits: Limits) -> None:
        self._inner = inner
        self._decoders: list[Decoder] = [_DECODERS[coding](limits) for coding in reversed(codings)]
        self._encoders = [_encoder_of(coding) for coding in codings]
        self._bounded = _Bounded(limits)
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """See BodyStream; made slice by slice, so that a chunk that inflates is never there as a whole."""
        if not chunk:
            return
        self._begun = True
        self._bounded.came(len(chunk))
        for plain in self._decoded(chunk, 0):
            yield from map(self._coded, self._inner.feed(plain))

    def finish(self) -> Iterator[Piece]:
        """See BodyStream. An empty body has nothing to undo."""
        for decoder in self._decoders:
            decoder.finish()
        yield from map(self._coded, self._inner.finish())
        if self._begun:
            yield Piece(self._ends(), None)

    def _decoded(self, chunk: bytes, at: int) -> Iterator[bytes]:
        for plain in self._decoders[at].feed(chunk):
            self._bounded.became(len(plain))
            if at + 1 < len(self._decoders):
                yield from self._decoded(plain, at + 1)
            else:
                yield plain

    def _coded(self, piece: Piece) -> Piece:
        content = piece.content
        for encoder in self._encoders if content else ():
            content = encoder.encode(content)
        return Piece(content, piece.counts, piece.unlisted)

    def _ends(self) -> bytes:
        content = b""
        for encoder in self._encoders:
            content = (encoder.encode(content) if content else b"") + encoder.finish()
        return content
