import edits
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.edit import Empty, Remove, Replace, Retain
from gateway.documents.multipart_body import open_multipart
from gateway.documents.multipart_stream import MultipartStream
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture, Rest

KEEP, DROP, BLANK = Retain(), Remove(), Empty()
UPPER = Replace(str.upper)
HEADERS = ((b"Content-Type", b"multipart/form-data; boundary=q"),)


def part(name, content, extra=b"", boundary=b"q"):
    return b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (boundary, name, extra, content)


A = part(b"a", b"one")
B = part(b"b", b"two\r\nlines\r\n--qu\r\n"[:10])
FILE = part(b"f", b"\x00\xff --q \r\n-- \r\r\n", b'; filename="cv.pdf"\r\nContent-Type: application/pdf')
BODY = A + B + FILE + b"--q--\r\n"


def edit_of(rest, *fields):
    return edits.edit_of(rest, *fields, place="part:")


def streamed(body, edit, cuts, limits=DEFAULT_LIMITS):
    stream = MultipartStream(HEADERS, edit, limits)
    pieces = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        pieces += stream.feed(body[start:end])
    return pieces + stream.finish()


EDITS = [
    (BODY, Rest.PASS, [("z", DROP)], BODY, (0,), 0),
    (BODY, Rest.PASS, [("a", KEEP), ("f", KEEP)], BODY, (1, 1), 0),
    (BODY, Rest.PASS, [("a", DROP)], B + FILE + b"--q--\r\n", (1,), 0),
    (BODY, Rest.PASS, [("a", UPPER)], part(b"a", b"ONE") + B + FILE + b"--q--\r\n", (1,), 0),
    (BODY, Rest.PASS, [("b", BLANK)], A + part(b"b", b"") + FILE + b"--q--\r\n", (1,), 0),
    (
        BODY,
        Rest.PASS,
        [("f", BLANK)],
        A + B + part(b"f", b"", b'; filename=""\r\nContent-Type: application/pdf') + b"--q--\r\n",
        (1,),
        0,
    ),
    (BODY, Rest.DROP, [("b", KEEP)], B + b"--q--\r\n", (1,), 2),
    (BODY, Rest.DROP, [], b"--q--\r\n", (), 3),
    (BODY, Rest.BLOCK, [("b", KEEP)], BODY, (1,), 2),
    (A + A + b"--q--", Rest.PASS, [("a", UPPER)], part(b"a", b"ONE") * 2 + b"--q--", (2,), 0),
    (b"\r\n" + A + b"--q--", Rest.PASS, [("b", DROP)], b"\r\n" + A + b"--q--", (0,), 0),
    (b"--q--", Rest.DROP, [("b", DROP)], b"--q--", (0,), 0),
    (
        part(b"a", b"x", b'; filename="jane.txt"') + b"--q--",
        Rest.PASS,
        [("a", UPPER)],
        part(b"a", b"X", b'; filename="JANE.TXT"') + b"--q--",
        (1,),
        0,
    ),
    (
        part(b"a", b"x", b'; filename="jane.txt"') + b"--q--",
        Rest.PASS,
        [("a", Replace(lambda text: text and 'q"\r\n\\'))],
        part(b"a", b'q"\r\n\\', b'; filename="q%22%0D%0A/"') + b"--q--",
        (1,),
        0,
    ),
]


@pytest.mark.parametrize(("body", "rest", "fields", "content", "counts", "unlisted"), EDITS)
def test_edit_however_the_bytes_come(body, rest, fields, content, counts, unlisted):
    edit = edit_of(rest, *fields)
    edited = open_multipart(HEADERS, body, DEFAULT_LIMITS).edit(edit)
    assert (edited.content, edited.counts, edited.unlisted) == (content, counts, unlisted)
    if content == body:
        assert edited.content is body
    for cuts in [[], *([cut] for cut in range(len(body) + 1)), range(1, len(body)), range(7, len(body), 7)]:
        pieces = streamed(body, edit, cuts)
        assert b"".join(piece.content for piece in pieces) == content
        met = [piece.counts for piece in pieces if piece.counts is not None]
        assert all(any(piece) for piece in met)
        assert tuple(map(sum, zip(*met, strict=True))) == counts or not any(counts)
        assert sum(piece.unlisted for piece in pieces) == unlisted


def test_a_field_is_counted_no_later_than_its_first_byte_goes():
    stream = MultipartStream(HEADERS, edit_of(Rest.PASS, ("a", KEEP)), DEFAULT_LIMITS)
    sent = b""
    counted = 0
    for position in range(len(BODY)):
        for piece in stream.feed(BODY[position : position + 1]):
            counted += sum(piece.counts or ())
            sent += piece.content
            assert counted == 1 or b'name="a"' not in sent


def test_a_part_that_no_rule_changes_is_not_held():
    stream = MultipartStream(HEADERS, edit_of(Rest.PASS, ("a", KEEP)), Limits(body=100))
    stream.feed(part(b"a", b"")[:-2])
    for _ in range(50):
        assert sum(len(piece.content) for piece in stream.feed(b"x" * 1000)) > 990
    stream = MultipartStream(HEADERS, edit_of(Rest.PASS, ("a", UPPER)), Limits(body=100))
    stream.feed(part(b"a", b"")[:-2])
    with pytest.raises(Unreadable) as caught:
        stream.feed(b"x" * 1000)
    assert caught.value.posture is Posture.OVER_SIZE


def test_a_dropped_part_needs_no_room():
    body = part(b"a", b"x" * 1000) + b"--q--"
    pieces = streamed(body, edit_of(Rest.DROP), range(0, len(body), 10), Limits(body=10))
    assert b"".join(piece.content for piece in pieces) == b"--q--"


def test_a_binary_part_cannot_be_replaced():
    with pytest.raises(Unreadable) as caught:
        open_multipart(HEADERS, BODY, DEFAULT_LIMITS).edit(edit_of(Rest.PASS, ("f", UPPER)))
    assert caught.value.posture is Posture.UNDECODABLE_CHARSET


def test_a_transform_cannot_forge_a_boundary():
    with pytest.raises(Unreadable):
        open_multipart(HEADERS, BODY, DEFAULT_LIMITS).edit(edit_of(Rest.PASS, ("a", Replace(lambda _: "\r\n--q\r\n"))))


CONTENT = st.binary(max_size=30).filter(lambda content: b"--q" not in content)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), CONTENT), max_size=5), st.data())
def test_against_a_reference(parts, data):
    body = b"".join(part(name, content) for name, content in parts) + b"--q--\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    listed = sorted(data.draw(st.sets(st.sampled_from(["a", "b", "d"]))))
    for rest, operation in ((Rest.DROP, KEEP), (Rest.PASS, DROP)):
        edit = edit_of(rest, *((name, operation) for name in listed))
        kept = [entry for entry in parts if (entry[0].decode() in listed) == (rest is Rest.DROP)]
        expected = b"".join(part(name, content) for name, content in kept) + b"--q--\r\n"
        assert b"".join(piece.content for piece in streamed(body, edit, cuts)) == expected
        assert open_multipart(HEADERS, body, DEFAULT_LIMITS).edit(edit).content == expected
