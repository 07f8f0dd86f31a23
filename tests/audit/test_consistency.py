import random
from hashlib import sha256

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness import consistent

from gateway.audit import consistency
from gateway.audit.consistency import Leaves
from gateway.audit.tree import Tree, leaf_hash


def leaves_of(count: int) -> Leaves:
    leaves = Leaves()
    leaves.extend(leaf_hash(b"%d" % n) for n in range(count))
    return leaves


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 255, 256, 257, 1000])
def test_the_root_is_the_writers(size):
    tree = Tree()
    for n in range(size):
        tree.append(leaf_hash(b"%d" % n))
    assert leaves_of(1000).root(size) == tree.root()


def test_the_example_of_the_rfc():
    """RFC 6962, section 2.1.3: PROOF(3, D[7]) = [c, d, g, l], PROOF(4, D[7]) = [l], PROOF(6, D[7]) = [i, j, k]."""
    hashes = [leaf_hash(b"%d" % n) for n in range(7)]

    def node(left: bytes, right: bytes) -> bytes:
        return sha256(b"\x01" + left + right).digest()

    a, b, c, d, e, f, j = hashes
    g, h, i = node(a, b), node(c, d), node(e, f)
    k, right = node(g, h), node(i, j)
    leaves = leaves_of(7)
    assert leaves.proof(3, 7) == [c, d, g, right]
    assert leaves.proof(4, 7) == [right]
    assert leaves.proof(6, 7) == [i, j, k]
    assert leaves.proof(7, 7) == leaves.proof(0, 7) == []


@given(st.data())
def test_a_verifier_of_the_rfc_accepts_every_proof_and_no_other(data):
    new = data.draw(st.integers(1, 600))
    old = data.draw(st.integers(0, new))
    leaves = leaves_of(new)
    proof = leaves.proof(old, new)
    assert len(proof) <= 63
    assert consistent(old, new, leaves.root(old), leaves.root(new), proof)
    if 0 < old < new:
        assert not consistent(old, new, sha256(b"other").digest(), leaves.root(new), proof)
        spoiled = [*proof]
        spoiled[random.Random(new).randrange(len(proof))] = sha256(b"other").digest()
        assert not consistent(old, new, leaves.root(old), leaves.root(new), spoiled)


@pytest.mark.parametrize("small", [2, 256])
def test_a_second_library_agrees(small, monkeypatch):
    monkeypatch.setattr(consistency, "_KEPT", small)
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    leaves = Leaves()
    for n in range(70):
        tree.append_entry(b"%d" % n)
        leaves.extend([leaf_hash(b"%d" % n)])
        assert leaves.root(n + 1) == tree.get_root()
        for old in (1, n // 2 + 1, n + 1):
            theirs = tree.prove_consistency(old, n + 1)
            pymerkle.verify_consistency(leaves.root(old), leaves.root(n + 1), theirs)
            assert consistent(old, n + 1, tree.get_root(old), tree.get_root(), leaves.proof(old, n + 1))


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 3), (3, 6), (0, 6)])
def test_a_proof_goes_from_a_smaller_tree_to_a_larger_one(old, new):
    with pytest.raises(ValueError, match=r"leaves|larger"):
        leaves_of(5).proof(old, new)
