"""Which answers are a sign-in, and of whom."""

import pytest
from rulebook import compiled

from gateway.engine.compare import compare
from gateway.engine.sign_in import is_known_before, names_person_in_body, person_in_answer, succeeded
from gateway.engine.treatment import treatment_key
from gateway.model.address import parse_address
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import ResponseHead
from gateway.policy.policy import SignsIn

JSON = (b"Content-Type", b"application/json")


@pytest.mark.parametrize(
    ("status", "location", "expected"),
    [
        (303, b"/account", True),
        (303, b"/account?welcome=1#top", True),
        (303, b"https://shop.example/account", True),
        (303, b"https://shop.example:8443/account?x", True),
        (303, b"//shop.example/account", True),
        (303, b"/sign-in?next=/account", False),
        (303, b"/account/", False),
        (303, b"/sign-in", False),
        (303, b"https://shop.example/sign-in#/account", False),
        (303, b"https://shop.example", False),
        (303, b"account", False),
        (303, b"", False),
        (303, None, False),
        (204, None, True),
        (204, b"/sign-in", True),
        (200, b"/account", False),
        (401, b"/account", False),
    ],
)
def test_a_sign_in_has_a_status_and_leads_to_where_success_leads(status, location, expected):
    signs_in = SignsIn(frozenset({204, 303}), frozenset({b"/account"}))
    headers = () if location is None else ((b"Location", location),)
    assert succeeded(signs_in, ResponseHead(status, headers)) is expected


def test_an_answer_that_leads_to_two_places_is_no_sign_in():
    headers = ((b"Location", b"/account"), (b"Location", b"/account"))
    assert not succeeded(SignsIn(frozenset({303}), frozenset({b"/account"})), ResponseHead(303, headers))
    assert succeeded(SignsIn(frozenset({303})), ResponseHead(303, headers))


def told(address, body, *headers):
    signs_in = SignsIn(frozenset({200}), person=parse_address(address))
    return person_in_answer(signs_in, ResponseHead(200, headers), body, DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("address", "body", "headers", "expected"),
    [
        ("$.user.email", b'{"user":{"email":"ann@shop.example"}}', [JSON], "ann@shop.example"),
        ("$.user.id", b'{"user":{"id":17}}', [JSON], "17"),
        ("$.user.email", b'{"user":{"email":""}}', [JSON], None),
        ("$.user.email", b'{"user":{"email":null}}', [JSON], None),
        ("$.user.email", b'{"user":{"name":"Ann"}}', [JSON], None),
        ("$.user.email", b'{"user":{"email":"ann","email":"eve"}}', [JSON], None),
        ("$.user.email", b'{"user":{"email":"visitor:AAAAAAAAAAAAAAAAAAAAAA"}}', [JSON], None),
        ("$.user.email", b'{"user":{"email":"ann"', [JSON], None),
        ("$.user.email", b"<html>", [(b"Content-Type", b"text/html")], None),
        ("$.user.email", b"", [JSON], None),
        ("$.user.email", None, [JSON], None),
        ("$.user.email", b'{"user":{"email":"ann"}}', [JSON, (b"Content-Encoding", b"gzip")], None),
        ("header:X-User", b"", [(b"x-user", b"ann")], "ann"),
        ("header:X-User", b"", [(b"X-User", b"ann"), (b"X-User", b"eve")], None),
        ("header:X-User", b"", [(b"X-User", b"Visitor:x")], None),
        ("header:X-User", b"", [], None),
    ],
)
def test_whom_an_answer_names(address, body, headers, expected):
    assert told(address, body, *headers) == expected


@pytest.mark.parametrize(
    ("address", "method", "status", "expected"),
    [
        ("$.email", "POST", 200, True),
        ("$.email", "POST", 401, False),
        ("$.email", "HEAD", 200, False),
        ("header:X-User", "POST", 200, False),
    ],
)
def test_only_a_sign_in_is_read_for_the_person(address, method, status, expected):
    signs_in = SignsIn(frozenset({200}), person=parse_address(address))
    assert names_person_in_body(signs_in, method, ResponseHead(status, ())) is expected


@pytest.mark.parametrize(
    ("target", "headers", "content", "known"),
    [
        (b"/sign-in", (), b"", False),
        (b"/sign-in;jsessionid=SESSION-VALUE-1", (), None, True),
        (b"/sign-in?sid=SESSION%2DVALUE%2d1", (), None, True),
        (b"/sign-in", ((b"Cookie", b"other=SESSION-VALUE-1"),), None, True),
        (b"/sign-in", ((b"X-Session", b"SESSION-VALUE-1"),), None, True),
        (b"/sign-in", (), b"sid=SESSION-VALUE-1&email=ann", True),
        (b"/sign-in", ((b"Cookie", b"session=SESSION-VALUE-2"),), b"email=ann", False),
    ],
)
def test_a_value_that_the_request_held_is_not_new(target, headers, content, known):
    assert is_known_before(b"SESSION-VALUE-1", target, headers, content) is known


ROUTE = """
routes:
  - name: sign-in
    match: {path: /sign-in}
    to: shop
    subject: {field: "query:who"}
    request: {rest: pass}
    response: {rest: pass}
    signs_in: {status: 303, location: /account}
  - name: plain
    match: {path: /plain}
    to: shop
    subject: {field: "query:who"}
    request: {rest: pass}
    response: {rest: pass}
"""


def test_routes_that_sign_in_are_treated_apart():
    signing, plain = compiled(ROUTE).routes
    assert signing.signs_in == SignsIn(frozenset({303}), frozenset({b"/account"}))
    assert plain.signs_in is None
    assert treatment_key(signing) != treatment_key(plain)


def test_a_difference_of_policies_names_it():
    before, after = (
        compiled(ROUTE),
        compiled(ROUTE.replace("signs_in: {status: 303, location: /account}", "signs_out: true")),
    )
    [change] = [each for each in compare(before, after, now=0.0) if each.address == "session"]
    assert (change.old, change.new) == ("signs in the subject with 303, /account", "signs out")
