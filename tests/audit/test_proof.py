"""Inclusion proofs: made from a log, checked from the file alone, and compared with another implementation."""

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.proof import Proof, root_of
from gateway.audit.proof_check import check_proof
from gateway.audit.proof_make import prove
from gateway.audit.proof_path import PathFinder
from gateway.audit.proof_source import Source, Unprovable
from gateway.audit.verify_note import Malformed, VerifierKey
from gateway.audit.verify_pins import Receipt, read_receipt
from gateway.audit.verify_tree import Counter, leaf_hash
from gateway.crypto.sign import SigningKey


def leaves_of(size):
    return [leaf_hash(b"%d" % n) for n in range(size)]


def tree_of(leaves):
    tree = Counter()
    tree.extend(leaves)
    return tree


@given(st.data())
def test_every_path_leads_to_the_root_from_wherever_reading_began(data):
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    start = data.draw(st.integers(0, index))
    step = data.draw(st.integers(1, 80))
    leaves = leaves_of(size)
    finder = PathFinder(tree_of(leaves[:start]), index)
    for at in range(start, size, step):
        finder.feed(leaves[at : at + step])
    path = finder.path()
    assert root_of(leaves[index], index, size, path) == tree_of(leaves).root()
    assert root_of(leaf_hash(b"other"), index, size, path) != tree_of(leaves).root()
    for wrong in ((index + 1, size), (index, size + 1), (index, index), (-1, size)):
        if path or wrong[1] != size:
            assert root_of(leaves[index], *wrong, path) != tree_of(leaves).root() or wrong == (index, size + 1)
    assert root_of(leaves[index], index, size, (*path, bytes(32))) is None
    if path:
        assert root_of(leaves[index], index, size, path[:-1]) is None


@given(st.data())
def test_paths_of_several_leaves_are_those_of_each_alone(data):
    size = data.draw(st.integers(1, 200))
    indexes = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=6, unique=True))
    start = data.draw(st.integers(0, min(indexes)))
    step = data.draw(st.integers(1, 80))
    leaves = leaves_of(size)
    finder = PathFinder(tree_of(leaves[:start]), *indexes)
    for at in range(start, size, step):
        finder.feed(leaves[at : at + step])
    root = tree_of(leaves).root()
    assert all(root_of(leaves[index], index, size, finder.path(index)) == root for index in indexes)


def test_roots_and_paths_are_those_of_pymerkle():
    other = pymerkle.InmemoryTree(algorithm="sha256")
    tree = Counter()
    for size in range(1, 140):
        other.append_entry(b"%d" % (size - 1))
        tree.add(leaf_hash(b"%d" % (size - 1)))
        assert tree.root() == other.get_root()
        for index in {0, size // 2, size - 1}:
            finder = PathFinder(Counter(), index)
            finder.feed(leaves_of(size))
            theirs = other.prove_inclusion(index + 1, size).path
            assert sorted(theirs) == sorted([leaf_hash(b"%d" % index), *finder.path()])


def test_a_proof_of_every_leaf_of_a_log(logs):
    logs.write(groups=6, segment_bytes=900)
    source, key = Source(logs.slot), VerifierKey(logs.key.vkey)
    lines = b"".join(path.read_bytes() for path in sorted((logs.slot / "sealed").glob("*.jsonl"))).split(b"\n")[:-1]
    head = source.head()
    assert head.size == len(lines) - 1
    for index in range(head.size):
        text = prove(source, index).text()
        proof = Proof.parse(text)
        assert (proof.index, proof.line, proof.text()) == (index, lines[index], text)
        report = check_proof(proof, [key])
        assert (report.exit_code, report.record["index"]) == (0, index), report.says
    with pytest.raises(Unprovable, match="none covers"):
        prove(source, head.size)


def test_a_proof_under_an_older_checkpoint(logs):
    logs.write(groups=3, each=2, close=False)
    source = Source(logs.slot)
    assert prove(source, 2, size=4).head.size == 4
    with pytest.raises(Unprovable, match="no checkpoint of size 5"):
        prove(source, 2, size=5)


@pytest.fixture
def proof(logs):
    logs.write(groups=2, each=2)
    return prove(Source(logs.slot), 3)


def test_what_a_proof_is_checked_with(logs, proof):
    key, bare = VerifierKey(logs.key.vkey), Proof(proof.index, proof.path, proof.head)
    receipt = Receipt(proof.head.origin, 3, leaf_hash(proof.line))
    other_line = proof.line.replace(b"shop", b"shoe")
    other_key = VerifierKey(SigningKey("example.org/log/w9", bytes(range(32))).vkey)
    for number, (given_proof, keys, options, expected) in enumerate([
        (proof, [key], {}, 0),
        (bare, [key], {}, 20),
        (bare, [key], {"line": proof.line}, 0),
        (bare, [key], {"line": other_line}, 10),
        (bare, [key], {"receipt": receipt}, 0),
        (bare, [key], {"receipt": Receipt(receipt.origin, 4, receipt.leaf)}, 10),
        (bare, [key], {"receipt": Receipt("other", 3, receipt.leaf)}, 10),
        (bare, [key], {"receipt": Receipt(receipt.origin, 3, bytes(32))}, 10),
        (proof, [key], {"line": other_line}, 10),
        (Proof(3, proof.path, proof.head, other_line), [key], {}, 10),
        (Proof(2, proof.path, proof.head, proof.line), [key], {}, 10),
        (proof, [], {}, 10),
        (proof, [other_key], {}, 10),
    ]):  # fmt: skip
        assert check_proof(given_proof, keys, **options).exit_code == expected, number


def test_a_key_speaks_only_for_the_log_it_is_named_after(logs, proof):
    stranger = SigningKey("example.org/log/w9", bytes(32))
    head = type(proof.head)(
        proof.head.origin, proof.head.size, proof.head.root, ((stranger.name, stranger.sign(proof.head.body())),)
    )
    forged = Proof(proof.index, proof.path, head, proof.line)
    assert check_proof(forged, [VerifierKey(stranger.vkey), VerifierKey(logs.key.vkey)]).exit_code == 10


def test_one_bit_changed_anywhere_in_a_proof(logs, proof):
    key, data = VerifierKey(logs.key.vkey), proof.text().encode()
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :]
        try:
            report = check_proof(Proof.parse(changed.decode()), [key])
        except (Malformed, UnicodeDecodeError):
            continue
        assert report.exit_code in (10, 20), position


@given(st.one_of(st.text(max_size=300), st.text(max_size=300).map(lambda text: "c2sp.org/tlog-proof@v1\n" + text)))
def test_hostile_proofs_are_malformed(text):
    with pytest.raises(Malformed):
        Proof.parse(text)


def test_a_log_that_does_not_give_its_root_is_not_proven(logs):
    logs.write(groups=2)
    logs.only_segment().with_suffix(".leaves").unlink()
    logs.rewrite(logs.only_segment(), lambda lines: [*lines[:2], lines[2].replace(b"0.0", b"9.9"), *lines[3:]])
    with pytest.raises(Unprovable, match="audit verify"):
        prove(Source(logs.slot), 3)


@pytest.mark.parametrize("text", ["", "a:1", "a:01:" + "A" * 43 + "=", "a:1:" + "A" * 42, ":1:" + "A" * 43 + "="])
def test_receipts_are_read_strictly(text):
    with pytest.raises(Malformed):
        read_receipt(text)


def test_a_receipt_may_be_pasted_with_the_headers_name():
    leaf = "A" * 43 + "="
    expected = Receipt("example.org/log/w0", 7, bytes(32))
    assert read_receipt(f"example.org/log/w0:7:{leaf}") == expected
    assert read_receipt(f"Disclosure-Receipt: example.org/log/w0:7:{leaf}\r\n") == expected
