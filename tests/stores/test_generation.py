import os

import pytest

from gateway.stores.generation import Generation


@pytest.fixture
def path(tmp_path):
    return tmp_path / "consent.generation"


def test_a_new_file_is_settled_and_private(path):
    assert Generation(path).read() == (0, True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_others_see_a_write_begin_and_end(path):
    writer, reader = Generation(path), Generation(path)
    number = writer.begin()
    assert reader.read() == (1, False)

    writer.end(number)
    assert reader.read() == (1, True)


def test_a_writer_that_died_leaves_it_unsettled_until_the_next_write(path):
    Generation(path).begin()
    reader = Generation(path)
    assert reader.read() == (1, False)

    survivor = Generation(path)
    survivor.end(survivor.begin())
    assert reader.read() == (2, True)


def test_a_late_end_never_hides_a_write_that_began_after_it(path):
    slow, fast = Generation(path), Generation(path)
    first = slow.begin()
    second = fast.begin()
    slow.end(first)
    assert fast.read() == (2, False)

    fast.end(second)
    slow.end(first)
    assert fast.read() == (2, False)


def test_an_existing_file_keeps_its_numbers(path):
    one = Generation(path)
    one.end(one.begin())
    one.close()

    assert Generation(path).read() == (1, True)


def removed(path):
    path.unlink()


def replaced(path):
    other = path.with_name("other")
    other.write_bytes(bytes(16))
    other.rename(path)


def truncated(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("change", [removed, replaced, truncated])
@pytest.mark.parametrize("call", ["read", "begin"])
def test_a_file_that_is_not_the_mapped_one_is_an_error(path, change, call):
    generation = Generation(path)
    change(path)

    with pytest.raises(FileNotFoundError):
        getattr(generation, call)()
