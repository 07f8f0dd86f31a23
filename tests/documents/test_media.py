import pytest

from gateway.documents.media import Media, media_and_charset, parse_content_type
from gateway.model.errors import Unreadable
from gateway.model.words import Posture


def labelled(value: bytes):
    return ((b"Content-Type", value),)


@pytest.mark.parametrize(
    ("value", "body", "media"),
    [
        (b"application/json", b"{}", Media.JSON),
        (b'Application/JSON ; Charset="UTF-8"', b"{}", Media.JSON),
        (b"text/json", b"{}", Media.JSON),
        (b"application/problem+json", b"{}", Media.JSON),
        (b"application/x-ndjson", b"{}", Media.NDJSON),
        (b"application/jsonl", b"{}", Media.NDJSON),
        (b"application/x-www-form-urlencoded", b"a=1", Media.FORM),
        (b"application/x-www-form-urlencoded;charset=iso-8859-1", b"a=1", Media.FORM),
        (b"multipart/form-data; boundary=x", b"--x", Media.MULTIPART),
        (b"text/plain", b"hello", Media.TEXT),
        (b"text/plain;charset=us-ascii;", b"hello", Media.TEXT),
        (b"text/plain; charset=latin1", b"h\xe9", Media.TEXT),
        (b"text/plain", b' \n{"a":1}', Media.JSON),
        (b"text/plain", b"[1]", Media.JSON),
    ],
)
def test_label(value, body, media):
    assert media_and_charset(labelled(value), body)[0] is media


def test_no_label():
    assert media_and_charset((), b' {"a":1}')[0] is Media.JSON
    with pytest.raises(Unreadable) as caught:
        media_and_charset((), b"a=1")
    assert caught.value.posture is Posture.UNKNOWN_MEDIA_TYPE


@pytest.mark.parametrize(
    ("value", "posture"),
    [
        (b"", Posture.UNKNOWN_MEDIA_TYPE),
        (b"json", Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/json, text/plain", Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/json; charset=utf-8; charset=utf-7", Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/json; charset*0=utf-7", Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/json; charset", Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/json\xe9", Posture.UNKNOWN_MEDIA_TYPE),
        (b'application/json; charset="utf\\-8"', Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/json-seq", Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/octet-stream", Posture.UNKNOWN_MEDIA_TYPE),
        (b"text/html", Posture.UNKNOWN_MEDIA_TYPE),
        (b"multipart/mixed; boundary=x", Posture.UNKNOWN_MEDIA_TYPE),
        (b"application/json; charset=utf-7", Posture.UNDECODABLE_CHARSET),
        (b"application/json; charset=utf-16", Posture.UNDECODABLE_CHARSET),
        (b"application/json; charset=iso-8859-1", Posture.UNDECODABLE_CHARSET),
        (b"application/x-www-form-urlencoded; charset=ibm037", Posture.UNDECODABLE_CHARSET),
    ],
)
def test_refused_label(value, posture):
    with pytest.raises(Unreadable) as caught:
        media_and_charset(labelled(value), b"{}")
    assert caught.value.posture is posture


def test_two_labels_are_refused():
    headers = ((b"Content-Type", b"application/json"), (b"content-type", b"application/json"))
    with pytest.raises(Unreadable) as caught:
        media_and_charset(headers, b"{}")
    assert caught.value.posture is Posture.UNKNOWN_MEDIA_TYPE


def test_parameters_are_read_with_their_names_in_lower_case():
    parsed = parse_content_type(b'Multipart/Form-Data; Boundary="a b";x=Y')
    assert parsed.essence == "multipart/form-data"
    assert parsed.parameters == {"boundary": "a b", "x": "Y"}
