import edits
import pytest

from gateway.documents.edit import Replace, Retain
from gateway.documents.path import edit_path, read_path
from gateway.model.errors import Unreadable
from gateway.model.words import Posture, Rest

PATH = b"/users/jane%40b.c/orders/17"
SPANS = {"user": (7, 17), "order": (25, 27)}


def edit_of(*fields):
    return edits.edit_of(Rest.PASS, *fields, place="path:")


def test_read():
    assert read_path(PATH, SPANS, "user") == ["jane@b.c"]
    assert read_path(PATH, SPANS, "absent") == []


@pytest.mark.parametrize(
    ("fields", "content", "counts"),
    [
        ([("user", Retain())], PATH, (1,)),
        ([("absent", Retain())], PATH, (0,)),
        ([("user", Replace(str))], PATH, (1,)),
        ([("user", Replace(lambda _: "a/b c"))], b"/users/a%2Fb%20c/orders/17", (1,)),
        (
            [("order", Replace(lambda _: "1")), ("user", Replace(lambda text: text * 2))],
            b"/users/jane%40b.cjane%40b.c/orders/1",
            (1, 1),
        ),
        ([("user", Replace(lambda _: ""))], b"/users/-/orders/17", (1,)),
        ([("user", Replace(lambda _: ".."))], b"/users/-/orders/17", (1,)),
        ([("user", Retain()), ("user", Replace(str.upper))], PATH, (1, 0)),
    ],
)
def test_edit(fields, content, counts):
    edited = edit_path(PATH, SPANS, edit_of(*fields))
    assert (edited.content, edited.counts) == (content, counts)
    if content == PATH:
        assert edited.content is PATH


@pytest.mark.parametrize(
    ("path", "posture"), [(b"/%zz", Posture.UNPARSABLE_BODY), (b"/%e9", Posture.UNDECODABLE_CHARSET)]
)
def test_refused(path, posture):
    spans = {"a": (1, len(path))}
    for attempt in (lambda: read_path(path, spans, "a"), lambda: edit_path(path, spans, edit_of(("a", Replace(str))))):
        with pytest.raises(Unreadable) as caught:
            attempt()
        assert caught.value.posture is posture
