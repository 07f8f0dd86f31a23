from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.compile import compile_policy
from gateway.policy.router import Router

TODAY = "2026-11-23"
HEAD = """\
version: 1
controller: {name: Example GmbH}
recipients: {shop: {role: controller, upstream: "http://127.0.0.1:8000"}}
routes:
"""
ONE = '  - {{name: r{0}, match: {{{1}path: "{2}"}}, to: shop, response: {{rest: pass}}}}\n'
PIECES = ("a", "b", "{x:a|b}", "{x:.*}", "{x}", "*")
METHODS = (None, "GET", "POST", "HEAD", "GET, POST")
HOSTS = (None, "s.example", '"*.example"')


def rules(most):
    path = st.builds(
        lambda pieces, rest: "/" + "/".join(p.replace("x", f"x{n}") for n, p in enumerate(pieces)) + rest,
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=3),
        st.sampled_from(["", "", "/**"]),
    )
    return st.lists(st.tuples(path, st.sampled_from(METHODS), st.sampled_from(HOSTS)), min_size=1, max_size=most)


def every_request():
    texts = (b"a", b"b", b"other")
    paths = [(a,) for a in texts] + [(a, b) for a in texts for b in texts]
    paths += [(a, b, c) for a in texts for b in texts for c in texts]
    paths += [(a, b, c, b"z") for a in texts for b in texts for c in texts]
    for path in paths:
        for method in ("GET", "HEAD", "POST", "OTHER"):
            for host in ("s.example", "t.example", "elsewhere"):
                yield method, host, b"/" + b"/".join(path)


def written(number, path, method, host):
    match = (f"method: [{method}], " if method else "") + (f"host: {host}, " if host else "")
    return ONE.format(number, match, path)


def judged(routes):
    """Names that lint calls unreachable, and names that no request reaches."""
    text = HEAD + "".join(written(number, *one) for number, one in enumerate(routes))
    _, diagnostics = compile_policy({"a.yaml": text}, today=TODAY)
    named = {d.message.split("'")[1] for d in diagnostics if d.code == "PG401"}
    # Each route compiled alone, since together lint refuses them.
    single = [
        compile_policy({"a.yaml": HEAD + written(number, *one)}, today=TODAY)[0].routes[0]
        for number, one in enumerate(routes)
    ]
    router = Router(single)
    reached = {match.route.name for request in every_request() if (match := router.find(*request))}
    return named, {route.name for route in single} - reached


@given(rules(7))
def test_no_route_that_a_request_reaches_is_called_unreachable(routes):
    named, unreached = judged(routes)

    assert named <= unreached


@given(rules(2))
def test_a_route_that_another_one_hides_is_called_unreachable(routes):
    named, unreached = judged(routes)

    assert named == unreached


def test_a_shadow_names_the_other_route_and_its_place():
    text = HEAD + written(0, "/a/{x}", None, None) + written(1, "/a/*", "GET", None)
    _, diagnostics = compile_policy({"a.yaml": text}, today=TODAY)

    assert [(d.code, d.message) for d in diagnostics] == [
        ("PG401", "the route 'r1' is never reached: 'r0' (a.yaml, line 5) answers first")
    ]


def test_a_shadow_of_some_methods_names_them():
    text = HEAD + written(0, "/a", "GET", "s.example") + written(1, "/a", "GET, POST", "s.example")
    _, diagnostics = compile_policy({"a.yaml": text}, today=TODAY)

    assert [(d.code, d.message) for d in diagnostics] == [
        ("PG402", "for GET on host s.example, 'r0' (a.yaml, line 5) answers before 'r1'")
    ]
