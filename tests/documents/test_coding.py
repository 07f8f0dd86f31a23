import gzip
import zlib

import brotlicffi
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.coding import decode_body, encode_body
from gateway.model.errors import Unreadable
from gateway.model.limits import MIB, Limits
from gateway.model.words import Posture

LIMITS = Limits()
TEXT = b'{"email":"a@b.c"}' * 50


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def streamed_zstd(data: bytes) -> bytes:
    encoder = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compressobj()
    return encoder.compress(data) + encoder.flush()


def coded(value: bytes):
    return ((b"Content-Encoding", value),)


def gzipped(content):
    """Without the time of day, which would stand in the names of the tests."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("label", "body", "codings"),
    [
        (b"gzip", gzipped(TEXT), ("gzip",)),
        (b"X-GZip", gzipped(TEXT), ("gzip",)),
        (b"gzip", gzipped(TEXT[:100]) + gzipped(b"") + gzipped(TEXT[100:]), ("gzip",)),
        (b"deflate", zlib.compress(TEXT), ("deflate",)),
        (b"deflate", raw_deflate(TEXT), ("deflate",)),
        (b"br", brotlicffi.compress(TEXT), ("br",)),
        (b"zstd", zstd(TEXT), ("zstd",)),
        (b"zstd", streamed_zstd(TEXT[:100]) + zstd(TEXT[100:]), ("zstd",)),
        (b"br, gzip", gzipped(brotlicffi.compress(TEXT)), ("br", "gzip")),
        (b"identity,,gzip", gzipped(TEXT), ("gzip",)),
        (b"identity", TEXT, ()),
    ],
)
def test_decode(label, body, codings):
    assert decode_body(coded(label), body, LIMITS) == (TEXT, codings)


def test_two_lines_are_one_list():
    headers = (*coded(b"br"), *coded(b"gzip"))
    assert decode_body(headers, gzipped(brotlicffi.compress(TEXT)), LIMITS) == (TEXT, ("br", "gzip"))


def test_without_a_coding_the_body_is_the_same_object():
    assert decode_body((), TEXT, LIMITS)[0] is TEXT
    assert decode_body(coded(b"gzip"), b"", LIMITS) == (b"", ("gzip",))


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00mail"


@pytest.mark.parametrize(
    ("label", "body", "posture"),
    [
        (b"foo", TEXT, Posture.UNKNOWN_CONTENT_CODING),
        (b"dcb", TEXT, Posture.UNKNOWN_CONTENT_CODING),
        (b"x-br", brotlicffi.compress(TEXT), Posture.UNKNOWN_CONTENT_CODING),
        (b"gzip, gzip, gzip", TEXT, Posture.UNKNOWN_CONTENT_CODING),
        (b"gzip", TEXT, Posture.UNPARSABLE_BODY),
        (b"deflate", TEXT, Posture.UNPARSABLE_BODY),
        (b"br", TEXT, Posture.UNPARSABLE_BODY),
        (b"zstd", TEXT, Posture.UNPARSABLE_BODY),
        (b"gzip", gzipped(TEXT) + b"x", Posture.UNPARSABLE_BODY),
        (b"gzip", gzipped(TEXT) + b"\x00", Posture.UNPARSABLE_BODY),
        (b"gzip", gzipped(TEXT)[:-1], Posture.UNPARSABLE_BODY),
        (b"gzip", gzipped(TEXT)[:-5] + b"\x00" * 5, Posture.UNPARSABLE_BODY),
        (b"deflate", zlib.compress(TEXT) + b"x", Posture.UNPARSABLE_BODY),
        (b"deflate", zlib.compress(TEXT)[:-1], Posture.UNPARSABLE_BODY),
        (b"deflate", raw_deflate(TEXT) + b"x", Posture.UNPARSABLE_BODY),
        (b"br", brotlicffi.compress(TEXT) + b"x", Posture.UNPARSABLE_BODY),
        (b"br", brotlicffi.compress(TEXT)[:-1], Posture.UNPARSABLE_BODY),
        (b"zstd", zstd(TEXT) + b"x", Posture.UNPARSABLE_BODY),
        (b"zstd", zstd(TEXT)[:-1], Posture.UNPARSABLE_BODY),
        (b"zstd", SKIPPABLE + zstd(TEXT), Posture.UNPARSABLE_BODY),
        (b"zstd", zstd(TEXT) + SKIPPABLE, Posture.UNPARSABLE_BODY),
    ],
)
def test_refused(label, body, posture):
    with pytest.raises(Unreadable) as caught:
        decode_body(coded(label), body, LIMITS)
    assert caught.value.posture is posture


BOMB = b"\x00" * (30 * MIB)


@pytest.mark.parametrize(
    ("label", "body"),
    [
        (b"gzip", gzipped(BOMB)),
        (b"deflate", zlib.compress(BOMB)),
        (b"br", brotlicffi.compress(BOMB, quality=1)),
        (b"zstd", zstd(BOMB)),
        (b"gzip, gzip", gzipped(gzipped(BOMB))),
        (b"gzip", gzipped(b"") * 2000),
    ],
)
def test_a_bomb_is_stopped_while_it_inflates(label, body):
    with pytest.raises(Unreadable) as caught:
        decode_body(coded(label), body, LIMITS)
    assert caught.value.posture is Posture.DECOMPRESSION_BOMB


@pytest.mark.parametrize("label", [b"gzip", b"deflate", b"br", b"zstd"])
def test_the_absolute_bound(label):
    small = Limits(decoded_body=1000)
    body = encode_body(b"x" * 1000, (label.decode(),))
    assert decode_body(coded(label), body, small)[0] == b"x" * 1000
    body = encode_body(b"x" * 1001, (label.decode(),))
    with pytest.raises(Unreadable) as caught:
        decode_body(coded(label), body, small)
    assert caught.value.posture is Posture.OVER_SIZE


def test_a_plain_body_has_the_absolute_bound_too():
    with pytest.raises(Unreadable) as caught:
        decode_body((), b"x" * 11, Limits(decoded_body=10))
    assert caught.value.posture is Posture.OVER_SIZE


def test_a_zstd_window_over_the_limit_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    encoder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = encoder.compress(TEXT) + encoder.flush()
    with pytest.raises(Unreadable):
        decode_body(coded(b"zstd"), body, LIMITS)


def test_an_unknown_coding_cannot_be_applied():
    with pytest.raises(ValueError):
        encode_body(b"x", ("foo",))


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1), st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd"]), max_size=2))
def test_round_trip(body, codings):
    encoded = encode_body(body, tuple(codings))
    assert decode_body(coded(", ".join(codings).encode()), encoded, LIMITS) == (body, tuple(codings))
