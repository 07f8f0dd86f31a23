"""What is there, what is missing, who is trusted, and what an outside memory adds."""

import shutil
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit.verify import read_trust, verify_directory
from gateway.audit.verify_note import Malformed, read_notes
from gateway.audit.verify_report import Verdict
from gateway.crypto.sign import SigningKey


def pins(logs):
    return read_notes(verify_directory(logs.slot).logs[0].checkpoint)


def test_a_good_log(logs):
    logs.write(groups=3, each=2)
    report = verify_directory(logs.slot, pins=pins(logs))
    [log] = report.logs
    assert (report.verdict, report.exit_code, report.words) == (Verdict.VERIFIED, 0, "VERIFIED")
    assert log.kinds == report.kinds == {"open": 1, "collect": 6, "close": 1}
    assert (log.leaves, log.size, log.checkpoints, log.segments, log.pins) == (13, 12, 5, 1, 1)
    assert log.closed
    assert not log.live
    assert log.first_time.startswith("20")
    assert report.trust == [f"{logs.key.vkey} (the log's own directory: not independent)"]


def test_without_a_pin_it_is_not_plainly_good(logs):
    logs.write()
    report = verify_directory(logs.slot)
    assert (report.words, report.exit_code) == ("UNANCHORED", 15)


@pytest.mark.parametrize("level", ["slot", "audit", "state"])
def test_a_slot_an_audit_directory_or_a_state_directory_may_be_given(logs, level):
    logs.write()
    directory = {"slot": logs.slot, "audit": logs.slot.parent, "state": logs.slot.parent.parent}[level]
    assert [log.slot for log in verify_directory(directory).logs] == ["w0"]


def test_all_logs_are_read_and_the_worst_verdict_counts(logs):
    logs.write()
    first, logs.slot = logs.slot, logs.slot.parent / "w1"
    logs.write(groups=1)
    report = verify_directory(logs.slot.parent, allow_unanchored=True)
    assert (report.words, report.kinds["collect"]) == ("VERIFIED", 8)
    logs.rewrite(next(first.glob("sealed/*.jsonl")), lambda lines: lines[:-1])
    report = verify_directory(logs.slot.parent, allow_unanchored=True)
    assert [log.verdict for log in report.logs] == [Verdict.TAMPERED, Verdict.VERIFIED]
    assert report.exit_code == 10


def test_nothing_is_never_a_pass(logs, tmp_path):
    assert logs.verdict() == "CANNOT"
    logs.slot.mkdir(parents=True)
    assert logs.verdict() == "CANNOT"
    (logs.slot / "seg-000000000000.jsonl").touch()
    assert logs.verdict() == "CANNOT"
    (logs.slot / "log.vkey").write_text(logs.key.vkey + "\n")
    assert logs.verdict() == "CANNOT"
    assert verify_directory(tmp_path / "missing").exit_code == 20


def test_an_open_record_alone_is_torn_and_with_its_checkpoint_a_log(logs):
    logs.write(groups=0, close=False)
    logs.rewrite(logs.only_segment(), lambda lines: lines[:1])
    assert logs.verdict() == "TAMPERED"
    shutil.rmtree(logs.slot)
    logs.write(groups=0, close=False)
    assert logs.verdict() == "VERIFIED"
    assert verify_directory(logs.slot).logs[0].leaves == 2


def test_no_key_cannot(logs):
    logs.write()
    (logs.slot / "log.vkey").unlink()
    assert logs.verdict() == "CANNOT"
    assert logs.verdict(trust=read_trust(logs.key.vkey)) == "VERIFIED"


def test_unreadable_cannot(logs):
    logs.write()
    path = logs.only_segment()
    path.unlink()
    path.mkdir()
    assert logs.verdict() == "CANNOT"


def test_a_missing_segment(logs):
    logs.write(groups=6, segment_bytes=900)
    [_, second, third, *_] = sorted((logs.slot / "sealed").glob("*.jsonl"))
    second.unlink()
    assert logs.verdict() == "INCOMPLETE"
    third.with_suffix(".note").unlink()
    assert logs.verdict() == "INCOMPLETE"


def test_the_first_segment_missing(logs):
    logs.write(groups=6, segment_bytes=900)
    first = min((logs.slot / "sealed").glob("*.jsonl"))
    first.unlink()
    assert logs.verdict() == "INCOMPLETE"
    first.with_suffix(".note").unlink()
    assert logs.verdict() == "INCOMPLETE"


def test_segments_swapped_renamed_or_moved_between_logs(logs):
    logs.write(groups=6, segment_bytes=900)
    other_slot = logs.slot.parent / "w1"
    other = logs.start(other_slot, origin="example.org/log/w0")
    for n in range(4):
        other.append([logs.record(f"other {n}")])
    other.close()
    sealed = sorted((logs.slot / "sealed").glob("*.jsonl"))
    one, two = sealed[0].read_bytes(), sealed[1].read_bytes()
    sealed[0].write_bytes(two)
    sealed[1].write_bytes(one)
    assert logs.verdict() == "TAMPERED"
    sealed[0].write_bytes(next((other_slot / "sealed").glob("*.jsonl")).read_bytes())
    sealed[1].write_bytes(two)
    assert logs.verdict() == "TAMPERED"
    sealed[0].write_bytes(one)
    assert logs.verdict() == "VERIFIED"
    sealed[1].rename(logs.slot / "sealed" / "seg-000000000099.jsonl")
    assert logs.verdict() == "INCOMPLETE"


def cut_at_an_older_checkpoint(logs):
    logs.rewrite(logs.only_segment(), lambda lines: lines[:-3])
    return "ROLLED BACK"


def older_copy(logs):
    shutil.rmtree(logs.slot)
    shutil.copytree(logs.slot.parent / "copy", logs.slot)
    return "ROLLED BACK"


def older_copy_written_on(logs):
    older_copy(logs)
    logs.write(groups=9)
    return "FORK"


def whole_log_gone(logs):
    shutil.rmtree(logs.slot)
    (logs.slot.parent / "copy").rename(logs.slot.parent / "w1")
    shutil.rmtree(logs.slot.parent / "w1")
    logs.slot.mkdir()
    return "CANNOT"


@pytest.mark.parametrize(
    "attack", [cut_at_an_older_checkpoint, older_copy, older_copy_written_on, whole_log_gone], ids=lambda f: f.__name__
)
def test_rolling_back_needs_a_pin_to_be_seen(logs, attack):
    logs.write(groups=2, close=False)
    shutil.copytree(logs.slot, logs.slot.parent / "copy")
    writer = logs.start()
    writer.append([logs.record("later")])
    writer.abandon()
    if attack is cut_at_an_older_checkpoint:
        shutil.rmtree(logs.slot)
        logs.write(groups=3, close=False)
    pinned = pins(logs)
    assert logs.verdict(pins=pinned, allow_unanchored=False) == "VERIFIED"
    expected = attack(logs)
    assert logs.verdict(pins=pinned) == expected
    if expected in ("ROLLED BACK", "FORK"):
        assert logs.verdict() == "VERIFIED"
        assert logs.verdict(allow_unanchored=False) == "UNANCHORED"


def test_pins_of_every_checkpoint_hold(logs):
    logs.write(groups=4, segment_bytes=900)
    notes = [path.read_text(encoding="utf-8") for path in sorted((logs.slot / "sealed").glob("*.note"))]
    assert logs.verdict(pins=read_notes("\n".join(notes)), allow_unanchored=False) == "VERIFIED"


def test_a_pin_at_any_size_is_compared(logs):
    logs.write(groups=1, each=2)
    root = b64encode(bytes(32)).decode()
    for size, verdict in ((3, "FORK"), (0, "FORK"), (7, "FORK"), (8, "ROLLED BACK")):
        if size == 7:
            assert verify_directory(logs.slot).logs[0].leaves == 7
        note = f"example.org/log/w0\n{size}\n{root}\n\n— my-own {b64encode(bytes(68)).decode()}\n"
        assert logs.verdict(pins=read_notes(note)) == verdict, size


def test_a_pin_with_a_bad_signature_of_the_logs_own_key_is_no_memory(logs):
    logs.write()
    [pin] = pins(logs)
    broken = pin.note().replace(f"\n{pin.size}\n", "\n1\n")
    assert logs.verdict(pins=read_notes(broken)) == "CANNOT"


def test_two_pins_that_differ(logs):
    logs.write()
    [pin] = pins(logs)
    other = f"{pin.origin}\n{pin.size}\n{b64encode(bytes(32)).decode()}\n\n— my-own {b64encode(bytes(68)).decode()}\n"
    assert logs.verdict(pins=[pin, *read_notes(other)]) == "FORK"


def test_a_pinned_log_that_is_not_here(logs):
    logs.write()
    [pin] = pins(logs)
    other = pin.note().replace("example.org/log/w0", "example.org/log/w7")
    assert logs.verdict(pins=[pin, *read_notes(other)]) == "INCOMPLETE"


def test_a_key_from_a_trust_file_is_named_as_such(logs):
    logs.write()
    other = SigningKey("example.org/log/w9", bytes(32)).vkey
    trust = read_trust(f"# ours\n\n{logs.key.vkey}\n{other}\n")
    report = verify_directory(logs.slot, trust=trust, pins=pins(logs))
    assert report.words == "VERIFIED"
    assert report.trust == [
        f"{logs.key.vkey} (the trust file)",
        f"{other} (in the trust file, signs no log here)",
    ]


def test_a_log_forged_with_another_key(logs):
    trusted = logs.key.vkey
    logs.key = SigningKey("example.org/log/w0", bytes(32))
    logs.write()
    assert logs.verdict() == "VERIFIED"
    assert logs.verdict(trust=read_trust(trusted)) == "TAMPERED"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "name+00000000+AAAA", "x"])
def test_a_trust_file_must_hold_keys(text):
    with pytest.raises(Malformed):
        read_trust(text)


def test_stale_is_judged_only_when_asked_and_not_for_a_closed_log(logs):
    now = datetime.now(UTC)
    logs.write(close=False)
    assert logs.verdict(at=now) == "VERIFIED"
    later = now + timedelta(minutes=4)
    assert logs.verdict() == "VERIFIED"
    assert logs.verdict(at=later) == "STALE"
    logs.write()
    assert logs.verdict(at=later) == "VERIFIED"


def test_torn_copies_must_be_the_recorded_ones(logs):
    logs.write(close=False)
    path = logs.only_segment()
    path.write_bytes(path.read_bytes().rstrip(b"\0") + b"torn")
    logs.start().close()
    assert logs.verdict() == "VERIFIED"
    [copy] = (logs.slot / "torn").iterdir()
    copy.write_bytes(b"other")
    assert logs.verdict() == "TAMPERED"
    copy.rename(copy.with_name(f"seg-000000000000.jsonl.3.{'0' * 64}"))
    assert logs.verdict() == "TAMPERED"
    next((logs.slot / "torn").iterdir()).unlink()
    assert logs.verdict() == "VERIFIED"


def test_progress_reaches_the_whole(logs):
    logs.write(groups=3)
    told = []
    verify_directory(logs.slot, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == logs.only_segment().stat().st_size
