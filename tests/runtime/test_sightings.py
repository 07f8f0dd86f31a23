"""What is seen without rules: addresses of every part, and never a value or a name that is data."""

import pytest

from gateway.crypto.keyring import KeyRing
from gateway.engine.engine import Engine
from gateway.model.limits import DEFAULT_LIMITS
from gateway.model.message import RequestHead
from gateway.model.words import Direction
from gateway.policy.observe import observe_policy
from gateway.runtime.sightings import MOST, Sightings, has_no_rules, path_shape, summarise

ENGINE = Engine(observe_policy("http://127.0.0.1:1"), KeyRing(bytes(32), "26q4a"), DEFAULT_LIMITS)


def note(sightings, target=b"/api/customers/4711", headers=(), body=b""):
    pairs = ((b"Content-Type", b"application/json"), *headers)
    exchange = ENGINE.receive(RequestHead("POST", target, "a.example", pairs, has_body=bool(body)), b"0" * 26)
    exchange.open_request(body)
    sightings.note(exchange, Direction.REQUEST, pairs)


def test_addresses_of_every_part_are_seen():
    sightings = Sightings()
    note(
        sightings,
        target=b"/api/customers/4711?page=2&ann%40example.com=1",
        headers=((b"Cookie", b"_ga=planted; sid=planted"), (b"X-Device", b"planted")),
        body=b'{"email":"planted","items":[{"sku":"planted"},{"sku":1}],"by":{"ann@example.com":true}}',
    )

    (endpoint,) = summarise(sightings.rows())
    assert (endpoint.method, endpoint.path) == ("POST", "/api/customers/*")
    assert endpoint.requests == (
        "$.by.*", "$.email", "$.items[*].sku", "cookie:_ga", "cookie:sid", "header:X-Device", "query:*", "query:page",
    )  # fmt: skip
    assert "planted" not in str(sightings.rows())
    assert "ann" not in str(sightings.rows())


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (b"/", "/"),
        (b"/api/v1/orders", "/api/v1/orders"),
        (b"/orders/2026-11-23", "/orders/*"),
        (b"/u/ann@example.com/", "/u/*/"),
        (b"/static/app.js", "/static/app.js"),
    ],
)
def test_path_segments_that_look_like_data_are_stars(path, shape):
    assert path_shape(path) == shape


def test_many_names_at_one_place_are_taken_for_data():
    sightings = Sightings()
    for name in ("ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "lea", "max"):
        note(sightings, target=f"/users/{name}/orders".encode(), headers=((b"X-A", b"1"),))
    note(sightings, target=b"/health", headers=((b"X-A", b"1"),))

    assert [each.path for each in summarise(sightings.rows())] == ["/health", "/users/*/orders"]


def test_sightings_are_bounded():
    sightings = Sightings()
    for number in range(MOST + 50):
        name = "".join("abcdefghij"[int(digit)] for digit in str(number))
        note(sightings, headers=((b"X-" + name.encode(), b"1"),))

    assert len(sightings.rows()) == MOST


def test_only_a_policy_that_lists_nothing_looks_around():
    assert has_no_rules(observe_policy("http://127.0.0.1:1"))
