"""What the log of heads beside the others remembers of them, and what was kept outside in its various forms."""

import json
import shutil
from base64 import b64encode

import pytest
from written import Written

from gateway.audit.proof import Proof
from gateway.audit.proof_make import prove
from gateway.audit.proof_source import Source
from gateway.audit.tree import leaf_hash
from gateway.audit.verify import verify_directory
from gateway.audit.verify_memory import Hashes
from gateway.audit.verify_note import Malformed, read_note
from gateway.audit.verify_pins import Pins, read_since


@pytest.fixture
def log(tmp_path):
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().group().group(3).seal()
    return log


@pytest.fixture
def anchor(log):
    anchor = Written(log.slot.parent / "anchor", seed=5)
    anchor.open().checkpoint()
    for head in log.heads:
        record_heads(anchor, log, head)
    return anchor


def entry(log, head, **changed):
    return {"origin": log.origin, "root": b64encode(head.root).decode(), "size": head.size} | changed


def record_heads(anchor, log, head, **changed):
    anchor.add("heads", heads=[entry(log, head, **changed)]).checkpoint()


def verified(log, **options):
    return verify_directory(log.slot.parent, **options)


def test_heads_that_fit_do_not_stand_in_for_an_outside_memory(log, anchor):
    anchor.seal()
    report = verified(log)
    assert report.words == "UNANCHORED"
    assert [each.heads for each in report.logs] == [0, 3]
    assert verified(log, allow_unanchored=True).words == "VERIFIED"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"size": 100}, "ROLLED BACK"),
        ({"root": "A" * 43 + "="}, "FORK"),
        ({"origin": "example.org/log/w7"}, "INCOMPLETE"),
    ],
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_heads_that_contradict(log, anchor, changed, expected, jobs):
    record_heads(anchor, log, log.heads[1], **changed)
    record_heads(anchor, log, log.heads[-1])
    anchor.seal()
    assert verified(log, allow_unanchored=True, jobs=jobs).words == expected


def test_all_logs_gone_but_the_one_of_heads(log, anchor):
    anchor.seal()
    shutil.rmtree(log.slot)
    assert verified(log).words == "INCOMPLETE"
    log.slot.mkdir()
    assert verified(log).words == "INCOMPLETE"
    assert verify_directory(log.slot.parent / "anchor", allow_unanchored=True).words == "VERIFIED"


def test_a_changed_log_is_tampered_with_whatever_heads_say(log, anchor):
    record_heads(anchor, log, log.heads[1], root="A" * 43 + "=")
    anchor.seal()
    body = next((log.slot / "sealed").glob("*.jsonl"))
    body.write_bytes(body.read_bytes().replace(b'"kind":"count"', b'"kind":"reveal"', 1))
    assert verified(log).words == "TAMPERED"


def since(*texts):
    pins = Pins()
    for text in texts:
        read_since(text, pins)
    return pins


def receipt(log, index, leaf):
    return f"{log.origin}:{index}:{b64encode(leaf).decode()}\n"


def lines_of(log):
    return next((log.slot / "sealed").glob("*.jsonl")).read_bytes().split(b"\n")[:-1]


def test_receipts_are_memory(log):
    good = "".join(receipt(log, index, leaf_hash(line)) for index, line in enumerate(lines_of(log)))
    report = verified(log, pins=since(good))
    assert (report.words, report.logs[0].pins) == ("VERIFIED", 9)
    assert verified(log, pins=since(receipt(log, 2, bytes(32)))).words == "FORK"
    assert verified(log, pins=since(receipt(log, 8, bytes(32)))).words == "FORK"
    assert verified(log, pins=since(receipt(log, 9, bytes(32)))).words == "ROLLED BACK"
    assert verified(log, pins=since(receipt(log, 2, bytes(32)).replace("w0", "w5"))).words == "INCOMPLETE"
    assert verified(log, pins=since(good + receipt(log, 2, bytes(32)))).words == "FORK"


def test_a_receipt_does_not_hide_that_the_log_was_changed(log):
    lines = lines_of(log)
    body = next((log.slot / "sealed").glob("*.jsonl"))
    body.write_bytes(b"".join(line + b"\n" for line in lines).replace(b'"kind":"count"', b'"kind":"reveal"', 1))
    assert verified(log, pins=since(receipt(log, 2, leaf_hash(lines[2])))).words == "TAMPERED"


def test_proofs_are_memory(log):
    proof = prove(Source(log.slot), 2)
    assert verified(log, pins=since(proof.text())).words == "VERIFIED"
    bare = Proof(proof.index, proof.path, proof.head)
    assert verified(log, pins=since(bare.text())).logs[0].pins == 1
    wrong = Proof(2, proof.path, proof.head, proof.line.replace(b"count", b"reveal"))
    with pytest.raises(Malformed, match="does not prove"):
        since(wrong.text())


def test_file_anchors_are_memory(log, anchor):
    note = f"{anchor.origin}\n{anchor.head.size}\n{b64encode(anchor.head.root).decode()}\n\n"
    note += f"— {anchor.origin} {b64encode(anchor.head.signature).decode()}\n"
    anchor.seal()

    def line(**changed):
        return json.dumps({"time": "t", "note": note, "heads": [entry(log, log.heads[1], **changed)]}) + "\n"

    report = verified(log, pins=since(line() + line()))
    assert (report.words, [each.pins for each in report.logs]) == ("VERIFIED", [1, 1])
    assert verified(log, pins=since(line() + line()[:40])).words == "VERIFIED"
    assert verified(log, pins=since(line(size=99))).words == "ROLLED BACK"
    assert verified(log, pins=since(line(root="A" * 43 + "="))).words == "FORK"
    assert verified(log, pins=since(line(origin="example.org/log/w4"))).words == "INCOMPLETE"
    assert verified(log, pins=since(line()[:40] + line() + line(size=99)[:-1])).words == "ROLLED BACK"
    for bad in ("{}\n", "{\n", line()[:-2], line(size=-1), line().replace('"time"', '"note"'), line() + "[]\n"):
        with pytest.raises(Malformed):
            since(bad)


@pytest.mark.parametrize(
    "text", ["", " \n", "# comment\n", "c2sp.org/tlog-proof@v1\n", "{", "\x00", "a:1:" + "A" * 43 + "=\nx\n"]
)
def test_a_file_without_memory_is_refused(text):
    with pytest.raises(Malformed):
        since(text)


def test_notes_and_receipts_add_up(log):
    note = next((log.slot / "sealed").glob("*.note")).read_text(encoding="utf-8")
    pins = since(note, receipt(log, 0, leaf_hash(lines_of(log)[0])))
    assert verified(log, pins=pins).logs[0].pins == 2
    assert read_note(note).size == 8


def test_hashes_are_kept_in_order_whatever_their_order_of_arrival():
    hashes = Hashes()
    for number in (5, 1, 3, 2**60, 3):
        assert hashes.add(number, number.to_bytes(32, "big"))
    assert not hashes.add(3, bytes(32))
    assert [number for number, _ in hashes] == [1, 3, 5, 2**60]
    assert [value[-1] for _, value in hashes.between(2, 5)] == [3, 5]
    assert len(hashes.part(1, 3)) == 2
