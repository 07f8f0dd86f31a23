import gzip
import tracemalloc
import zlib

import brotlicffi
import pytest
import zstandard
from edits import edit_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.coding import decode_body, encode_body
from gateway.documents.coding_stream import CodedStream
from gateway.documents.edit import Remove
from gateway.documents.item_stream import LineStream
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture, Rest

BODY = b'{"a":1,"b":"text"}\n' * 400
KEPT = b'{"b":"text"}\n' * 400
CODINGS = [("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "br"), ("zstd", "deflate")]


def stream(codings, limits=DEFAULT_LIMITS):
    edit = edit_of(Rest.PASS, ("$.a", Remove()))
    return CodedStream(LineStream(edit, limits, 1 << 20, collapse_duplicates=False), codings, limits)


def passed(through, body, cuts=()):
    out = b""
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        out += b"".join(piece.content for piece in through.feed(body[start:end]))
    return out + b"".join(piece.content for piece in through.finish())


def headers(codings):
    return ((b"Content-Encoding", ", ".join(codings).encode()),)


@pytest.mark.parametrize("codings", CODINGS, ids="+".join)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_coded_body_is_decoded_edited_and_coded_again_however_it_comes(codings, data):
    body = encode_body(BODY, codings)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    assert decode_body(headers(codings), passed(stream(codings), body, cuts), DEFAULT_LIMITS)[0] == KEPT


@pytest.mark.parametrize("codings", CODINGS, ids="+".join)
def test_byte_by_byte(codings):
    body = encode_body(BODY, codings)
    out = passed(stream(codings), body, tuple(range(len(body))))
    assert decode_body(headers(codings), out, DEFAULT_LIMITS)[0] == KEPT


@pytest.mark.parametrize("codings", CODINGS, ids="+".join)
def test_what_goes_on_can_be_read_at_once(codings):
    through = stream(codings)
    out = b"".join(piece.content for piece in through.feed(encode_body(BODY, codings)))
    decoder = {"gzip": zlib.decompressobj(31), "deflate": zlib.decompressobj()}.get(codings[0])
    if len(codings) == 1 and decoder is not None:
        assert decoder.decompress(out) == KEPT


@pytest.mark.parametrize("codings", CODINGS, ids="+".join)
@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:2] + b"\xff" * 9 + b[11:]])
def test_a_coding_that_is_broken_is_refused(codings, harm):
    body = harm(encode_body(BODY, codings))
    for cuts in [(), (1,), tuple(range(0, len(body), 3))]:
        with pytest.raises(Unreadable) as caught:
            passed(stream(codings), body, cuts)
        assert caught.value.posture is Posture.UNPARSABLE_BODY


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_an_empty_body_has_nothing_to_undo(coding):
    assert passed(stream((coding,)), b"") == b""


def test_several_members_and_frames_are_one_body():
    for body, coding in [
        (gzip.compress(BODY, mtime=0) * 2, "gzip"),
        (zstandard.ZstdCompressor().compress(BODY) * 2, "zstd"),
    ]:
        for cuts in [(), tuple(range(len(body)))]:
            out = passed(stream((coding,)), body, cuts)
            assert decode_body(headers((coding,)), out, DEFAULT_LIMITS)[0] == KEPT * 2


def test_raw_deflate_is_known_by_its_start():
    encoder = zlib.compressobj(wbits=-15)
    body = encoder.compress(BODY) + encoder.flush()
    assert zlib.decompress(passed(stream(("deflate",)), body, (1,))) == KEPT


def test_too_many_members_and_skippable_frames_are_refused():
    with pytest.raises(Unreadable) as caught:
        passed(stream(("gzip",), Limits(gzip_members=3)), gzip.compress(b"\n") * 4)
    assert caught.value.posture is Posture.DECOMPRESSION_BOMB
    with pytest.raises(Unreadable) as caught:
        passed(stream(("zstd",)), b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + encode_body(BODY, ("zstd",)))
    assert caught.value.posture is Posture.UNPARSABLE_BODY


BLANK = b"\n" * (64 << 20)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_refused_before_it_is_there(coding):
    bomb = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": lambda text: brotlicffi.compress(text, quality=4),
        "zstd": zstandard.ZstdCompressor().compress,
    }[coding](BLANK)
    tracemalloc.start()
    with pytest.raises(Unreadable) as caught:
        passed(stream((coding,)), bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.posture is Posture.DECOMPRESSION_BOMB
    assert peak < 24 << 20
