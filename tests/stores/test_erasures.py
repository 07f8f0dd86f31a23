import multiprocessing
import os
import threading
from hashlib import sha256

import pytest

from gateway.model.errors import StoreDown
from gateway.stores.erasures import EraseList, one_at_a_time

A, B = sha256(b"a").digest(), sha256(b"b").digest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "subjects.erased"


def read(path):
    found = EraseList.read(path)
    return found.begun, found.done


def test_without_a_file_nothing_was_erased_and_reading_makes_none(path):
    assert read(path) == (set(), set())
    assert not path.exists()


def test_the_last_word_on_a_key_counts(path):
    erasures = EraseList.read(path)
    erasures.begin([A, B])
    assert read(path) == (erasures.begun, erasures.done) == ({A, B}, set())
    erasures.finish([A])
    assert read(path) == (erasures.begun, erasures.done) == ({B}, {A})
    erasures.begin([A])
    assert read(path) == ({A, B}, set())


def test_the_file_is_private_and_a_line_for_each_step(path):
    EraseList.read(path).begin([A])
    EraseList.read(path).finish([A])

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == f"begun {A.hex()}\ndone {A.hex()}\n"


@pytest.mark.parametrize("cut", range(1, 71))
def test_a_line_that_was_torn_never_counted_and_the_next_one_is_whole(path, cut):
    erasures = EraseList.read(path)
    erasures.begin([A])
    erasures.begin([B])
    path.write_bytes(path.read_bytes()[:-cut])
    assert read(path) == ({A}, set())

    EraseList.read(path).finish([A])
    assert read(path) == (set(), {A})


@pytest.mark.parametrize("line", [b"\n", b"begun 00\n", b"gone " + b"0" * 64 + b"\n", b"\xff\xfe\n"])
def test_a_list_with_something_else_in_it_is_damaged(path, line):
    EraseList.read(path).begin([A])
    path.write_bytes(path.read_bytes() + line)

    with pytest.raises(StoreDown, match="damaged"):
        EraseList.read(path)


def test_what_cannot_be_written_did_not_begin(path):
    path.mkdir()
    with pytest.raises(StoreDown):
        EraseList(path).begin([A])
    with pytest.raises(StoreDown):
        EraseList.read(path)


def test_a_line_is_synced_before_anything_follows_from_it(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    EraseList.read(path).begin([A])

    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]


def hold(path, told):
    with one_at_a_time(path):
        told.send("held")
        told.recv()
        told.send("let go")


def test_one_process_erases_at_a_time(path):
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(path, there), daemon=True)
    process.start()
    assert here.recv() == "held"
    letting = threading.Timer(0.2, here.send, ["go"])
    letting.start()
    with one_at_a_time(path):
        assert here.poll()
        assert here.recv() == "let go"
    process.join(10)
    letting.join()
    assert process.exitcode == 0
