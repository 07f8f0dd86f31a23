import pytest

from gateway.documents.edit import FieldEdit, PartEdit, Remove, Retain
from gateway.documents.ndjson_body import open_ndjson
from gateway.model.address import parse_address
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture, Rest

BODY = b'{"a":1, "b":1e400}\r\n\n{"b": 2}\n {"a":3} \n'


def edit_of(rest, operation):
    return PartEdit((FieldEdit(0, parse_address("$.a"), operation),), rest, 1)


def test_each_line_is_a_document():
    edited = open_ndjson(BODY, DEFAULT_LIMITS).edit(edit_of(Rest.PASS, Remove()))
    assert edited.content == b'{"b":1e400}\r\n\n{"b": 2}\n {} \n'
    assert edited.counts == (2,)


def test_rest_drop():
    edited = open_ndjson(BODY, DEFAULT_LIMITS).edit(edit_of(Rest.DROP, Retain()))
    assert edited.content == b'{"a":1}\r\n\n{}\n {"a":3} \n'
    assert (edited.counts, edited.unlisted) == ((2,), 2)


def test_nothing_changed_is_the_same_object():
    assert open_ndjson(BODY, DEFAULT_LIMITS).edit(edit_of(Rest.PASS, Retain())).content is BODY


def test_read():
    assert open_ndjson(BODY, DEFAULT_LIMITS).read(parse_address("$.a")) == ["1", "3"]


@pytest.mark.parametrize(
    ("body", "posture"),
    [
        (b'{"a":1}{"a":2}', Posture.UNPARSABLE_BODY),
        (b'{"a":1}\n{"a":', Posture.UNPARSABLE_BODY),
        (b'{"a":1}\n"' + b"x" * 30 + b'"', Posture.OVER_SIZE),
    ],
)
def test_refused(body, posture):
    with pytest.raises(Unreadable) as caught:
        open_ndjson(body, Limits(ndjson_record=20))
    assert caught.value.posture is posture


def test_a_name_twice_in_one_line():
    body = b'{"b":1}\n{"a":1,"a":2}'
    with pytest.raises(Unreadable):
        open_ndjson(body, DEFAULT_LIMITS).edit(edit_of(Rest.PASS, Retain()))
    collapsed = open_ndjson(body, DEFAULT_LIMITS, collapse_duplicates=True).edit(edit_of(Rest.PASS, Retain()))
    assert collapsed.content == b'{"b":1}\n{"a":2}'
