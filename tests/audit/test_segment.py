import fcntl
import os

import pytest

from gateway.audit import segment as module
from gateway.audit.sealing import leaves_of, seal
from gateway.audit.segment import Segment, segment_name, segments_in, write_file


def test_names_sort_and_only_segments_are_listed(tmp_path):
    for name in ("seg-000000000010.jsonl", "seg-000000000002.jsonl", "seg-2.jsonl", "LOCK", "seg-000000000003.note"):
        (tmp_path / name).touch()
    assert [first for first, _ in segments_in(tmp_path)] == [2, 10]
    assert segments_in(tmp_path / "missing") == []
    assert segment_name(10**12) == "seg-1000000000000.jsonl"


def test_a_name_is_taken_once(tmp_path):
    Segment.create(tmp_path, 0)
    with pytest.raises(FileExistsError):
        Segment.create(tmp_path, 0)


def test_a_write_returns_only_when_it_is_on_the_device(tmp_path, monkeypatch):
    flags = []
    real = os.pwrite

    def pwrite(fd, data, offset):
        flags.append(fcntl.fcntl(fd, fcntl.F_GETFL))
        return real(fd, data, offset)

    monkeypatch.setattr(module.os, "pwrite", pwrite)
    Segment.create(tmp_path, 0).append(b"line\n")
    assert flags
    assert all(flag & os.O_DSYNC for flag in flags)


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
def test_short_writes_are_completed(tmp_path, monkeypatch, most):
    real = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda fd, data, offset: real(fd, bytes(data[:most]), offset))
    monkeypatch.setattr(module, "FILL", 8)
    segment = Segment.create(tmp_path, 0)
    segment.append(b"first\n")
    segment.append(b"second\n")
    segment.finish()
    assert (tmp_path / segment_name(0)).read_bytes() == b"first\nsecond\n"


def test_a_device_that_takes_nothing_is_an_error_and_no_endless_loop(tmp_path, monkeypatch):
    segment = Segment.create(tmp_path, 0)
    monkeypatch.setattr(module.os, "pwrite", lambda fd, data, offset: 0)
    with pytest.raises(OSError, match="no more bytes"):
        segment.append(b"line\n")


def test_room_is_zeros_until_the_end(tmp_path):
    segment = Segment.create(tmp_path, 0)
    segment.append(b"line\n")
    assert segment.path.read_bytes() == b"line\n" + bytes(module.FILL)
    segment.finish()
    assert segment.path.read_bytes() == b"line\n"


def test_an_unlinked_file_is_noticed_at_once(tmp_path):
    segment = Segment.create(tmp_path, 0)
    segment.path.unlink()
    with pytest.raises(OSError, match="unlinked"):
        segment.append(b"line\n")


def test_a_truncated_file_is_noticed_at_once(tmp_path):
    segment = Segment.create(tmp_path, 0)
    segment.append(b"line\n")
    os.truncate(segment.path, 2)
    with pytest.raises(OSError, match="changed"):
        segment.append(b"line\n")


def test_a_renamed_file_is_noticed_at_once(tmp_path):
    segment = Segment.create(tmp_path, 0)
    segment.append(b"line\n")
    segment.path.rename(tmp_path / "moved")
    with pytest.raises(OSError, match="unlinked"):
        segment.append(b"line\n")


def test_a_replaced_file_is_noticed_when_the_path_is_looked_at(tmp_path, monkeypatch):
    segment = Segment.create(tmp_path, 0)
    segment.path.rename(tmp_path / "moved")
    segment.path.write_bytes(b"")
    segment.append(b"not looked at yet\n")
    monkeypatch.setattr(module, "PATH_CHECK_SECONDS", 0)
    with pytest.raises(OSError, match="replaced"):
        segment.append(b"line\n")


def test_only_our_own_file_is_discarded(tmp_path):
    segment = Segment.create(tmp_path, 0)
    segment.path.unlink()
    segment.path.write_bytes(b"someone else's")
    segment.discard()
    assert segment.path.exists()
    other = Segment.create(tmp_path, 1)
    other.discard()
    assert not other.path.exists()


def test_abandoning_twice_is_harmless(tmp_path):
    segment = Segment.create(tmp_path, 0)
    segment.abandon()
    segment.abandon()


def test_seal_puts_the_note_first(tmp_path):
    path = tmp_path / segment_name(7)
    path.write_bytes(b"body\n")
    seal(path, b"note\n", leaves_of(b"body\n"))
    assert sorted(p.name for p in (tmp_path / "sealed").iterdir()) == [
        "seg-000000000007.jsonl",
        "seg-000000000007.leaves",
        "seg-000000000007.note",
    ]
    assert not path.exists()


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
