import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents.document import label_of, open_body
from gateway.engine.findings import FIELDS_AT_MOST, VALUES_AT_MOST, Finding, findings
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.words import Direction

JSON = ((b"content-type", b"application/json"),)
EMAIL, CARD = "user.contact.email", "user.financial.credit_card"


def look(document, target=b"/", headers=(), direction=Direction.REQUEST):
    opened = open_body(label_of(JSON, DEFAULT_LIMITS), msgspec.json.encode(document), DEFAULT_LIMITS)
    return findings(direction, target, (*JSON, *headers), opened)


def test_classes_are_found_by_name_and_by_form_in_every_part():
    found = look(
        {"customers": [{"email": "A"}, {"email": "B"}], "note": "card 4111 1111 1111 1111", "sku": "x"},
        target=b"/u/ann%40b.example?phone=1",
        headers=((b"Cookie", b"_ga=GA1.2"), (b"X-Forwarded-For", b"203.0.113.9")),
    )

    assert found.fields == (
        Finding("$.customers[*].email", EMAIL, 2),
        Finding("$.note", CARD, 1),
        Finding("cookie:_ga", "user.device.cookie_id", 1),
        Finding("header:X-Forwarded-For", "user.device.ip_address", 1),
        Finding("path:*", EMAIL, 1),
        Finding("query:phone", "user.contact.phone_number", 1),
    )
    assert not found.unread
    assert found.classes == {field.data_class for field in found.fields}


def test_what_cannot_be_read_is_said():
    found = findings(Direction.REQUEST, b"/a%zz?a=%zz", ((b"X-Email", b"x"), (b"X-User-Email", b"x")), None)

    assert found.unread == "unparsable_body"
    assert found.fields == (Finding("header:X-Email", EMAIL, 1), Finding("header:X-User-Email", EMAIL, 1))
    assert not findings(Direction.REQUEST, b"/", (), None).unread


def test_a_message_is_looked_at_up_to_a_number_of_values():
    found = look([{"email": "x"}] * (VALUES_AT_MOST + 1))

    assert found.fields == (Finding("$[*].email", EMAIL, VALUES_AT_MOST),)
    assert found.unread == "detector_budget"
    assert not look([{"email": "x"}] * VALUES_AT_MOST).unread


def test_so_many_addresses_are_told_and_the_others_by_part():
    names = ["a" * (number + 1) for number in range(39)]
    found = look({outer: {f"{name}_x": {"email": "x"} for name in names} for outer in ("a", "b")})

    assert len(found.fields) == FIELDS_AT_MOST + 1
    assert sum(field.count for field in found.fields) == 78
    assert {field.address for field in found.fields if not field.address.startswith("$")} == {"body:*"}


PLANTED = [
    "ann.planted@example.com",
    "4111 1111 1111 1111",
    "+49 151 23456789",
    "DE89370400440532013000",
    "203.0.113.77",
]
values = st.recursive(
    st.sampled_from(PLANTED) | st.none() | st.booleans() | st.integers(-(2**53), 2**53),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*PLANTED, "email", "a", "customer"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(document=values, target=st.sampled_from([b"/", *(b"/" + each.replace(" ", "").encode() for each in PLANTED)]))
def test_p6_no_value_and_no_name_that_is_data_is_in_what_is_found(document, target):
    headers = tuple((b"X-Note", each.encode()) for each in PLANTED)
    found = look(document, target=target + b"?ann%40example.com=ann%40example.com", headers=headers)

    text = msgspec.json.encode(found).decode()
    assert found.fields
    assert not [each for each in (*PLANTED, "ann", "4111", "0151", "203.0") if each in text]


@pytest.mark.parametrize("direction", list(Direction))
def test_cookies_of_both_directions_are_looked_at(direction):
    name = b"Cookie" if direction is Direction.REQUEST else b"Set-Cookie"
    found = look({}, headers=((name, b"email=ann%40example.com; Path=/"),), direction=direction)

    assert Finding("cookie:email", EMAIL, 1) in found.fields
