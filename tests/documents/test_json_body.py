import json

import pytest
from edits import edit_of

from gateway.documents.edit import Empty, Remove, Replace, Retain
from gateway.documents.json_body import open_json
from gateway.model.address import parse_address
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture, Rest


def upper(text: str) -> str:
    return text.upper()


KEEP, DROP, BLANK, UPPER = Retain(), Remove(), Empty(), Replace(upper)
PASS = Rest.PASS

EDITS = [
    # body, rest, fields, content, counts, unlisted
    (b'{"a":1,"b":2}', PASS, [("$.a", DROP)], b'{"b":2}', (1,), 0),
    (b'{"a":1,"b":2}', PASS, [("$.a", DROP), ("$.b", DROP)], b"{}", (1, 1), 0),
    (b'{"a":1}', PASS, [("$.a", UPPER)], b'{"a":"1"}', (1,), 0),
    (b'{"a":"x","b":true,"c":null}', PASS, [("$.*", UPPER)], b'{"a":"X","b":"TRUE","c":null}', (3,), 0),
    (b'{"a":{"b":["x",{"c":"y"}]}}', PASS, [("$.a", UPPER)], b'{"a":{"b":["X",{"c":"Y"}]}}', (1,), 0),
    (
        b'{"a":{"b":["x",-1.5e3,true,null,{"k":"v"}]}}',
        PASS,
        [("$.a", BLANK)],
        b'{"a":{"b":["",0,false,null,{"k":""}]}}',
        (1,),
        0,
    ),
    (b'{"a":[{"e":1,"f":2},{"e":3}]}', PASS, [("$.a[*].e", DROP)], b'{"a":[{"f":2},{}]}', (2,), 0),
    (b'{"a":[1,2,3]}', PASS, [("$.a[-1]", DROP), ("$.a[0]", DROP)], b'{"a":[2]}', (1, 1), 0),
    (b'{"a":[1]}', PASS, [("$.a[5]", DROP), ("$.a[-2]", DROP)], b'{"a":[1]}', (0, 0), 0),
    (b'{"a":[7,8]}', PASS, [("$.a[0]", DROP), ("$.a[*]", BLANK)], b'{"a":[0]}', (1, 1), 0),
    (b'{"a":[7]}', PASS, [("$.a[0]", BLANK), ("$.a[-1]", DROP)], b'{"a":[0]}', (1, 0), 0),
    (b'{"e":1,"x":{"e":2,"y":[{"e":3}]}}', PASS, [("$..e", DROP)], b'{"x":{"y":[{}]}}', (3,), 0),
    (b'{"x":[[1,2],[3]]}', PASS, [("$..[0]", DROP)], b'{"x":[[]]}', (2,), 0),
    # An interior match covers all below; what comes first in order wins.
    (b'{"u":{"n":1,"e":2}}', PASS, [("$.u.e", KEEP), ("$.u", DROP)], b'{"u":{"e":2}}', (1, 1), 0),
    (b'{"u":{"n":1,"e":2}}', PASS, [("$.u", KEEP), ("$.u.e", DROP)], b'{"u":{"n":1,"e":2}}', (1, 0), 0),
    (b'{"u":{"n":1,"e":"q"}}', PASS, [("$.u.e", KEEP), ("$.u", BLANK)], b'{"u":{"n":0,"e":"q"}}', (1, 1), 0),
    (b'{"u":{"n":1},"v":2}', PASS, [("$.u.e", KEEP), ("$.u", DROP)], b'{"v":2}', (0, 1), 0),
    (b'{"u":[1,2]}', PASS, [("$.u[0]", KEEP), ("$.u", DROP)], b'{"u":[1]}', (1, 1), 0),
    # Rest: drop.
    (b'{"a":1,"b":2,"c":{"d":3}}', Rest.DROP, [("$.a", KEEP)], b'{"a":1}', (1,), 2),
    (b'{"u":{"e":1,"n":2},"z":3}', Rest.DROP, [("$.u.e", KEEP)], b'{"u":{"e":1}}', (1,), 2),
    (b'{"u":{"e":1,"n":2}}', Rest.DROP, [("$.u.e", DROP)], b'{"u":{}}', (1,), 1),
    (b'{"u":"wrong shape"}', Rest.DROP, [("$.u.e", KEEP)], b"{}", (0,), 1),
    (b'{"u":{},"v":[]}', Rest.DROP, [("$.u.e", KEEP), ("$.v[*]", KEEP)], b"{}", (0, 0), 2),
    (b'{"i":[{"e":1},{"n":2},3,{"e":4}]}', Rest.DROP, [("$.i[*].e", KEEP)], b'{"i":[{"e":1},{"e":4}]}', (2,), 2),
    (b'{"a":{"e":1},"b":2}', Rest.DROP, [("$..e", KEEP)], b'{"a":{"e":1}}', (1,), 1),
    (b'["secret"]', Rest.DROP, [("$.a", KEEP)], b"[]", (0,), 1),
    (b'"secret"', Rest.DROP, [("$.a", KEEP)], b"null", (0,), 1),
    (b"17", Rest.DROP, [], b"null", (), 1),
    (b'{"a":1}', Rest.DROP, [], b"{}", (), 1),
    (b"{}", Rest.DROP, [("$.a", KEEP)], b"{}", (0,), 0),
    (b'{"a":1}', Rest.DROP, [("$", KEEP)], b'{"a":1}', (1,), 0),
    (b'{"a":1}', PASS, [("$", DROP)], b"{}", (1,), 0),
    # Rest: block counts and leaves.
    (b'{"a":1,"b":2}', Rest.BLOCK, [("$.a", KEEP)], b'{"a":1,"b":2}', (1,), 1),
    (b'{"a":1,"b":2}', Rest.BLOCK, [("$.a", DROP)], b'{"b":2}', (1,), 1),
    # Exact text of what stays, at any depth, also where its container is written anew.
    (
        b' {"n" : 12345678901234567890.10, "e": 1e400 , "s": "\\u00e9\\/", "x": 1, "o": { "k" : [ 1 , 2 ] } }\n',
        PASS,
        [("$.x", DROP)],
        b' {"n":12345678901234567890.10,"e":1e400,"s":"\\u00e9\\/","o":{ "k" : [ 1 , 2 ] }}\n',
        (1,),
        0,
    ),
    ('{"é":"ü","x":1}'.encode(), PASS, [("$.x", DROP)], '{"é":"ü"}'.encode(), (1,), 0),
    (b'{"\\u0065mail":"a@b.c","x":1}', PASS, [("$.email", DROP)], b'{"x":1}', (1,), 0),
    (b'{"a:b":1,"x":":"}', PASS, [("$['a:b']", DROP)], b'{"x":":"}', (1,), 0),
    (b'{"a":"\\u00e9"}', PASS, [("$.a", Replace(str))], b'{"a":"\\u00e9"}', (1,), 0),
    (b'{"a":1}', PASS, [("form:a", DROP)], b'{"a":1}', (0,), 0),
]


@pytest.mark.parametrize(("body", "rest", "fields", "content", "counts", "unlisted"), EDITS)
def test_edit(body, rest, fields, content, counts, unlisted):
    edited = open_json(body, DEFAULT_LIMITS).edit(edit_of(rest, *fields))
    assert (edited.content, edited.counts, edited.unlisted) == (content, counts, unlisted)
    if content == body:
        assert edited.content is body


@pytest.mark.parametrize(
    ("body", "address", "values"),
    [
        (b'{"a":"x"}', "$.a", ["x"]),
        (b'{"a":12345678901234567890.10,"b":[true,null,{}]}', "$.a", ["12345678901234567890.10"]),
        (b'{"b":[true,null,{},[]]}', "$.b[*]", ["true"]),
        (b'{"a":{"a":"\\u00e9"}}', "$..a", ["é"]),
        (b'{"a":{"b":1}}', "$.a", []),
        (b"[1,2,3]", "$[-1]", ["3"]),
        (b'"x"', "$", ["x"]),
        (b'{"a":1}', "query:a", []),
    ],
)
def test_read(body, address, values):
    assert open_json(body, DEFAULT_LIMITS).read(parse_address(address)) == values


DUPLICATES = [
    b'{"email":"a@b.c","email":"x"}',
    b'{"email":"a@b.c","x":1,"\\u0065mail":"x"}',
    b'{ "email" : "a@b.c" , "email" : "x" }',
    b'{"email":"a\\"b","email":"x"}',
    b'{"email":"x","email":"x"}',
    b'{"email":123,"email":12}',
    b'{"email":[1,2],"email":{"k":"v"}}',
    b'{"\\n":1,"email":"a@b.c","email":"x"}',
    b'{"\\n":":","email":"a@b.c","\\n":0}',
]


@pytest.mark.parametrize("body", DUPLICATES)
@pytest.mark.parametrize("shape", [b"%s", b'{"u":%s}', b"[0,%s]"])
def test_a_name_given_twice_is_refused_where_a_rule_reads(body, shape):
    document = open_json(shape % body, DEFAULT_LIMITS)
    with pytest.raises(Unreadable) as caught:
        document.edit(edit_of(PASS, ("$..email", KEEP)))
    assert caught.value.posture is Posture.DUPLICATE_KEY
    with pytest.raises(Unreadable) as caught:
        document.read(parse_address("$..email"))
    assert caught.value.posture is Posture.DUPLICATE_KEY


@pytest.mark.parametrize("body", DUPLICATES)
@pytest.mark.parametrize("shape", [b"%s", b'{"u":%s}', b"[0,%s]"])
def test_collapsing_sends_only_the_value_that_the_rules_saw(body, shape):
    text = shape % body
    document = open_json(text, DEFAULT_LIMITS, collapse_duplicates=True)
    edited = document.edit(edit_of(PASS, ("$..email", KEEP)))
    assert json.loads(edited.content) == json.loads(text)
    assert b"a@b.c" not in edited.content or b"a@b.c" in json.dumps(json.loads(text)).encode()
    again = open_json(edited.content, DEFAULT_LIMITS).edit(edit_of(PASS, ("$..email", KEEP)))
    assert again.content == edited.content


NOT_DUPLICATES = [
    b'{"a:":1,"email":":"}',
    b'{ "a" : "b:c" , "email" : ":" , "d" : { ":" : ":" } }',
    b'{"\\u003a":1,"\\\\":2, "email":3}',
    b'{"a":"\\\\", "email" : "\\""}',
    b'{\n "email": 1,\n "b": [ ],\n "\\u0063" : { }\n}',
]


@pytest.mark.parametrize("body", NOT_DUPLICATES)
def test_names_that_only_look_doubled_pass(body):
    edited = open_json(body, DEFAULT_LIMITS).edit(edit_of(PASS, ("$.email", KEEP), ("$.zip", DROP)))
    assert edited.content is body
    assert edited.counts == (1, 0)


SMALL = Limits(json_depth=4, json_nodes=20, json_number=9, json_string=12, json_key=6)

UNREADABLE = [
    # what, posture
    (b"", Posture.UNPARSABLE_BODY),
    (b" ", Posture.UNPARSABLE_BODY),
    (b"{} {}", Posture.UNPARSABLE_BODY),
    (b"{} x", Posture.UNPARSABLE_BODY),
    (b"\xef\xbb\xbf{}", Posture.UNPARSABLE_BODY),
    (b'{"a":NaN}', Posture.UNPARSABLE_BODY),
    (b'{"a":[Infinity]}', Posture.UNPARSABLE_BODY),
    (b'{"a":-Infinity}', Posture.UNPARSABLE_BODY),
    (b'{"a":01}', Posture.UNPARSABLE_BODY),
    (b'{"a":+1}', Posture.UNPARSABLE_BODY),
    (b'{"a":0x1}', Posture.UNPARSABLE_BODY),
    (b'{"a":1,}', Posture.UNPARSABLE_BODY),
    (b'{/**/"a":1}', Posture.UNPARSABLE_BODY),
    (b"{'a':1}", Posture.UNPARSABLE_BODY),
    (b"{a:1}", Posture.UNPARSABLE_BODY),
    (b'{"a":"\x01"}', Posture.UNPARSABLE_BODY),
    (b'{"a":[{"b":"\t"}]}', Posture.UNPARSABLE_BODY),
    (b'{"a"\x00:1}', Posture.UNPARSABLE_BODY),
    (b'{"a":\x0b1}', Posture.UNPARSABLE_BODY),
    (b'{"a":"\\x"}', Posture.UNPARSABLE_BODY),
    (b'{"a":"\\ud800"}', Posture.UNPARSABLE_BODY),
    (b'{"a":["\\ud800 and some more text"]}', Posture.UNPARSABLE_BODY),
    (b'{"a":{"b":"\\ud800\\u0061 and more"}}', Posture.UNPARSABLE_BODY),
    (b'{"a":{"b":"\\udc00\\ud800 and more"}}', Posture.UNPARSABLE_BODY),
    (b'{"a":{"b":"\\udc00 and some more text"}}', Posture.UNPARSABLE_BODY),
    (b'{"a":{"\\ud800 as a name":1}}', Posture.UNPARSABLE_BODY),
    (b'{"a":{"b":"\xe9"}}', Posture.UNDECODABLE_CHARSET),
    (b'{"a":{"b":"\xc1\x80"}}', Posture.UNDECODABLE_CHARSET),
    (b'{"a":{"b":"\xed\xa0\x80"}}', Posture.UNDECODABLE_CHARSET),
    ('{"a":1}'.encode("utf-16"), Posture.UNDECODABLE_CHARSET),
    ('{"a":1}'.encode("utf-16-le"), Posture.UNDECODABLE_CHARSET),
    ('{"a":1}'.encode("utf-32-be"), Posture.UNDECODABLE_CHARSET),
    (b'{"a":[[[[1]]]]}', Posture.TOO_DEEP),
    (b'{"x":' * 5 + b"1" + b"}" * 5, Posture.TOO_DEEP),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Posture.TOO_DEEP),
    (b"[" + b"0," * 30 + b"0]", Posture.OVER_SIZE),
    (b"[" + b"[]," * 30 + b"[]]", Posture.OVER_SIZE),
    (b'{"a":1234567890}', Posture.OVER_SIZE),
    (b'{"a":[1.23456e78]}', Posture.OVER_SIZE),
    (b'{"a":"1234567890123"}', Posture.OVER_SIZE),
    (b'{"a":["\\"234567890123"]}', Posture.OVER_SIZE),
    (b'{"a":{"1234567":1}}', Posture.OVER_SIZE),
    (b'{"a":{"\\"\\"\\"\\"" : 1}}', Posture.OVER_SIZE),
]


@pytest.mark.parametrize(("body", "posture"), UNREADABLE)
def test_unreadable(body, posture):
    with pytest.raises(Unreadable) as caught:
        open_json(body, SMALL)
    assert caught.value.posture is posture


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[[[1]]]}',
        b'["[[[[[[[[[["]',
        b"[{},{},{},{},{},{},{},{}]",
        b"[" + b"0," * 18 + b"0]",
        b'[",,,,,,,,,,",",,,,,,,,,,",",,,,,,,,,,",",,,,,,,,,,"]',
        b'{"a":123456789}',
        b'{"a":"1234567890"}',
        b'{"a":"123456789012"}',
        b'{"123456":1}',
        b'{"a":"\\"\\"\\"\\"\\"\\""}',
        b'["\\ud83d\\ude00"]',
        b'["\\\\ud800"]',
    ],
)
def test_just_within_the_limits(body):
    assert open_json(body, SMALL).edit(edit_of(PASS)).content is body


def test_the_default_depth_is_read():
    body = b'{"a":' * 64 + b'"x"' + b"}" * 64
    assert open_json(body, DEFAULT_LIMITS).read(parse_address("$..a")) == ["x"]
    with pytest.raises(Unreadable):
        open_json(b"[" + body + b"]", DEFAULT_LIMITS)
