import pytest

from gateway.documents.multipart_body import open_multipart
from gateway.model.address import parse_address
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture

HEADERS = ((b"Content-Type", b"multipart/form-data; boundary=q"),)
HEAD = b'Content-Disposition: form-data; name="a"'


def body_of(head=HEAD, content=b"x"):
    return b"--q\r\n" + head + b"\r\n\r\n" + content + b"\r\n--q--\r\n"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (HEAD, "a"),
        (b'content-disposition:form-data;name="a"', "a"),
        (b"Content-Disposition: form-data; name=a", "a"),
        (b'Content-Disposition: Form-Data ; Name="a b"; filename="c:d"', "a b"),
        ('Content-Disposition: form-data; name="é"'.encode(), "é"),
        (HEAD + b"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: binary", "a"),
        (HEAD + b"\r\nContent-Type: application/octet-stream\r\nContent-Length: 1", "a"),
        (b'Content-Disposition: form-data; name=""', ""),
    ],
)
def test_read(head, name):
    document = open_multipart(HEADERS, body_of(head), DEFAULT_LIMITS)
    for place in ("part", "form"):
        address = parse_address(f"{place}:{name or 'b'}")
        assert document.read(address) == (["x"] if name else [])
    assert document.read(parse_address("$.a")) == []


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Type: text/plain",
        HEAD + b"\r\n" + HEAD,
        HEAD + b"\r\nX-Email: a@b.c",
        HEAD + b"\r\n folded",
        HEAD + b"\r\nContent-Type : text/plain",
        HEAD + b"\r\nContent-Type: text/plain\x00",
        HEAD + b"\nContent-Type: text/plain",
        b'Content-Disp\x00sition: form-data; name="a"',
        b'Content-Disposition: attachment; name="a"',
        b'Content-Disposition: form-datax; name="a"',
        b"Content-Disposition: form-data",
        b'Content-Disposition: form-data; name="a"; name="b"',
        b'Content-Disposition: form-data; name="a"; NAME="b"',
        b'Content-Disposition: form-data; name="a\\"b"',
        b'Content-Disposition: form-data; name="a',
        b"Content-Disposition: form-data; name=a b",
        b"Content-Disposition: form-data; name='a@b'; x",
        b"Content-Disposition: form-data; name*=utf-8''email",
        b'Content-Disposition: form-data; name*0="e"; name*1="mail"',
        b"Content-Disposition: form-data; name=\"a\"; filename*=utf-8''x",
        b'Content-Disposition: form-data; name="a"; size=3',
        HEAD + b"\r\nContent-Transfer-Encoding: base64",
        HEAD + b"\r\nContent-Transfer-Encoding: quoted-printable",
        HEAD + b"\r\nContent-Encoding: gzip",
        HEAD + b"\r\nContent-Type: multipart/mixed; boundary=r",
        HEAD + b"\r\nContent-Type: message/rfc822",
        HEAD + b"\r\nContent-Type: text/plain, text/html",
    ],
)
def test_odd_part_headers_are_refused(head):
    with pytest.raises(Unreadable) as caught:
        open_multipart(HEADERS, body_of(head), DEFAULT_LIMITS)
    assert caught.value.posture is Posture.UNPARSABLE_BODY


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"\r\nContent-Type: text/plain; charset=utf-16",
        b'Content-Disposition: form-data; name="_charset_"',
        b'Content-Disposition: form-data; name="\xe9"',
        HEAD + b'; filename="\xe9"',
    ],
)
def test_other_charsets_are_refused(head):
    with pytest.raises(Unreadable) as caught:
        open_multipart(HEADERS, body_of(head), DEFAULT_LIMITS)
    assert caught.value.posture is Posture.UNDECODABLE_CHARSET


WHOLE = body_of()


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"preamble\r\n" + WHOLE,
        b"\n" + WHOLE,
        WHOLE + b"epilogue",
        WHOLE + b"\r\n",
        WHOLE[:-2] + b"\n",
        WHOLE[:-4],
        WHOLE[:-3] + b"x",
        WHOLE[:20],
        WHOLE.replace(b"\r\n", b"\n"),
        WHOLE.replace(b"--q\r\n", b"--q \r\n"),
        WHOLE.replace(b"--q\r\n", b"--qq\r\n"),
        body_of(content=b"x\n--q\r\n" + HEAD + b"\r\n\r\ny"),
        body_of(content=b"x\r--q--"),
        body_of(content=b"x\r\n--q2"),
        body_of(content=b"x\r\n--q\n" + HEAD + b"\n\ny"),
        body_of(content=b"--q\r\n" + HEAD + b"\r\n\r\ny"),
        WHOLE[:-2] + WHOLE,
    ],
)
def test_odd_framing_is_refused(body):
    with pytest.raises(Unreadable) as caught:
        open_multipart(HEADERS, body, DEFAULT_LIMITS)
    assert caught.value.posture is Posture.UNPARSABLE_BODY


@pytest.mark.parametrize(
    "label",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b'multipart/form-data; boundary="q "',
        b"multipart/form-data; boundary=q; boundary=r",
        b"multipart/form-data; boundary*0=q",
        b"multipart/form-data; boundary=" + b"q" * 71,
        b"multipart/form-data; boundary=q@",
    ],
)
def test_odd_boundaries_are_refused(label):
    with pytest.raises(Unreadable):
        open_multipart(((b"Content-Type", label),), WHOLE, DEFAULT_LIMITS)


def test_a_quoted_boundary():
    headers = ((b"Content-Type", b'multipart/form-data; boundary="q"'),)
    assert open_multipart(headers, WHOLE, DEFAULT_LIMITS).read(parse_address("part:a")) == ["x"]


@pytest.mark.parametrize(
    ("limits", "body"),
    [
        (Limits(multipart_parts=1), body_of(content=b"x\r\n--q\r\n" + HEAD + b"\r\n\r\ny")),
        (Limits(multipart_part_headers=1), body_of(HEAD + b"\r\nContent-Type: text/plain")),
        (Limits(multipart_part_header=30), WHOLE),
        (Limits(multipart_part_header=30), b"--q\r\n" + b"x" * 100),
    ],
)
def test_limits(limits, body):
    with pytest.raises(Unreadable) as caught:
        open_multipart(HEADERS, body, limits)
    assert caught.value.posture is Posture.OVER_SIZE


def test_a_binary_part_cannot_be_read():
    with pytest.raises(Unreadable) as caught:
        open_multipart(HEADERS, body_of(content=b"\xff"), DEFAULT_LIMITS).read(parse_address("part:a"))
    assert caught.value.posture is Posture.UNDECODABLE_CHARSET


def test_a_large_body_is_read_in_slices():
    content = b"x" * 300_000
    document = open_multipart(HEADERS, body_of(content=content), DEFAULT_LIMITS)
    assert document.read(parse_address("part:a")) == [content.decode()]
