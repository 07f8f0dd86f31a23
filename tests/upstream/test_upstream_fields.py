"""What the fields of a response say about its framing, its connection, and what goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import Fault
from gateway.model.limits import Limits
from gateway.upstream.fields import check_size, judge_fields
from gateway.upstream.hops import strip_hop_by_hop


def fields(*lines: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


@pytest.mark.parametrize(
    ("lines", "length", "chunked"),
    [
        ([b"content-LENGTH: 12"], 12, False),
        ([b"Content-Length: 12 \t"], 12, False),
        ([b"Transfer-encoding: Chunked"], None, True),
        ([b"X: Content-Length"], None, False),
    ],
)
def test_framing(lines, length, chunked):
    judged = judge_fields(200, b"1", fields(*lines), padded=False)
    assert (judged.length, judged.chunked) == (length, chunked)


@pytest.mark.parametrize(
    ("lines", "minor"),
    [
        ([b"Content-Length: 2", b"content-length: 2"], b"1"),
        ([b"Content-Length: 0", b"Transfer-Encoding: chunked"], b"1"),
        ([b"Transfer-Encoding: chunked", b"Content-Length: 0"], b"1"),
        ([b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"], b"1"),
        ([b"Transfer-Encoding: chunked"], b"0"),
        ([b"Transfer-Encoding: gzip, chunked"], b"1"),
        ([b"Transfer-Encoding: chunked\t"], b"1"),
        ([b"Transfer-Encoding: "], b"1"),
        ([b"Content-Length: "], b"1"),
        ([b"Content-Length: 1 2"], b"1"),
        ([b"Content-Length: +2"], b"1"),
        ([b"Content-Length: -2"], b"1"),
        ([b"Content-Length: 1_0"], b"1"),
        ([b"Content-Length: \xb2"], b"1"),
        ([b"Content-Length: 1000000000000000000"], b"1"),
    ],
)
def test_a_doubtful_length_is_refused(lines, minor):
    with pytest.raises(Fault) as caught:
        judge_fields(200, minor, fields(*lines), padded=False)
    assert caught.value.code == "upstream_broken"


@pytest.mark.parametrize(
    ("lines", "minor", "persistent"),
    [
        ([], b"1", True),
        ([], b"0", False),
        ([b"Connection: Close"], b"1", False),
        ([b"Connection: keep-alive"], b"0", True),
        ([b"Connection: Keep-Alive"], b"1", True),
        ([b"Connection: x", b"connection: close"], b"1", False),
        ([b"Connection: keep-alive, close"], b"0", False),
        ([b"Connection: closed"], b"1", True),
    ],
)
def test_persistence(lines, minor, persistent):
    assert judge_fields(200, minor, fields(*lines), padded=False).persistent is persistent


@pytest.mark.parametrize(
    ("lines", "repeats"),
    [
        ([b"ETag: a", b"Content-Type: b", b"Location: c"], False),
        ([b"ETag: a", b"etag: a"], True),
        ([b"Date: a", b"Date: b"], False),
        ([b"Connection: a", b"Connection: b"], False),
        ([b"Set-Cookie: a", b"Set-Cookie: b"], False),
    ],
)
def test_repeated_singletons(lines, repeats):
    assert judge_fields(200, b"1", fields(*lines), padded=False).repeats is repeats


def test_outer_space_goes_where_there_is_some():
    judged = judge_fields(200, b"1", fields(b"A: x \t", b"Connection: close ", b"B: y"), padded=True)
    assert judged.headers == ((b"A", b"x"), (b"Connection", b"close"), (b"B", b"y"))
    assert judged.onward.headers == ((b"A", b"x"), (b"B", b"y"))


names = st.sampled_from([b"Connection", b"Keep-Alive", b"Upgrade", b"X-Hop", b"x-Hop", b"A", b"Content-Length", b"TE"])
values = st.sampled_from([b"close", b"keep-alive", b"X-Hop", b"x-hop, Close", b"Content-Length", b"7", b""])


@given(st.lists(st.tuples(names, values).filter(lambda pair: pair[0] != b"Content-Length" or pair[1] == b"7")))
def test_what_goes_on_is_what_the_rules_of_hops_leave(pairs):
    if sum(name == b"Content-Length" for name, _ in pairs) < 2:
        judged = judge_fields(299, b"1", list(pairs), padded=False)
        assert judged.headers == tuple(pairs)
        assert judged.onward.headers == strip_hop_by_hop(pairs)
        assert judged.onward.status == 299


LIMITS = Limits(headers_total=100, header_field=20, header_count=3)


@pytest.mark.parametrize(
    ("lines", "size", "fits"),
    [
        ([b"A: 1"] * 3, 100, True),
        ([b"A: 1"] * 4, 50, False),
        ([b"A: 1"], 101, False),
        ([b"A: " + b"x" * 19], 40, True),
        ([b"A: " + b"x" * 20], 40, False),
    ],
)
def test_sizes(lines, size, fits):
    if fits:
        check_size(fields(*lines), size, LIMITS)
    else:
        with pytest.raises(Fault):
            check_size(fields(*lines), size, LIMITS)
