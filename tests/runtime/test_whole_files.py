"""A directory that is there whole or not at all, for its owner only."""

import hashlib
import multiprocessing
import os

import pytest

from gateway.runtime.whole_files import whole_directory, write_file


def write_into(target, problem=None):
    with whole_directory(target) as directory:
        write_file(directory, "a", [b"1"])
        if problem is not None:
            raise problem


def test_it_gets_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "out"
    with whole_directory(target) as directory:
        written = write_file(directory, "a", [b"one", b"two"])
        assert not target.exists()

    assert (target / "a").read_bytes() == b"onetwo"
    assert (written.bytes, written.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert (target.stat().st_mode & 0o777, (target / "a").stat().st_mode & 0o777) == (0o700, 0o600)
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_directory_is_replaced_and_another_one_never(tmp_path):
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    full.mkdir()
    (full / "kept").write_text("x")
    write_into(empty)
    with pytest.raises(OSError, match="not empty"):
        write_into(full)

    assert (empty / "a").exists()
    assert [path.name for path in full.iterdir()] == ["kept"]
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "full"}


def test_where_the_work_fails_nothing_is_left(tmp_path):
    with pytest.raises(OSError, match="disk"):
        write_into(tmp_path / "out", OSError("disk"))

    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_written_over(tmp_path):
    write_file(tmp_path, "a", [b"1"])
    with pytest.raises(FileExistsError):
        write_file(tmp_path, "a", [b"2"])

    assert (tmp_path / "a").read_bytes() == b"1"


def die(target):
    with whole_directory(target) as directory:
        write_file(directory, "a", [b"1"])
        os._exit(9)


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path):
    dying = multiprocessing.get_context("fork").Process(target=die, args=(tmp_path / "out",))
    dying.start()
    dying.join()
    running = tmp_path / f".out.{os.getppid()}.partial"
    running.mkdir()
    assert len(list(tmp_path.iterdir())) == 2
    with whole_directory(tmp_path / "out"):
        pass

    assert {path.name for path in tmp_path.iterdir()} == {"out", running.name}
