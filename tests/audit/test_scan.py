from base64 import b64encode

import pytest

from gateway.audit.lines import open_line
from gateway.audit.scan import checkpoint_of, opening_tree, parse_line, scan
from gateway.audit.tree import Tree, leaf_hash


def tree_of(size):
    tree = Tree()
    for n in range(size):
        tree.append(leaf_hash(b"%d" % n))
    return tree


@pytest.mark.parametrize("size", [0, 1, 2, 7, 64, 1000])
def test_an_open_line_gives_the_tree_back(size):
    tree = tree_of(size)
    line = open_line(tree, "origin", "vkey", {}, "2026-11-23T13:07:25.123456Z")
    again = opening_tree(parse_line(line))
    assert (again.size, again.frontier) == (tree.size, tree.frontier)


def test_an_open_line_that_disagrees_with_itself_gives_none():
    line = open_line(tree_of(5), "origin", "vkey", {}, "2026-11-23T13:07:25.123456Z")
    root = b64encode(tree_of(5).root())
    for changed in (
        line.replace(root, b64encode(bytes(32))),
        line.replace(root, b"?"),
        line.replace(b'"index":5', b'"index":6'),
        line.replace(b'"size":5', b'"size":7'),
        line.replace(b'"kind":"open"', b'"kind":"close"'),
    ):
        assert changed != line
        assert opening_tree(parse_line(changed)) is None


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b"\xff", b'{"index":1,"kind":"\xff"}', b'{"index":"1","kind":"x"}']
)
def test_what_is_no_line_is_none(line):
    assert parse_line(line) is None


def test_a_checkpoint_needs_base64():
    assert checkpoint_of(parse_line(b'{"index":1,"kind":"checkpoint","root":"?","signature":"","size":1}')) is None


def test_only_groups_with_a_good_signature_are_kept():
    line = b'{"index":0,"kind":"x"}'
    tree = Tree()
    tree.append(leaf_hash(line))
    root = b64encode(tree.root())
    head = b'{"index":1,"kind":"checkpoint","root":"%b","signature":"AAAA","size":1}' % root
    data = line + b"\n" + head + b"\n"
    good = scan(data, Tree(), "key", lambda checkpoint, vkey: checkpoint.signature == bytes(3) and vkey == "key")
    assert (good.group.end, good.tail, good.forged) == (len(data), len(data), False)
    assert good.group.after.size == 2
    bad = scan(data, Tree(), "key", lambda checkpoint, vkey: False)
    assert (bad.group, bad.tail, bad.forged) == (None, 0, False)
