import pytest
from edits import edit_of

from gateway.documents.edit import Empty, Remove, Replace, Retain
from gateway.documents.text_body import open_text
from gateway.model.address import parse_address
from gateway.model.errors import Unreadable
from gateway.model.words import Posture, Rest

BODY = b"call +49 170"


@pytest.mark.parametrize(
    ("rest", "fields", "content", "counts", "unlisted"),
    [
        (Rest.PASS, [("$", Retain())], BODY, (1,), 0),
        (Rest.PASS, [("$", Remove())], b"", (1,), 0),
        (Rest.PASS, [("$", Empty())], b"", (1,), 0),
        (Rest.PASS, [("$", Replace(str.upper))], BODY.upper(), (1,), 0),
        (Rest.PASS, [("$", Replace(str))], BODY, (1,), 0),
        (Rest.PASS, [("$.a", Remove()), ("form:a", Remove())], BODY, (0, 0), 0),
        (Rest.DROP, [("$.a", Retain())], b"", (0,), 1),
        (Rest.BLOCK, [("$.a", Retain())], BODY, (0,), 1),
        (Rest.PASS, [("$", Retain()), ("$", Remove())], BODY, (1, 0), 0),
    ],
)
def test_edit(rest, fields, content, counts, unlisted):
    edited = open_text(BODY).edit(edit_of(rest, *fields))
    assert (edited.content, edited.counts, edited.unlisted) == (content, counts, unlisted)
    if content == BODY:
        assert edited.content is BODY


def test_read():
    assert open_text(BODY).read(parse_address("$")) == [BODY.decode()]
    assert open_text(BODY).read(parse_address("$.a")) == []


def test_an_empty_text_holds_nothing():
    assert open_text(b"").read(parse_address("$")) == []
    edited = open_text(b"").edit(edit_of(Rest.DROP, ("$", Remove())))
    assert (edited.content, edited.counts, edited.unlisted) == (b"", (0,), 0)


def test_charsets():
    text = open_text(b"Zo\xeb", charset="latin-1")
    assert text.read(parse_address("$")) == ["Zoë"]
    assert text.edit(edit_of(Rest.PASS, ("$", Replace(str.upper)))).content == b"ZO\xcb"
    with pytest.raises(Unreadable) as caught:
        text.edit(edit_of(Rest.PASS, ("$", Replace(lambda _: "\u20ac"))))
    assert caught.value.posture is Posture.UNDECODABLE_CHARSET
    with pytest.raises(Unreadable) as caught:
        open_text(b"Zo\xeb")
    assert caught.value.posture is Posture.UNDECODABLE_CHARSET
