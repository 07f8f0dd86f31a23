import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing import found, route

from gateway.model.errors import Unreadable
from gateway.model.words import Posture
from gateway.policy import router as router_module
from gateway.policy import trie as trie_module
from gateway.policy.pattern import Rank, parse_path
from gateway.policy.router import Router

PATHS = Router(
    [
        route("/"),
        route("/users"),
        route("/users/"),
        route("/users/me"),
        route("/users/{id:[0-9]+}"),
        route("/users/{id:[a-f]+}"),
        route("/users/{name}"),
        route("/users/*/orders"),
        route("/users/{name}/orders/{order}"),
        route("/files/**"),
        route("/files/{name}/meta"),
        route("/a/b/c"),
        route("/{any}/b/d"),
        route("/*/b/e"),
        route("/café/mein Tisch"),
    ]
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/", "/"),
        (b"/users", "/users"),
        (b"/users/", "/users/"),
        (b"/users/me", "/users/me"),
        (b"/users/17", "/users/{id:[0-9]+}"),
        (b"/users/fade", "/users/{id:[a-f]+}"),
        (b"/users/bob", "/users/{name}"),
        (b"/users/17/orders", "/users/*/orders"),
        (b"/users/me/orders", "/users/*/orders"),
        (b"/users/me/orders/9", "/users/{name}/orders/{order}"),
        (b"/files", "/files/**"),
        (b"/files/", "/files/**"),
        (b"/files/a/b/c", "/files/**"),
        (b"/files/a/meta", "/files/{name}/meta"),
        (b"/files/a/meta/x", "/files/**"),
        (b"/files/.well-known", "/files/**"),
        (b"/a/b/c", "/a/b/c"),
        (b"/a/b/d", "/{any}/b/d"),
        (b"/a/b/e", "/*/b/e"),
        (b"/a/b/f", None),
        (b"/a/b", None),
        (b"/unknown", None),
        (b"/users/bob/", None),
        (b"/caf%C3%A9/mein%20Tisch", "/café/mein Tisch"),
        (b"/caf\xc3\xa9/mein%20Tisch", "/café/mein Tisch"),
        (b"/USERS", None),
        (b"*", None),
        (b"", None),
    ],
)
def test_the_most_specific_pattern_wins(path, name):
    assert found(PATHS, path) == name


def test_captures_are_spans_of_the_raw_path():
    path = b"/users/a%20b/orders/17;v=2"
    match = PATHS.find("GET", "", path)

    assert {name: path[start:end] for name, (start, end) in match.spans.items()} == {
        "name": b"a%20b",
        "order": b"17;v=2",
    }
    assert PATHS.find("GET", "", b"/users/bob").spans == {"name": (7, 10)}


METHODS = Router(
    [route("/x", "GET"), route("/x", "POST", "PUT"), route("/x"), route("/g", "GET"), route("/**", "DELETE")]
)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", b"/x", "GET /x"),
        ("HEAD", b"/x", "GET /x"),
        ("PUT", b"/x", "POST PUT /x"),
        ("PATCH", b"/x", "/x"),
        ("get", b"/x", "/x"),
        ("HEAD", b"/g", "GET /g"),
        ("POST", b"/g", None),
        ("DELETE", b"/g", "DELETE /**"),
        ("DELETE", b"*", "DELETE /**"),
        ("DELETE", b"/", "DELETE /**"),
    ],
)
def test_a_named_method_wins_over_any(method, path, name):
    assert found(METHODS, path, method) == name


def test_a_route_for_head_wins_over_one_for_get():
    router = Router([route("/x", "GET"), route("/x", "HEAD"), route("/{y}", "GET"), route("/{y}", "HEAD")])

    assert found(router, b"/x", "HEAD") == "HEAD /x"
    assert found(router, b"/z", "HEAD") == "HEAD /{y}"


def test_the_first_of_two_equal_routes_wins():
    assert found(Router([route("/x", name="one"), route("/x", name="two")]), b"/x") == "one"
    assert found(Router([route("/x", "GET", name="one"), route("/x", "GET", name="two")]), b"/x") == "one"


HOSTS = Router(
    [
        route("/x", hosts=["shop.example"], name="name"),
        route("/x", hosts=["shop.example:8443"], name="port"),
        route("/x", hosts=["*.shop.example"], name="wildcard"),
        route("/x", hosts=["*.eu.shop.example"], name="long wildcard"),
        route("/x", hosts=["[::1]"], name="address"),
        route("/{y}", name="any"),
        route("/only-any"),
    ]
)


@pytest.mark.parametrize(
    ("host", "path", "name"),
    [
        ("shop.example", b"/x", "name"),
        ("shop.example:80", b"/x", "name"),
        ("shop.example:8443", b"/x", "port"),
        ("www.shop.example", b"/x", "wildcard"),
        ("www.shop.example:81", b"/x", "wildcard"),
        ("a.b.shop.example", b"/x", "wildcard"),
        ("a.eu.shop.example", b"/x", "long wildcard"),
        ("eu.shop.example", b"/x", "wildcard"),
        (".shop.example", b"/x", "any"),
        ("notshop.example", b"/x", "any"),
        ("[::1]", b"/x", "address"),
        ("[::1]:8080", b"/x", "address"),
        ("", b"/x", "any"),
        ("shop.example", b"/only-any", "/only-any"),
        ("a.eu.shop.example", b"/z", "any"),
    ],
)
def test_the_most_specific_host_is_tried_first(host, path, name):
    assert found(HOSTS, path, host=host) == name


DOUBT = Router(
    [
        route("/public/**"),
        route("/admin/{id}"),
        route("/admin"),
        route("/users/{id:[0-9]+}"),
        route("/users/{name}"),
        route("/pair/{a}/{b}"),
        route("/open/{x}/**"),
    ]
)


@pytest.mark.parametrize(
    "path",
    [
        b"/public/../admin",
        b"/public/%2e%2e/admin",
        b"/public/%2E./admin",
        b"/public%2f..%2fadmin",
        b"/public/..%2fadmin",
        b"/public/..;x=1/admin",
        b"/public/..\\admin",
        b"/public/x\\..\\..\\admin",
        b"/public/%252e%252e/admin",
        b"/public/../../../admin",
        b"/%61dmin",
        b"/admin;x=1",
        b"//admin",
        b"/./admin",
        b"/admin/.",
        b"/public/%00/../../admin/7",
        b"/admin%00/x",
        b"/admin/7%00",
        b"/admin\x00",
        b"/users/%31",
        b"/users/1;v=2",
        b"/pair/a%2fb",
        b"/pair/a//b",
        b"/pair/a/b%2fc",
        b"/open/./x",
        b"/public/..",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path):
    with pytest.raises(Unreadable) as error:
        DOUBT.find("GET", "shop.example", path)

    assert error.value.posture is Posture.AMBIGUOUS_FRAMING
    assert not re.search(r"admin|users|pair|public", str(error.value))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/public/a/../b", "/public/**"),
        (b"/public/a%2fb", "/public/**"),
        (b"/public//b", "/public/**"),
        (b"/public/100%25", "/public/**"),
        (b"/public/%zz", "/public/**"),
        (b"/public/%", "/public/**"),
        (b"/public/a;b", "/public/**"),
        (b"/public/%00", "/public/**"),
        (b"/users/J%C3%BCrgen", "/users/{name}"),
        (b"/users/bob;v=2", "/users/{name}"),
        (b"/users/%20", "/users/{name}"),
        (b"/users/a%40b", "/users/{name}"),
        (b"/nowhere/%41", None),
        (b"/admin/", None),
        (b"/nowhere/../x", None),
    ],
)
def test_a_path_whose_readings_agree_passes(path, name):
    assert found(DOUBT, path) == name


def test_a_doubtful_path_has_to_start_with_a_slash():
    with pytest.raises(Unreadable):
        DOUBT.find("GET", "", b"%2fadmin")


def steps_of(call):
    """Lines of the router and its tries that run during the call."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename not in (router_module.__file__, trie_module.__file__):
            return None
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        result = call()
    finally:
        sys.settrace(None)
    return count, result


def numbered(count):
    kinds = ("/api/r{}/items", "/api/r{}/{{id}}/x", "/api/{{kind:k{}}}/y", "/p{}/**")
    return [
        route(kinds[number % 4].format(number), "POST", hosts=[f"h{number % 7}.example"]) for number in range(count)
    ]


@pytest.fixture(scope="module")
def sizes():
    return Router(numbered(28)), Router(numbered(10_000))


@pytest.mark.parametrize(
    "path", [b"/api/r0/items", b"/api/r5/17/x", b"/api/k6/y", b"/api/r5/none", b"/p7/a/b/c", b"/api/none/y", b"/none"]
)
def test_the_steps_do_not_grow_with_the_number_of_routes(path, sizes):
    few, many = sizes
    for number in range(7):
        host = f"h{number}.example"
        few.find("POST", host, path)  # remembers the host
        many.find("POST", host, path)
        steps_few, match_few = steps_of(lambda host=host: few.find("POST", host, path))
        steps_many, match_many = steps_of(lambda host=host: many.find("POST", host, path))

        assert (match_few and match_few.route.name) == (match_many and match_many.route.name)
        assert 0 < steps_many <= steps_few + 12  # a node may get its second kind of edge, no more


PIECES = ("a", "b", "{x:a}", "{x:a|b}", "{x}", "*")


def patterns():
    segments = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)
    return st.builds(
        lambda pieces, rest: "/" + "/".join(_renamed(pieces)) + ("/**" if rest else ""), segments, st.booleans()
    )


def _renamed(pieces):
    return [piece.replace("{x", f"{{x{number}") for number, piece in enumerate(pieces)]


def rules():
    methods = st.sampled_from([(), ("GET",), ("POST",), ("GET", "POST")])
    hosts = st.sampled_from([(), ("s.example",), ("*.example",)])
    return st.lists(st.tuples(patterns(), methods, hosts), min_size=1, max_size=12)


def expected_name(routes, method, host, segments):
    """The definition of the order, written the slow way: judge every route, take the best."""
    groups = ["s.example"] if host == "s.example" else []
    groups += ["*.example", "*"]
    for group in groups:
        best = None
        known = [one for one in routes if group in (one.hosts or ("*",))]
        for number, one in enumerate(known):
            pattern = parse_path(one.path).segments
            rank = _rank(pattern, segments, known)
            takes = 0 if method in one.methods else 1 if not one.methods else None
            if rank is not None and takes is not None and (best is None or (rank, takes, number) < best[0]):
                best = ((rank, takes, number), one.name)
        if best:
            return best[1]
    return None


def _edge(segment):
    return (segment.rank, segment.literal, segment.regex)


def _rank(pattern, segments, known):
    rank = []
    for depth, segment in enumerate(pattern):
        if segment.rank is Rank.REST:
            return (*rank, (Rank.REST, 0))
        if depth == len(segments):
            return None
        text = segments[depth]
        if segment.rank is Rank.LITERAL and segment.literal != text:
            return None
        if segment.rank is Rank.REGEX and not re.fullmatch(segment.regex.encode(), text):
            return None
        order = 0
        if segment.rank is Rank.REGEX:
            prefix = [_edge(one) for one in pattern[: depth + 1]]
            same = [[_edge(one) for one in parse_path(r.path).segments[: depth + 1]] for r in known]
            order = same.index(prefix)
        rank.append((segment.rank, order))
    return (*rank, (Rank.LITERAL, 0)) if len(pattern) == len(segments) else None


@given(rules(), st.sampled_from(["GET", "POST"]), st.sampled_from(["s.example", "t.example"]), st.data())
def test_the_router_agrees_with_the_definition_of_its_order(written, method, host, data):
    routes = [route(path, *methods, hosts=hosts, name=str(n)) for n, (path, methods, hosts) in enumerate(written)]
    segments = data.draw(st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=5))

    assert found(Router(routes), b"/" + b"/".join(segments), method, host) == expected_name(
        routes, method, host, segments
    )
