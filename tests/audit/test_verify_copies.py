"""A log that lies in two directories."""

import shutil

import pytest
from written import Written

from gateway.audit.proof_make import prove
from gateway.audit.proof_source import Source
from gateway.audit.verify import verify_directory


@pytest.fixture
def log(tmp_path):
    log = Written(tmp_path / "audit" / "w0")
    log.open().checkpoint().group(1).seal()
    log.open().checkpoint().group(2).seal()
    log.open().checkpoint().group(1).group(1).leave_open()
    shutil.copytree(log.slot, tmp_path / "second")
    (log.slot / "second").write_text(f"{tmp_path / 'second'}\n")
    (tmp_path / "second" / "first").write_text(f"{log.slot}\n")
    return log


@pytest.fixture
def second(log, tmp_path):
    return tmp_path / "second"


def words(log):
    one, many = (verify_directory(log.slot.parent, jobs=jobs, allow_unanchored=True) for jobs in (1, 2))
    assert one == many
    return one.words


def sealed(home):
    return sorted((home / "sealed").glob("*.jsonl"))


def test_both_hold_all(log):
    assert words(log) == "VERIFIED"


def test_each_holds_what_the_other_lacks(log, second):
    sealed(log.slot)[0].unlink()
    for path in (second / "sealed").glob(sealed(second)[1].stem + "*"):
        path.unlink()
    next(log.slot.glob("seg-*")).unlink()
    assert words(log) == "VERIFIED"
    assert prove(Source(log.slot), 1).index == 1
    sealed(second)[0].unlink()
    assert words(log) == "INCOMPLETE"


def test_a_second_directory_that_is_missing(log, second):
    shutil.rmtree(second)
    assert words(log) == "INCOMPLETE"


def test_a_second_directory_is_no_log_of_its_own(log, second):
    inside = log.slot.parent / "w0-second"
    second.rename(inside)
    (log.slot / "second").write_text(f"{inside}\n")
    report = verify_directory(log.slot.parent, allow_unanchored=True)
    assert [(each.slot, each.verdict.words) for each in report.logs] == [("w0", "VERIFIED")]


@pytest.mark.parametrize("keep", [0, 1, 2, 3])
def test_the_shorter_copy_may_end_in_a_torn_group(log, second, keep):
    path = next(second.glob("seg-*"))
    lines = path.read_bytes().split(b"\n")[:-1]
    path.write_bytes(b"".join(line + b"\n" for line in lines[: 2 + keep]) + b'{"index' + bytes(100))
    assert words(log) == "VERIFIED"
    path.write_bytes(b"".join(line + b"\n" for line in lines[: 2 + keep]) + b"garbage\nmore" + bytes(100))
    assert words(log) == "VERIFIED"


def flip(path, position):
    data = path.read_bytes()
    path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    return data


def test_p5_one_bit_flipped_in_either_copy(log, second):
    for home in (log.slot, second):
        for path in [
            *sealed(home),
            *home.glob("seg-*"),
            *(home / "sealed").glob("*.note"),
            *home.glob("sealed/*.leaves"),
        ]:
            size = path.stat().st_size
            last_group = path.suffix == ".jsonl" and path.parent == home and size - 400
            for position in range(0, last_group or size, 13):
                data = flip(path, position)
                assert words(log) == "TAMPERED", (path, position)
                path.write_bytes(data)
    assert words(log) == "VERIFIED"


def test_two_signed_histories_are_a_fork(log, second, tmp_path):
    other = Written(tmp_path / "other" / "w0")
    body = other.open().checkpoint().add("count").checkpoint().seal()
    for suffix in (".jsonl", ".note", ".leaves"):
        path = body.with_suffix(suffix)
        (second / "sealed" / path.name).write_bytes(path.read_bytes())
    assert words(log) == "FORK"
    (second / "sealed" / body.name).write_bytes(sealed(log.slot)[0].read_bytes())
    assert words(log) == "TAMPERED"
