import pytest

from gateway.documents.document import label_of, open_body
from gateway.documents.values import values_of_body, values_of_head
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import Direction

BOUNDARY = b"multipart/form-data; boundary=b"


def body(media_type, content):
    opened = open_body(label_of(((b"content-type", media_type),), DEFAULT_LIMITS), content, DEFAULT_LIMITS)
    return [tuple(value) for value in values_of_body(opened)]


@pytest.mark.parametrize(
    ("media_type", "content", "values"),
    [
        (
            b"application/json",
            b'{"a":{"b":"x","ann@b.example":[1,{"c":null}]},"d":true,"e":1.50}',
            [
                ("$.a.b", ("a", "b"), "x"),
                ("$.a.*[*]", ("a", "ann@b.example"), 1),
                ("$.a.*[*].c", ("ann@b.example", "c"), None),
                ("$.d", ("d",), True),
                ("$.e", ("e",), "1.50"),
            ],
        ),
        (b"application/json", b'{"a":1,"a":{"b":2}}', [("$.a", ("a",), 1), ("$.a.b", ("a", "b"), 2)]),
        (b"application/json", b"[" + b"9" * 30 + b"]", [("$[*]", (), "9" * 30)]),
        (b"application/json", b'"x"', [("$", (), "x")]),
        (b"application/json", b"[[1],[]]", [("$[*][*]", (), 1)]),
        (b"application/x-ndjson", b'{"a":1}\n\n{"a":2}\n', [("$.a", ("a",), 1), ("$.a", ("a",), 2)]),
        (
            b"application/x-www-form-urlencoded",
            b"a=x+y%21&&ann%40b.example=1&bare&b=%ff",
            [
                ("form:a", ("a",), "x y!"),
                ("form:*", ("ann@b.example",), "1"),
                ("form:bare", ("bare",), ""),
                ("form:b", ("b",), "\N{REPLACEMENT CHARACTER}"),
            ],
        ),
        (
            BOUNDARY,
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="ann.txt"\r\n\r\nhello\r\n--b--\r\n',
            [("part:f", ("f",), "ann.txt"), ("part:f", ("f",), "hello")],
        ),
        (b"text/plain", b"hello", [("$", (), "hello")]),
    ],
)
def test_every_scalar_of_a_body_has_an_address_and_its_names(media_type, content, values):
    assert body(media_type, content) == values


def test_what_lies_deep_is_written_as_below():
    (value,) = body(b"application/json", b'{"a":' * 30 + b"1" + b"}" * 30)

    assert value[0] == "$" + ".a" * 16 + "..*"


def test_long_files_in_a_form_are_cut():
    content = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + b"x" * 200_000 + b"\r\n--b--\r\n"

    assert [len(value[2]) for value in body(BOUNDARY, content)] == [0, 32 * 1024]


def test_a_head_has_path_query_fields_and_cookies():
    headers = (
        (b"Host", b"shop.example"),
        (b"Content-Type", b"text/plain"),
        (b"X-User", b"ann"),
        (b"Cookie", b'_ga=GA1.2; sid="a%40b"'),
        (b"X-1b", b"1"),
    )
    found = [tuple(value) for value in values_of_head(Direction.REQUEST, b"/u/ann%40b.example?q=x&a%40b=1", headers)]

    assert found == [
        ("path:*", (), "u"),
        ("path:*", (), "ann@b.example"),
        ("header:X-User", ("X-User",), "ann"),
        ("cookie:_ga", ("_ga",), "GA1.2"),
        ("cookie:sid", ("sid",), "a@b"),
        ("header:*", ("X-1b",), "1"),
        ("query:q", ("q",), "x"),
        ("query:*", ("a@b",), "1"),
    ]


def test_an_answer_has_fields_and_the_cookies_that_it_sets():
    headers = ((b"Set-Cookie", b"sid=ann; Path=/; Domain=x.example"), (b"ETag", b"1"), (b"X-User", b"ann"))
    found = [tuple(value) for value in values_of_head(Direction.RESPONSE, b"", headers)]

    assert found == [("cookie:sid", ("sid",), "ann"), ("header:X-User", ("X-User",), "ann")]


def test_a_query_that_cannot_be_read_is_said_after_the_rest():
    values = values_of_head(Direction.REQUEST, b"/a?b=%zz", ((b"X-User", b"ann"),))

    assert next(values).address == "path:*"
    assert next(values).address == "header:X-User"
    with pytest.raises(Unreadable):
        next(values)
