import pytest
from rulebook import compiled, engine, record_of, run

from gateway.cli.explain import explanation
from gateway.engine.treatment import treatment_key, treatment_of

TWINS = """
routes:
  - name: first
    match: {path: /first}
    to: shop
    request:
      fields:
        $.email: {is: contact.email, for: service}
      rest: drop
    response: {rest: pass}
  - name: second
    match: {path: /second}
    to: shop
    request:
      fields:
        $.email: {is: contact.email, for: service}
      rest: drop
    response: {rest: pass}
"""
BODY = b'{"email":"a@b.example","note":"x"}'


def test_alike_routes_share_their_plans_and_records_name_each_one():
    under = engine(TWINS)
    first = run(under, target=b"/first", body=BODY)
    second = run(under, target=b"/second", body=BODY)
    assert first.exchange.request_plans is second.exchange.request_plans
    assert record_of(first)["route"] == "first"
    assert record_of(second)["route"] == "second"


def test_explain_points_to_the_lines_of_the_route_that_was_asked():
    under = engine(TWINS)
    lines = []
    for name in ("first", "second"):
        trial = run(under, target=f"/{name}".encode(), body=BODY)
        found = explanation(trial, _Capture, None)
        lines.append(found["request"]["fields"][0]["rule"])
        assert found["place"] != found["request"]["fields"][0]["rule"]
    assert len(set(lines)) == 2


class _Capture:
    body = BODY


@pytest.mark.parametrize(
    ("of", "to"),
    [
        ("rest: drop", "rest: pass"),
        ("contact.email,", "name,"),
        ("$.email:", "$.mail:"),
        ("for: service}", "for: service, as: blank}"),
        ("for: service}", "for: service, otherwise: drop}"),
        ("for: service}", "for: service, as: {mask: {keep_last: 2}}}"),
        ("response: {rest: pass}", "response: {rest: block}"),
        ("response: {rest: pass}", "response: {rest: pass}\n    mode: observe"),
        ("response: {rest: pass}", "response: {rest: pass}\n    record: always"),
        ("response: {rest: pass}", "response: {rest: pass}\n    subject: {field: $.email}"),
    ],
)
def test_routes_that_say_anything_else_are_apart(of, to):
    routes = {route.name: route for route in compiled(TWINS.replace(of, to, 1)).routes}
    first, second = routes.values()
    assert treatment_key(first) != treatment_key(second)
    assert treatment_of(first) != treatment_of(second)


def test_a_treatment_holds_no_name_pattern_or_place():
    first, second = compiled(TWINS).routes
    assert treatment_of(first) == treatment_of(second)
    assert treatment_key(first) == treatment_key(second)
