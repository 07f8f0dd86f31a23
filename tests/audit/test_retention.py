import json
import shutil

import pytest
from retained import Retained, at, encoded, key_of, leaves_in, line, note_of, root_of, root_under

from gateway.audit import segment as segment_module
from gateway.audit.operator_log import operator_records
from gateway.audit.retention import prunable, prune, sweep
from gateway.audit.search import Query, search
from gateway.model.errors import StoreDown
from gateway.model.words import Kind, Posture


@pytest.fixture
def retained(tmp_path, no_sync):
    return Retained(tmp_path / "audit")


def names(bodies):
    return [f"{body.path.parent.parent.name}/{body.path.name}" for body in bodies]


def run(retained, before, slot=""):
    recorded = prune(prunable(retained.audit, before, slot), retained.operator, policy="retention 9d", by="test")
    return recorded, sweep(retained.audit)


def test_sealed_segments_are_old_by_their_newest_record(retained):
    retained.write("w0", 1, 5, 9)
    retained.write("w1", 5, 9)
    first, second, _ = retained.bodies("w0")

    assert names(prunable(retained.audit, at(5))) == [f"w0/{first}"]
    assert names(prunable(retained.audit, at(5, 3))) == [f"w0/{first}"]
    assert names(prunable(retained.audit, at(5, 4))) == [f"w0/{first}", f"w0/{second}", f"w1/{first}"]
    assert names(prunable(retained.audit, at(5, 4), "w1")) == [f"w1/{first}"]
    body = next(prunable(retained.audit, at(6)))
    assert (body.first, body.size, body.oldest, body.newest) == (0, 10, at(1), at(1, 3))
    assert body.length == body.path.stat().st_size


def test_the_newest_segment_of_a_log_stays_whatever_its_age(retained):
    retained.write("w0", 1, 2)
    writer = retained.start("w1", 1)
    writer.abandon()
    first, _ = retained.bodies("w0")

    assert names(prunable(retained.audit, at(28))) == [f"w0/{first}"]


def test_an_older_segment_after_a_younger_one_waits_for_it(retained):
    retained.write("w0", 20, 1, 2)

    assert names(prunable(retained.audit, at(10))) == []
    assert len(names(prunable(retained.audit, at(21)))) == 2


def test_the_log_of_operators_is_never_pruned(retained):
    for day in range(1, 4):
        retained.operator.append([{"kind": "erase", "key": "0" * 64, "by": str(day)}])

    assert names(prunable(retained.audit, "2099-01-01T00:00:00.000000Z")) == []


def test_a_body_goes_and_what_proves_it_stays(retained):
    retained.write("w0", 1, 5, 9)
    before = retained.lines("w0")
    sealed = retained.audit / "w0" / "sealed"
    first, second, third = retained.bodies("w0")
    bodies = {name: (sealed / name).read_bytes() for name in (first, second)}
    recorded, swept = run(retained, at(6))

    assert names(recorded) == [f"w0/{first}", f"w0/{second}"]
    assert [each.segment for each in swept.deleted] == [first, second]
    assert retained.bodies("w0") == [third]
    for body in recorded:
        leaves = leaves_in(sealed / body.leaves_path.name)
        raw = bodies[body.path.name].splitlines()
        opened = json.loads(raw[0])["previous"]
        size, root = note_of(body.path.with_suffix(".note"))
        assert leaves == [root_of([hash_of(each)]) for each in raw]
        assert len(leaves) == size + 1 - body.first
        assert encoded(root_under(opened["frontier"], opened["size"], leaves[:-1])) == root
    every = [leaf for name in (first, second) for leaf in leaves_in(sealed / f"{name[:-6]}.leaves")]
    opening = next(each for each in before if each["index"] == len(every))
    assert opening["previous"]["root"] == encoded(root_of(every))


def hash_of(raw):
    import hashlib

    return hashlib.sha256(b"\0" + raw).digest()


def test_the_record_says_what_went_and_why(retained):
    retained.write("w0", 1, 9)
    (body,), _ = run(retained, at(6))
    ((_, record),) = operator_records(retained.audit, Kind.PRUNE)

    size, root = note_of(body.path.with_suffix(".note"))
    assert {name: record[name] for name in ("by", "first", "kind", "origin", "policy", "root", "segment", "size")} == {
        "by": "test",
        "first": 0,
        "kind": "prune",
        "origin": key_of("w0").name,
        "policy": "retention 9d",
        "root": root,
        "segment": "seg-000000000000.jsonl",
        "size": size + 1,
    }
    assert set(record) - {"by", "first", "kind", "origin", "policy", "root", "segment", "size"} == {
        "index",
        "leaves",
        "time",
        "version",
    }


def test_a_pruned_log_is_written_on_and_searched(retained):
    retained.write("w0", 1, 5, 9, recipient="shop")
    run(retained, at(6))
    retained.write("w0", 12, recipient="mailer")

    found = search([retained.audit / "w0"], Query(kind="count"))
    assert [entry.record["recipient"] for entry in found] == ["mailer"] * 4 + ["shop"] * 4
    assert [body.first for body in prunable(retained.audit, at(11))] == [20]


def test_leaves_that_the_writer_left_are_kept_as_they_are(retained):
    retained.write("w0", 1, 9)
    body = next(prunable(retained.audit, at(6)))
    body.leaves_path.write_bytes(body.leaves)
    made = body.leaves_path.stat().st_mtime_ns
    run(retained, at(6))

    assert body.leaves_path.stat().st_mtime_ns == made
    assert not body.path.exists()


def test_a_log_whose_key_was_rotated_is_known_by_each_of_its_keys(retained):
    retained.write("w0", 1, 9)
    keys = retained.audit / "w0" / "log.vkey"
    keys.write_text(keys.read_text() + key_of("w0-later").vkey + "\n")
    assert len(run(retained, at(6))[1].deleted) == 1

    retained.write("w1", 1, 9)
    (retained.audit / "w1" / "log.vkey").write_text(key_of("w1-later").vkey + "\n")
    with pytest.raises(StoreDown, match="not signed by the log's key"):
        run(retained, at(6))


def edited(path):
    path.write_bytes(path.read_bytes().replace(b"count", b"COUNT", 1))


def shortened(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))


def garbage(path):
    path.write_bytes(path.read_bytes() + b"{\n")


def emptied(path):
    path.write_bytes(b"")


def without_note(path):
    path.with_suffix(".note").unlink()


def another_note(path):
    note = path.with_suffix(".note")
    note.write_bytes(note.read_bytes().replace(b"\n9\n", b"\n8\n"))


def another_signature(path):
    note = path.with_suffix(".note")
    head, _, tail = note.read_text().rpartition(" ")
    note.write_text(f"{head} {'A' + tail[1:]}")


def another_root(path):
    key = key_of("w0")
    body = f"{key.name}\n9\n{encoded(bytes(32))}\n"
    signature = encoded(key.sign(body.encode()))
    path.with_suffix(".note").write_text(f"{body}\n— {key.name} {signature}\n")


def other_leaves(path):
    path.with_suffix(".leaves").write_bytes(bytes(320))


@pytest.mark.parametrize(
    "damage",
    [edited, shortened, garbage, emptied, without_note, another_note, another_signature, another_root, other_leaves],
)
def test_a_segment_that_is_not_what_its_note_says_stays(retained, damage):
    retained.write("w0", 1, 9)
    path = retained.audit / "w0" / "sealed" / "seg-000000000000.jsonl"
    damage(path)

    with pytest.raises(StoreDown) as caught:
        run(retained, at(6))
    assert caught.value.posture is Posture.AUDIT_UNAVAILABLE
    assert "seg-000000000000" in caught.value.why
    assert path.exists()
    assert operator_records(retained.audit, Kind.PRUNE) == []


@pytest.mark.parametrize("damage", [without_note, another_root, other_leaves])
def test_nothing_is_deleted_whose_proof_went_after_the_record(retained, damage):
    retained.write("w0", 1, 9)
    prune(prunable(retained.audit, at(6)), retained.operator, policy="p", by="b")
    path = retained.audit / "w0" / "sealed" / "seg-000000000000.jsonl"
    damage(path)

    with pytest.raises(StoreDown):
        sweep(retained.audit)
    assert path.exists()


def unsure_writer(retained, monkeypatch):
    """A writer whose first group was written, and nobody knows whether it was synced."""
    writer = retained.start("w0", 1)
    append = segment_module.Segment.append

    def unsure(self, data):
        append(self, data)
        raise OSError(5, "the sync failed")

    with monkeypatch.context() as failing:
        failing.setattr(segment_module.Segment, "append", unsure)
        with pytest.raises(OSError, match="sync failed"):
            writer.append([line("count", at(1))])
    return writer


def test_a_segment_that_repeats_a_group_goes_only_with_the_one_before_it(retained, monkeypatch):
    writer = unsure_writer(retained, monkeypatch)
    writer.append([line("count", at(4))])
    writer.close()
    retained.recover("w0")
    first, second, third = retained.bodies("w0")
    sealed = retained.audit / "w0" / "sealed"
    assert (sealed / second).read_bytes().startswith((sealed / first).read_bytes().splitlines(keepends=True)[2])

    assert names(prunable(retained.audit, at(3))) == []
    assert names(prunable(retained.audit, at(6))) == [f"w0/{first}", f"w0/{second}"]
    (sealed / second).write_bytes((sealed / second).read_bytes().replace(b"count", b"COUNT", 1))
    with pytest.raises(StoreDown):
        list(prunable(retained.audit, at(6)))
    (sealed / second).write_bytes((sealed / second).read_bytes().replace(b"COUNT", b"count", 1))
    run(retained, at(6))
    assert retained.bodies("w0") == [third]
    retained.recover("w0")


def test_a_segment_that_holds_nothing_but_the_repeated_group_goes_too(retained, monkeypatch):
    writer = unsure_writer(retained, monkeypatch)
    append = segment_module.Segment.append
    calls = []

    def once(self, data):
        calls.append(data)
        if len(calls) > 1:
            raise OSError(5, "nothing more is written")
        append(self, data)

    with monkeypatch.context() as failing:
        failing.setattr(segment_module.Segment, "append", once)
        with pytest.raises(OSError, match="nothing more"):
            writer.append([line("count", at(1))])
    writer.abandon()
    retained.recover("w0")
    first, second, third = retained.bodies("w0")

    bodies = list(prunable(retained.audit, at(3)))
    assert names(bodies) == [f"w0/{first}", f"w0/{second}"]
    assert bodies[0].leaves.endswith(bodies[1].leaves)
    run(retained, at(3))
    assert retained.bodies("w0") == [third]


def test_a_log_in_two_directories_is_pruned_in_both(retained, tmp_path):
    retained.write("w0", 1, 5, 9)
    first, second, third = retained.bodies("w0")
    home, other = retained.audit / "w0", tmp_path / "other" / "w0"
    shutil.copytree(home, other)
    (home / "second").write_text(f"{other}\n")
    for path in (home / "sealed" / second).with_suffix(".note"), home / "sealed" / second:
        path.unlink()  # written while only the second directory could be

    assert names(prunable(retained.audit, at(6))) == [f"w0/{first}", f"w0/{second}"]
    swept = run(retained, at(6))[1]
    assert [each.path.parent.parent for each in swept.deleted] == [home, other, other]
    assert sorted(path.name for path in (other / "sealed").glob("*.jsonl")) == [third]
    assert (home / "sealed" / first).with_suffix(".leaves").exists()
    for name in (first, second):
        assert (other / "sealed" / name).with_suffix(".leaves").exists()


def test_two_copies_that_differ_both_stay(retained, tmp_path):
    retained.write("w0", 1, 9)
    home, other = retained.audit / "w0", tmp_path / "other" / "w0"
    shutil.copytree(home, other)
    (home / "second").write_text(f"{other}\n")
    edited(other / "sealed" / "seg-000000000000.jsonl")

    with pytest.raises(StoreDown, match="two copies"):
        run(retained, at(6))
    assert operator_records(retained.audit, Kind.PRUNE) == []


def test_a_copy_that_was_out_of_reach_goes_when_it_is_back(retained, tmp_path):
    retained.write("w0", 1, 9)
    home, other = retained.audit / "w0", tmp_path / "other" / "w0"
    list(prunable(retained.audit, at(6)))
    body = next(prunable(retained.audit, at(6)))
    body.leaves_path.write_bytes(body.leaves)
    shutil.copytree(home, other)
    (home / "second").write_text(f"{tmp_path}/unmounted\n")
    assert len(run(retained, at(6))[1].deleted) == 1

    (home / "second").write_text(f"{other}\n")
    (swept,) = sweep(retained.audit).deleted
    assert swept.path.parent.parent == other
