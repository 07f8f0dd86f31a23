"""Lists of people, held against a slow edit of the parsed document, and byte by byte where nothing may change."""

import json
import re

import pytest
from edits import edit_of
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.edit import Remove, Retain
from gateway.documents.json_body import open_json
from gateway.documents.people_list import NOBODY, open_people_list
from gateway.model.address import parse_address
from gateway.model.errors import Unreadable
from gateway.model.limits import DEFAULT_LIMITS, Limits
from gateway.model.words import Posture, Rest

FIELDS = ("$.data.items[*].email", "$..phone", "$.data.note")
FIELD = parse_address("$.who.id")
PATH = ("data", "items")
KEEP = edit_of(Rest.PASS, *((address, Retain()) for address in FIELDS))
DROP = edit_of(Rest.PASS, *((address, Remove()) for address in FIELDS))


def opened(body, path=PATH, field=FIELD, *, collapse=False):
    document = open_json(body, DEFAULT_LIMITS, collapse_duplicates=collapse)
    return open_people_list(document, body, path, field, DEFAULT_LIMITS)


def edited(body, withdrawn, path=PATH, field=FIELD, keep=KEEP, drop=DROP):
    """What goes on if `withdrawn` and nobody lose their fields, and the counts of each person."""
    found = opened(body, path, field)
    people = list(dict.fromkeys(each for each in found.identifiers if each))
    owners = [people.index(each) if each else NOBODY for each in found.identifiers]
    found.assign(owners, [drop if each in withdrawn else keep for each in people])
    outcome = found.edit(drop)
    return outcome, {each: found.outcomes[index].counts for index, each in enumerate(people)}


def without_phones(value):
    if isinstance(value, dict):
        return {name: without_phones(each) for name, each in value.items() if name != "phone"}
    return [without_phones(each) for each in value] if isinstance(value, list) else value


def slowly(parsed, withdrawn):
    """The same by the book: parse, walk, take out."""
    data = parsed.get("data") if isinstance(parsed.get("data"), dict) else {}
    items = [
        item if person_of(item) not in {None, *withdrawn} else without_phones(without_email(item))
        for item in data["items"]
    ]
    around = without_phones({**parsed, "data": {**data, "items": []}})
    around["data"].pop("note", None)
    around["data"]["items"] = items
    return around


def without_email(item):
    return {name: each for name, each in item.items() if name != "email"} if isinstance(item, dict) else item


def person_of(item):
    who = item.get("who") if isinstance(item, dict) else None
    found = who.get("id") if isinstance(who, dict) else None
    return str(found) if isinstance(found, str | int) and found != "" else None


SCALARS = st.none() | st.integers(-5, 5) | st.text('a\u00e9"\\,]}', max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc") | st.just("phone"), inner),
    max_leaves=6,
)
IDS = st.sampled_from(["c-1", "c-2", "c-3", "", 4, None])
ITEMS = (
    st.fixed_dictionaries(
        {"who": st.fixed_dictionaries({"id": IDS}) | VALUES},
        optional={"email": VALUES, "phone": VALUES, "x": VALUES},
    )
    | VALUES
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"items": st.lists(ITEMS, max_size=8)}, optional={"note": VALUES, "phone": VALUES, "z": VALUES}
        )
    },
    optional={"before": VALUES, "phone": VALUES},
)
STYLES = st.sampled_from([{"separators": (",", ":")}, {}, {"indent": 1}, {"indent": 2, "ensure_ascii": False}])


@given(DOCUMENTS, st.sets(st.sampled_from(["c-1", "c-2", "c-3", "4"])), STYLES)
def test_what_goes_on_is_what_walking_the_parsed_document_gives(parsed, withdrawn, style):
    body = json.dumps(parsed, **style).encode()
    outcome, _ = edited(body, withdrawn)

    expected = slowly(parsed, withdrawn)
    assert json.loads(outcome.content) == expected
    if expected == parsed:
        assert outcome.content is body


@given(
    st.lists(st.tuples(st.sampled_from(["c-1", "c-2", "c-3"]), st.booleans()), max_size=30),
    st.sets(st.sampled_from(["c-1", "c-2", "c-3"])),
    st.sampled_from([b",", b", ", b" ,\n\t"]),
)
def test_all_bytes_but_the_fields_of_the_withdrawn_stay(people, withdrawn, comma):
    def item(identifier, *, email):
        address = b'"email":"\\u0041",' if email else b""
        return b'{"id":"%b",%b"n": 1.50e0 ,"t":"\\/"}' % (identifier.encode(), address)

    def text(*, lost):
        items = [item(each, email=email and each not in lost) for each, email in people]
        return b" [ %b\n]  " % comma.join(items)

    keep, drop = (edit_of(Rest.PASS, ("$[*].email", operation)) for operation in (Retain(), Remove()))
    outcome, counts = edited(text(lost=()), withdrawn, (), parse_address("$.id"), keep, drop)

    # An object that loses a member is written anew, its values as they were.
    compact = re.compile(rb"1\.50e0 ,")
    assert compact.sub(b"1.50e0,", outcome.content).replace(b'"n": ', b'"n":') == compact.sub(
        b"1.50e0,", text(lost=withdrawn)
    ).replace(b'"n": ', b'"n":')
    for identifier, count in counts.items():
        assert count == (sum(email for each, email in people if each == identifier),)


@pytest.mark.parametrize(
    ("body", "identifiers"),
    [
        (b'[{"id":"a"},{"id":17},{"id":1.0}]', ["a", "17", "1.0"]),
        (b'[{"id":null},{"id":["a"]},{"id":{"a":"b"}},{},7,null,[]]', [None] * 7),
        (b'[{"id":""},{"id":"\\u0061"}]', ["", "a"]),
        (b"[]", []),
    ],
)
def test_who_items_are_about(body, identifiers):
    assert opened(body, (), parse_address("$.id")).identifiers == identifiers


@pytest.mark.parametrize("body", [b"{}", b'{"data":{}}', b'{"data":{"items":{}}}', b'{"data":[]}', b"[]", b'"x"'])
def test_without_an_array_there_is_no_list(body):
    assert opened(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"items":[{"email":1}],"items":[]}}',
        b'{"data":{"items":[],"items":[{"email":1}]}}',
        b'{"data":{"items":[]},"data":{"items":[{"email":1}]}}',
        b'{"data":{"items":[{"email":1}],"items":[{"email":1}]}}',
    ],
)
def test_a_list_that_stands_twice_is_refused(body):
    for collapse in (False, True):
        with pytest.raises(Unreadable, match="twice"):
            opened(body, collapse=collapse).edit(DROP)


def test_an_item_that_goes_takes_the_space_in_front_of_it_along():
    edits = [edit_of(Rest.PASS, ("$[*]", operation)) for operation in (Retain(), Remove())]
    body = b'[ {"id":"a"} ,\n {"id":"b"} , {"id":"a"}\n]'
    assert edited(body, {"a"}, (), parse_address("$.id"), *edits)[0].content == b'[ \n {"id":"b"}\n]'
    assert edited(body, {"b"}, (), parse_address("$.id"), *edits)[0].content == b'[ {"id":"a"} , {"id":"a"}\n]'
    assert edited(body, {"a", "b"}, (), parse_address("$.id"), *edits)[0].content == b"[\n]"


def test_a_person_is_found_by_position_too():
    body = b'[{"ids":["a",7]},{"ids":["b"]},{"ids":[]}]'
    assert opened(body, (), parse_address("$.ids[-1]")).identifiers == ["7", "b", None]


@pytest.mark.parametrize("field", ["$.id", "$.who.id", "$.who[0]"])
def test_an_identifier_that_stands_twice_is_refused_or_collapsed_to_the_last(field):
    body = b'[{"id":"a","id":"b","who":{"id":"a","id":"b"}}]'
    with pytest.raises(Unreadable, match="twice"):
        opened(body, (), parse_address(field))
    found = opened(body, (), parse_address(field), collapse=True)
    assert found.identifiers == (["b"] if field.endswith("id") else [None])


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"data": {"items": {"first": {"who": {"id": "ann"}}}}}', PATH),
        (b'{"first": {"who": {"id": "ann"}}}', ()),
    ],
)
def test_an_object_where_the_list_should_be_is_refused_since_its_members_would_be_items_too(body, path):
    with pytest.raises(Unreadable) as caught:
        opened(body, path)

    assert caught.value.posture is Posture.UNPARSABLE_BODY


def test_more_people_than_the_limit_allows_are_refused_however_often_each_is_named():
    body = b'{"data": {"items": [{"who": {"id": "a"}}, {"who": {"id": "b"}}, {"who": {"id": "a"}}]}}'
    document = open_json(body, DEFAULT_LIMITS, collapse_duplicates=False)

    assert open_people_list(document, body, PATH, FIELD, Limits(people_listed=2)) is not None
    with pytest.raises(Unreadable) as caught:
        open_people_list(document, body, PATH, FIELD, Limits(people_listed=1))
    assert caught.value.posture is Posture.OVER_SIZE
