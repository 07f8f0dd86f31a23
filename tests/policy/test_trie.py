import pytest

from gateway.policy.pattern import parse_path
from gateway.policy.trie import End, Entry, Node, RouteMatch, search


def trie_of(*patterns):
    root = Node()
    for pattern in patterns:
        node = root
        for segment in parse_path(pattern).segments:
            if segment.rank.name == "REST":
                node.open_end().anything = Entry((), RouteMatch(pattern, {}))
                break
            node = node.child(segment)
        else:
            node.end = End({}, Entry((), RouteMatch(pattern, {})))
    return root


def found(root, *segments):
    entry = search(root, [segment.encode() for segment in segments], 0, "GET")
    return entry and entry.match.route


def test_equal_edges_are_shared():
    root = Node()
    for pattern in ("/a/{x}/{y:[0-9]}/*", "/a/{other}/{z:[0-9]}/*/b"):
        node = root
        for segment in parse_path(pattern).segments:
            node = node.child(segment)

    a = root.literals[b"a"]
    assert len(a.name.regexes) == 1
    assert a.name.regexes[0][1].star.literals.keys() == {b"b"}


def test_many_regular_expressions_of_one_node_are_tried_in_their_order():
    root = trie_of("/{x:b.*}", "/{x:.*b}/y", "/{x:[a-z]*}", "/{x:.*}/z")

    assert found(root, "bb") == "/{x:b.*}"
    assert found(root, "ab") == "/{x:[a-z]*}"
    assert found(root, "bb", "y") == "/{x:.*b}/y"
    assert found(root, "bb", "z") == "/{x:.*}/z"
    assert found(root, "1") is None


def test_a_thousand_regular_expressions_make_one_automaton():
    root = trie_of(*(f"/{{x:k{number}-[a-z]{{1,8}}}}" for number in range(1000)))

    assert found(root, "k999-abc") == "/{x:k999-[a-z]{1,8}}"
    assert found(root, "k999-") is None


@pytest.mark.parametrize("pattern", ["/{x}", "/*", "/{x:.*}", "/{x}/**"])
def test_an_empty_segment_is_no_value(pattern):
    assert found(trie_of(pattern), "") is None
    assert found(trie_of(pattern, "/literal"), "") is None
    assert found(trie_of(pattern), "v") == pattern


def test_an_edge_that_leads_nowhere_is_left_for_the_next():
    root = trie_of("/a/{x}/c", "/{y}/b/d", "/*/b/e", "/a/**")

    assert found(root, "a", "b", "c") == "/a/{x}/c"
    assert found(root, "a", "b", "d") == "/a/**"
    assert found(root, "z", "b", "d") == "/{y}/b/d"
    assert found(root, "z", "b", "e") == "/*/b/e"
    assert found(root, "z", "b", "f") is None
