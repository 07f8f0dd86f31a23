import pytest

from gateway.documents.document import open_document
from gateway.documents.edit import FieldEdit, PartEdit, Remove
from gateway.documents.media import Media
from gateway.model.address import parse_address
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import Posture, Rest


@pytest.mark.parametrize(
    ("label", "body", "media", "address", "values", "without"),
    [
        (b"application/json", b'{"a":"x"}', Media.JSON, "$.a", ["x"], b"{}"),
        (b"text/plain", b'{"a":"x"}', Media.JSON, "$.a", ["x"], b"{}"),
        (b"application/x-ndjson", b'{"a":"x"}\n', Media.NDJSON, "$.a", ["x"], b"{}\n"),
        (b"application/x-www-form-urlencoded", b"a=x", Media.FORM, "form:a", ["x"], b""),
        (b"application/x-www-form-urlencoded; charset=latin-1", b"a=%e9", Media.FORM, "form:a", ["é"], b""),
        (b"text/plain; charset=latin-1", b"\xe9", Media.TEXT, "$", ["é"], b""),
        (
            b"multipart/form-data; boundary=q",
            b'--q\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--q--\r\n',
            Media.MULTIPART,
            "part:a",
            ["x"],
            b"--q--\r\n",
        ),
    ],
)
def test_the_label_chooses_the_reader(label, body, media, address, values, without):
    document = open_document(((b"content-type", label),), body, DEFAULT_LIMITS)
    assert document.media is media
    assert document.read(parse_address(address)) == values
    edit = PartEdit((FieldEdit(0, parse_address(address), Remove()),), Rest.PASS, 1)
    assert document.edit(edit).content == without


def test_an_empty_body_needs_no_label():
    document = open_document((), b"", DEFAULT_LIMITS)
    assert document.edit(PartEdit((), Rest.DROP, 0)).content == b""


def test_a_label_that_nobody_reads():
    with pytest.raises(Unreadable) as caught:
        open_document(((b"Content-Type", b"application/pdf"),), b"%PDF", DEFAULT_LIMITS)
    assert caught.value.posture is Posture.UNKNOWN_MEDIA_TYPE


def test_a_coded_body_without_its_label_is_not_read():
    with pytest.raises(Unreadable):
        open_document(((b"Content-Type", b"text/plain"),), b"\x1f\x8b\x08\x00\x00", DEFAULT_LIMITS)


def test_collapsing_is_passed_on():
    body = b'{"a":1,"a":2}'
    headers = ((b"Content-Type", b"application/json"),)
    edit = PartEdit((FieldEdit(0, parse_address("$.b"), Remove()),), Rest.PASS, 1)
    with pytest.raises(Unreadable) as caught:
        open_document(headers, body, DEFAULT_LIMITS).edit(edit)
    assert caught.value.posture is Posture.DUPLICATE_KEY
    assert open_document(headers, body, DEFAULT_LIMITS, collapse_duplicates=True).edit(edit).content == b'{"a":2}'
