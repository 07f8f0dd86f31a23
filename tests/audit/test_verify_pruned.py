"""Segments whose body was removed on purpose, and files of leaf hashes beside those that have theirs."""

import shutil

import pytest
from written import Written, prune_record

from gateway.audit.proof_check import check_proof
from gateway.audit.proof_make import prove
from gateway.audit.proof_source import Source
from gateway.audit.tiles import publish
from gateway.audit.verify import read_trust, verify_directory
from gateway.audit.verify_note import VerifierKey
from gateway.audit.verify_pins import Pins, Receipt
from gateway.audit.verify_tree import leaf_hash


@pytest.fixture
def log(tmp_path):
    return Written(tmp_path / "audit" / "w0")


def operator(log, *records):
    home = log.slot.parent / "operator"
    shutil.rmtree(home, ignore_errors=True)
    written = Written(home, seed=7).open()
    for record in records:
        written.add("prune", **record)
    written.checkpoint().add("close", records=0).checkpoint().seal()


def words(log, **options):
    return verify_directory(log.slot.parent, allow_unanchored=True, **options).words


@pytest.mark.parametrize("which", [(0,), (1,), (2,), (0, 1), (0, 1, 2)], ids=str)
def test_a_pruned_segment_with_its_record_is_fine(log, which):
    bodies = log.three_segments()
    log.open().checkpoint().seal()
    operator(log, *(prune_record(bodies[n], log.origin) for n in which))
    whole = verify_directory(log.slot.parent, allow_unanchored=True).logs[1]
    for n in which:
        bodies[n].unlink()
    report = verify_directory(log.slot.parent, allow_unanchored=True)
    assert report.words == "VERIFIED", report
    pruned = report.logs[1]
    assert (pruned.pruned, pruned.segments, pruned.leaves, pruned.root) == (len(which), 4, whole.leaves, whole.root)
    assert verify_directory(log.slot, allow_unanchored=True).words == "VERIFIED"
    assert verify_directory(log.slot.parent, jobs=2, allow_unanchored=True).words == "VERIFIED"


def test_without_its_record_a_missing_body_is_incomplete(log):
    bodies = log.three_segments()
    record = prune_record(bodies[1], log.origin)
    bodies[1].unlink()
    assert words(log) == "INCOMPLETE"
    operator(log)
    assert words(log) == "INCOMPLETE"
    operator(log, record | {"origin": "example.org/log/w1"})
    assert words(log) == "INCOMPLETE"
    operator(log, record)
    assert words(log) == "VERIFIED"
    bodies[1].with_suffix(".leaves").unlink()
    assert words(log) == "INCOMPLETE"


@pytest.mark.parametrize("key", ["first", "size", "root", "leaves"])
def test_what_is_left_must_be_what_the_record_says(log, key):
    bodies = log.three_segments()
    wrong = {"first": 1, "size": 1, "root": "A" * 43 + "=", "leaves": "0" * 64}
    operator(log, prune_record(bodies[1], log.origin) | {key: wrong[key]})
    bodies[1].unlink()
    assert words(log) == "TAMPERED"


def test_the_newest_segment_is_not_to_be_pruned(log):
    bodies = log.three_segments()
    operator(log, prune_record(bodies[2], log.origin))
    bodies[2].unlink()
    assert words(log) == "INCOMPLETE"


def every_bit(path):
    data = path.read_bytes()
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        yield position
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".leaves", ".note"])
@pytest.mark.parametrize("which", [0, 1])
def test_p5_one_bit_flipped_in_what_is_left(log, suffix, which):
    bodies = log.three_segments()
    operator(log, prune_record(bodies[which], log.origin))
    bodies[which].unlink()
    path = bodies[which].with_suffix(suffix)
    for position in every_bit(path):
        report = verify_directory(log.slot.parent, allow_unanchored=True)
        assert report.words == "TAMPERED", position
        assert any(path.stem in finding.segment for finding in report.logs[1].findings), position
    assert words(log) == "VERIFIED"


def test_p5_one_bit_flipped_in_the_leaf_hashes_beside_a_body(log):
    body = log.three_segments()[1]
    for position in every_bit(body.with_suffix(".leaves")):
        report = verify_directory(log.slot, allow_unanchored=True)
        [finding] = report.logs[0].findings
        assert (report.words, finding.segment) == ("TAMPERED", body.with_suffix(".leaves").name), position
        assert finding.first_index <= int(body.stem[4:]) + position // 32 <= finding.last_index


@pytest.mark.parametrize(
    "change", [lambda data: data[:-32], lambda data: data + bytes(32), lambda data: data[:-1], lambda _: b""]
)
def test_leaf_hashes_of_another_length(log, change):
    body = log.three_segments()[1]
    leaves = body.with_suffix(".leaves")
    leaves.write_bytes(change(leaves.read_bytes()))
    assert words(log) == "TAMPERED"
    body.unlink()
    assert words(log) == "TAMPERED"


def test_memory_reaches_into_a_pruned_segment(log):
    bodies = log.three_segments()
    operator(log, prune_record(bodies[0], log.origin))
    lines = bodies[0].read_bytes().split(b"\n")
    bodies[0].unlink()
    good = Receipt(log.origin, 3, leaf_hash(lines[3]))
    assert words(log, pins=Pins((), [good])) == "VERIFIED"
    assert words(log, pins=Pins((), [Receipt(log.origin, 3, bytes(32))])) == "FORK"
    assert words(log, pins=Pins((), [Receipt(log.origin, 10**6, bytes(32))])) == "ROLLED BACK"


def test_a_pruned_record_can_still_be_proven(log, tmp_path):
    bodies = log.three_segments()
    line = bodies[0].read_bytes().split(b"\n")[3]
    bodies[0].unlink()
    proof = prove(Source(log.slot), 3)
    assert proof.line is None
    key = VerifierKey(log.key.vkey)
    assert check_proof(proof, [key]).exit_code == 20
    assert check_proof(proof, [key], receipt=Receipt(log.origin, 3, leaf_hash(line))).exit_code == 0
    assert check_proof(proof, [key], line=line).exit_code == 0
    published = publish(Source(log.slot), tmp_path / "site")
    assert published.pruned == 8
    assert not (tmp_path / "site/tile/entries").exists()


def test_a_key_that_a_pruned_record_introduced_must_be_trusted_itself(log):
    old = log.key.vkey
    log.open().checkpoint().group()
    pruned = log.rotate(1).group().seal()
    log.open().checkpoint().seal()
    operator(log, prune_record(pruned, log.origin))
    home = (log.slot.parent / "operator" / "log.vkey").read_text()
    assert words(log, trust=read_trust(old + "\n" + home)) == "VERIFIED"
    pruned.unlink()
    assert words(log) == "VERIFIED"
    assert words(log, trust=read_trust(old + "\n" + home)) == "TAMPERED"
    assert words(log, trust=read_trust(log.key.vkey + "\n" + home)) == "VERIFIED"


def test_trust_does_not_pass_through_a_pruned_rotation(log):
    log.open().checkpoint().group().seal()
    pruned = log.open().checkpoint().rotate(1).seal()
    log.open().checkpoint().group().seal()
    operator(log, prune_record(pruned, log.origin))
    home = (log.slot.parent / "operator" / "log.vkey").read_text()
    assert words(log, trust=read_trust(log.keys[0] + "\n" + home)) == "VERIFIED"
    pruned.unlink()
    assert words(log) == "VERIFIED"
    assert words(log, trust=read_trust(log.keys[0] + "\n" + home)) == "TAMPERED"
    assert words(log, trust=read_trust(log.keys[1] + "\n" + home)) == "VERIFIED"


def test_a_key_that_was_given_up_does_not_come_back_behind_a_pruned_segment(log):
    old = log.key
    log.open().checkpoint().rotate(1).group().seal()
    pruned = log.open().checkpoint().group().seal()
    log.key = old
    log.open().checkpoint().group().seal()
    operator(log, prune_record(pruned, log.origin))
    pruned.unlink()
    assert words(log) == "TAMPERED"


def test_a_group_that_the_next_segment_repeats(log):
    """A file that ended in a torn group, the one that repeats it whole, and one that holds nothing else."""
    log.open().checkpoint().group(2)
    whole = log.first
    log.seal()
    start = log.tree.size
    log.open().checkpoint().group(2)
    lines, head = list(log.lines), log.head
    second = log.seal()
    log.lines, log.first = lines[2:], start + 2
    third = log.seal()
    log.lines, log.first = lines[2:], start + 2
    assert third.name != second.name
    log.lines, log.first = [], log.tree.size
    log.open().checkpoint().group(1).seal()
    bodies = [log.slot / "sealed" / f"seg-{whole:012d}.jsonl", second, third]
    assert words(log) == "VERIFIED"
    assert log.heads[-1] is not head
    operator(log, *(prune_record(body, log.origin) for body in bodies))
    for number, body in enumerate(bodies):
        body.unlink()
        assert words(log) == "VERIFIED", number
    leaves = third.with_suffix(".leaves")
    leaves.write_bytes(leaves.read_bytes()[::-1])
    assert words(log) == "TAMPERED"


def test_lines_of_a_torn_group_beside_a_pruned_segment(log):
    log.open().checkpoint().group(2)
    body = log.seal()
    path, leaves = log.open().group(2).group(1).seal(), body.with_suffix(".leaves")
    extra = path.read_bytes().split(b"\n")[:2]
    body.write_bytes(body.read_bytes() + b"".join(line + b"\n" for line in extra) + b"x")
    assert words(log) == "TAMPERED"
    body.write_bytes(body.read_bytes()[:-1])
    assert words(log) == "VERIFIED"
    leaves.write_bytes(leaves.read_bytes() + b"".join(leaf_hash(line) for line in extra))
    assert words(log) == "VERIFIED"
    operator(log, prune_record(body, log.origin))
    body.unlink()
    assert words(log) == "VERIFIED"
    leaves.write_bytes(leaves.read_bytes()[:-32] + bytes(32))
    operator(log, prune_record(body, log.origin))
    assert words(log) == "TAMPERED"
