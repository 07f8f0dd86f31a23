from gateway.audit.verify_files import find_segments, find_slots, is_live, lone_notes, open_segment, size_of, torn_files


def test_only_directories_with_a_log_are_slots(tmp_path):
    audit = tmp_path / "audit"
    for name, file in (("a", "LOCK"), ("b", "log.vkey"), ("c", "seg-000000000000.jsonl"), ("d", "notes.txt")):
        (audit / name).mkdir(parents=True)
        (audit / name / file).touch()
    (audit / "e" / "sealed").mkdir(parents=True)
    assert [path.name for path in find_slots(tmp_path)] == ["a", "b", "c", "e"]
    assert find_slots(audit / "c") == [audit / "c"]
    assert find_slots(tmp_path / "missing") == []


def test_segments_are_listed_by_their_first_leaf_wherever_they_are(tmp_path):
    (tmp_path / "sealed").mkdir()
    for name in (
        "sealed/seg-000000000000.jsonl",
        "seg-000000000009.jsonl",
        "sealed/seg-1000000000000.jsonl",
        "seg-1.jsonl",
    ):
        (tmp_path / name).write_bytes(b"12345")
    found = find_segments(tmp_path)
    assert [(segment.first, segment.sealed) for segment in found] == [(0, True), (9, False), (10**12, True)]
    assert size_of(found[0]) == 5


def test_a_segment_sealed_after_it_was_listed_is_still_opened(tmp_path):
    (tmp_path / "seg-000000000000.jsonl").write_bytes(b"body")
    [segment] = find_segments(tmp_path)
    (tmp_path / "sealed").mkdir()
    segment.path.rename(tmp_path / "sealed" / segment.path.name)
    with open_segment(segment) as file:
        assert file.read() == b"body"


def test_notes_and_torn_bytes(tmp_path):
    (tmp_path / "sealed").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "sealed" / "seg-000000000004.note").touch()
    digest = "ab" * 32
    (tmp_path / "torn" / f"seg-000000000004.jsonl.17.{digest}").touch()
    (tmp_path / "torn" / f"seg-000000000004.jsonl.17.{digest}.pending").touch()
    assert list(lone_notes(tmp_path, [])) == ["seg-000000000004.note"]
    assert [entry[1:] for entry in torn_files(tmp_path)] == [("seg-000000000004.jsonl", 17, digest)]


def test_no_lock_is_no_writer(tmp_path):
    assert not is_live(tmp_path)
