"""What the router remembers of hosts and paths that clients chose: little, and nothing that is not so."""

from routing import found, route

from gateway.policy.router import HOSTS_REMEMBERED, PATHS_REMEMBERED, Router


def test_no_more_hosts_are_remembered_than_agreed():
    router = Router([route("/x")])
    for number in range(HOSTS_REMEMBERED * 3):
        assert found(router, b"/x", host=f"h{number}.example") == "/x"

    assert len(router._tries) <= HOSTS_REMEMBERED


def test_no_more_paths_are_remembered_than_agreed_and_none_that_is_long():
    router = Router([route("/x/{name}")])
    for number in range(PATHS_REMEMBERED + 9):
        assert found(router, b"/x/%d" % number) == "/x/{name}"
    assert found(router, b"/x/" + b"y" * 1000) == "/x/{name}"
    assert len(router._found) == 9


def test_what_was_found_is_remembered_for_that_host_method_and_path_alone():
    router = Router([route("/x/{name}", "GET"), route("/x/{name}", "POST"), route("/x/{other}", hosts=("b.example",))])
    for _ in range(2):
        assert found(router, b"/x/1") == "GET /x/{name}"
        assert found(router, b"/x/1", "POST") == "POST /x/{name}"
        assert found(router, b"/x/1", host="b.example") == "b.example /x/{other}"
        assert found(router, b"/x/1/2") is None
        assert router.find("GET", "shop.example", b"/x/abc").spans == {"name": (3, 6)}
        assert router.find("GET", "shop.example", b"/x/a").spans == {"name": (3, 4)}
