"""Which signatures are checked, which a later one covers, and that findings do not depend on it."""

import os

import msgspec
import pytest
from written import Written, prune_record

from gateway.audit import verify_block, verify_segment
from gateway.audit.lines import Checkpoint, checkpoint_line
from gateway.audit.slot import claim
from gateway.audit.verify import read_trust, verify_directory
from gateway.audit.verify_note import VerifierKey
from gateway.audit.verify_pins import Pins, Receipt
from gateway.audit.verify_plain import PlainLines
from gateway.crypto.sign import SigningKey


@pytest.fixture
def log(tmp_path):
    """Five groups under the first key, three under the second, in two segments."""
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().group(2).group(1).rotate(1).group(1).seal()
    log.open().checkpoint().group(2).leave_open()
    return log


@pytest.fixture
def checked(monkeypatch):
    """The sizes of the trees whose signatures were checked, in order."""
    sizes = []
    real = VerifierKey.accepts

    def accepts(key, body, signature):
        sizes.append(int(body.split(b"\n")[1]))
        return real(key, body, signature)

    monkeypatch.setattr(VerifierKey, "accepts", accepts)
    return sizes


def verify(directory, **options):
    return verify_directory(directory, allow_unanchored=True, **options)


def badly_signed(log, key=None):
    """A checkpoint whose signature is not over its tree; later ones cover it."""
    key = key or log.key
    size, root = log.tree.size, log.tree.root()
    return log._line(checkpoint_line(Checkpoint(size, root, key.sign(b"something else\n"))))


def test_the_last_of_each_key_in_each_segment_is_checked(log, checked):
    assert verify(log.slot).words == "VERIFIED"
    sizes = [head.size for head in log.heads]
    assert checked == [sizes[3], sizes[4], sizes[6]]


def test_all_are_checked_when_asked_for(log, checked):
    assert verify(log.slot, every_signature=True).words == "VERIFIED"
    assert checked == [head.size for head in log.heads]


def test_all_of_a_segment_are_checked_where_anything_is_wrong_with_it(log, checked):
    receipt = Receipt(log.origin, 3, bytes(32))
    assert verify(log.slot, pins=Pins((), [receipt])).words == "FORK"
    sizes = [head.size for head in log.heads]
    assert checked == [sizes[3], sizes[4], *sizes[:5], sizes[6]]


def test_a_segment_of_one_group(tmp_path, checked):
    log = Written(tmp_path / "audit" / "w0")
    badly_signed(log.open()).leave_open()
    assert verify(log.slot).words == "TAMPERED"
    assert checked == [1, 1]


@pytest.mark.parametrize("where", ["middle", "end of a segment", "end of the log", "before a rotation"])
def test_a_bad_signature_passes_only_under_a_later_one_of_its_key_and_segment(tmp_path, where):
    log = Written(tmp_path / "audit" / "w0")
    bad = log.open().checkpoint().group(1).add("count").tree.size
    line = len(log.lines) + 1
    if where == "before a rotation":
        new = SigningKey(log.origin, bytes([1]) * 32)
        bad, line = bad + 1, line + 1
        badly_signed(log.add("rotate", vkey=new.vkey))
        log.key = new
        log.keys.append(new.vkey)
        log.publish_keys()
    else:
        badly_signed(log)
    if where == "end of a segment":
        log.head = Checkpoint(bad, log.heads[-1].root, log.heads[-1].signature)
        log.seal()
        log.open().checkpoint()
    elif where != "end of the log":
        log.group(1)
    log.leave_open()
    every = verify(log.slot, every_signature=True)
    assert every.words == "TAMPERED"
    [finding] = every.logs[0].findings
    assert (finding.line, finding.last_index) == (line, bad)
    if where == "middle":
        assert verify(log.slot).words == "VERIFIED"
    else:
        assert msgspec.to_builtins(verify(log.slot)) == msgspec.to_builtins(every)


def test_a_key_in_force_later_does_not_vouch_for_the_time_before_the_rotation(tmp_path):
    """Whoever stole the second key has rewritten what the first one signed, and trusts the second."""
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().group(1)
    first, stolen = log.key, SigningKey(log.origin, bytes([1]) * 32)
    forged = Written(tmp_path / "forged" / "w0")
    forged.open()
    badly_signed(forged, first)
    badly_signed(forged.add("rotate", vkey=stolen.vkey), first)
    forged.key = stolen
    forged.keys.append(stolen.vkey)
    forged.publish_keys()
    forged.group(2).leave_open()
    report = verify(forged.slot, trust=read_trust(stolen.vkey))
    assert report.words == "TAMPERED"
    assert report.logs[0].findings[0].first_index == 0


@pytest.mark.parametrize("signature", ["another key's", "short"])
def test_a_signature_that_is_plainly_not_the_keys_is_found_without_checking_it(tmp_path, signature):
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint()
    if signature == "short":
        log._line(checkpoint_line(Checkpoint(log.tree.size, log.tree.root(), log.key.sign(b"x\n")[:-1])))
    else:
        badly_signed(log, SigningKey(log.origin, bytes([9]) * 32))
    log.group(1).leave_open()
    assert verify(log.slot).words == "TAMPERED"


def flipped(path, step):
    data = path.read_bytes()
    for position in range(0, len(data), step):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        yield position
    path.write_bytes(data)


@pytest.mark.parametrize("block", [100, verify_block.BLOCK])
def test_one_bit_flipped_is_found_at_the_same_place(log, monkeypatch, block):
    pins = Pins((), [Receipt(log.origin, 5, bytes(32))])
    for path in sorted(log.slot.rglob("*.jsonl")):
        for position in flipped(path, 3):
            for given in (Pins(), pins):
                monkeypatch.setattr(verify_block, "BLOCK", block)
                one = msgspec.to_builtins(verify(log.slot, pins=given))
                monkeypatch.undo()
                every = msgspec.to_builtins(verify(log.slot, pins=given, every_signature=True))
                assert one == every, (path.name, position)
                assert one["words"] == "TAMPERED", (path.name, position)


@pytest.mark.parametrize("segment", [0, 1])
def test_one_bit_flipped_behind_a_pruned_segment_or_a_repeated_group(tmp_path, segment):
    log = Written(tmp_path / "audit" / "w0")
    bodies = log.three_segments()
    operator = Written(log.slot.parent / "operator", seed=6)
    operator.open().add("prune", **prune_record(bodies[0], log.origin)).checkpoint().seal()
    bodies[0].unlink()
    assert verify(log.slot).words == "VERIFIED"
    for position in flipped(bodies[1 + segment], 5):
        one, every = (msgspec.to_builtins(verify(log.slot, every_signature=each)) for each in (False, True))
        assert one == every, position
        assert one["words"] == "TAMPERED", position


def test_a_live_tail_is_read_until_its_last_checkpoint(log, monkeypatch, checked):
    monkeypatch.setattr(verify_segment, "RETRY_SECONDS", 0)
    path = next(log.slot.glob("seg-*.jsonl"))
    whole = path.read_bytes()
    lock = claim(log.slot)
    try:
        for end in range(len(whole) - 300, len(whole)):
            path.write_bytes(whole[:end] + bytes(64))
            checked.clear()
            assert verify(log.slot).words == "VERIFIED"
            assert checked[-1] in (log.heads[5].size, log.heads[6].size)
        changed = whole.replace(b'"root"', b'"toor"', 1)
        path.write_bytes(changed)
        assert verify(log.slot).words == "TAMPERED"
    finally:
        os.close(lock)


def test_one_bit_flipped_in_lines_that_are_read_quickly(logs, monkeypatch):
    """The first block of a segment has its `open` record and is read slowly, so blocks are small here."""
    monkeypatch.setattr(verify_block, "BLOCK", 400)
    quickly = []
    real = PlainLines.read

    def read(reader, block, lines, index):
        found = real(reader, block, lines, index)
        quickly.append(found is not None)
        return found

    monkeypatch.setattr(PlainLines, "read", read)
    logs.write(groups=3, each=2)
    path = logs.only_segment()
    ends = [end for end, byte in enumerate(path.read_bytes()) if byte == 10]
    assert verify(logs.slot).words == "VERIFIED"
    assert quickly.count(True) > 5
    for position in flipped(path, 3):
        report = verify(logs.slot)
        assert report.words == "TAMPERED", position
        changed = sum(end < position for end in ends)
        found = [each for each in report.logs[0].findings if each.segment == path.name]
        assert any(each.first_index <= changed <= each.last_index for each in found), (position, found)
        every = verify(logs.slot, every_signature=True)
        assert msgspec.to_builtins(report) == msgspec.to_builtins(every), position
