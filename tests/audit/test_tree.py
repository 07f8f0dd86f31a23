"""Roots against the definition in RFC 6962, section 2.1, written down as it stands there."""

from base64 import b64decode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.tree import EMPTY_ROOT, Tree, leaf_hash
from gateway.audit.verify_tree import Counter


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def test_empty_root_is_that_of_the_rfc():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Tree().root() == Counter().root() == EMPTY_ROOT


def test_roots_of_the_certificate_transparency_test_data():
    # The leaves and the last root are those of the reference implementation's own test.
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf_hash(bytes.fromhex(leaf)))
    assert tree.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_both_trees_agree_with_the_definition_at_every_size(leaves):
    tree, counter = Tree(), Counter()
    for size, leaf in enumerate(leaves):
        assert tree.root() == counter.root() == naive_root(leaves[:size])
        assert [b64decode(node) for node in counter.frontier()] == tree.frontier
        tree.append(leaf_hash(leaf))
        counter.add(sha256(b"\x00" + leaf).digest())
    assert tree.root() == counter.root() == naive_root(leaves)


@given(st.integers(0, 200), st.integers(0, 40))
def test_a_tree_goes_on_from_its_frontier(size, more):
    whole, start = Tree(), Tree()
    for n in range(size):
        start.append(leaf_hash(b"%d" % n))
        whole.append(leaf_hash(b"%d" % n))
    again = Tree(start.size, tuple(start.frontier))
    for n in range(more):
        again.append(leaf_hash(b"more %d" % n))
        whole.append(leaf_hash(b"more %d" % n))
    assert (again.size, again.root()) == (whole.size, whole.root())


def test_a_copy_is_independent():
    tree = Tree(1, (bytes(32),))
    other = tree.copy()
    other.append(bytes(32))
    assert tree.size == 1
    assert tree.frontier == [bytes(32)]


def test_a_frontier_must_fit_its_size():
    with pytest.raises(ValueError, match="one hash for each bit"):
        Tree(3, (bytes(32),))
