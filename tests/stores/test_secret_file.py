"""Secrets in files: what can be used, and what is refused without repeating it."""

import os
import stat

import pytest

from gateway.stores.private_file import read_private, write_new
from gateway.stores.secret_file import SecretError, read_credentials, read_secret


def keep(path, content, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def place(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_secret_has_no_white_space_around_it(place):
    assert read_secret(keep(place / "secret", b" \n0123456789abcdef\r\n")) == "0123456789abcdef"


@pytest.mark.parametrize(
    "content", [b"", b"0123456789abcde", b"\xff" * 20, b"0123456789\nabcdefgh", b"x" * 513, b"0123456789abcdef\0\0x"]
)
def test_no_secret(place, content):
    with pytest.raises(SecretError) as caught:
        read_secret(keep(place / "secret", content))
    assert caught.value.hint
    assert not content or content.decode("latin-1") not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602])
def test_a_secret_that_others_reach(place, mode):
    with pytest.raises(SecretError, match="other users"):
        read_secret(keep(place / "secret", b"0123456789abcdef", mode))


@pytest.mark.parametrize(
    ("owner", "process", "mode", "usable"),
    [
        (0, 1000, 0o600, True),
        (0, 1000, 0o440, True),
        (0, 1000, 0o640, True),
        (0, 1000, 0o660, False),
        (0, 1000, 0o444, False),
        (1000, 1000, 0o600, True),
        (1000, 1000, 0o440, False),
        (0, 0, 0o440, False),
        (1001, 1000, 0o600, False),
    ],
)
def test_the_group_may_read_what_root_keeps_for_a_service(place, monkeypatch, owner, process, mode, usable):
    path = keep(place / "secret", b"0123456789abcdef")

    def status(real, mode, owner):
        return os.stat_result((stat.S_IFMT(real.st_mode) | mode, *real[1:4], owner, *real[5:10]))

    real = os.fstat
    monkeypatch.setattr("gateway.stores.private_file.os.fstat", lambda number: status(real(number), mode, owner))
    monkeypatch.setattr("gateway.stores.private_file.os.geteuid", lambda: process)
    folder = place.stat()
    monkeypatch.setattr(type(place), "stat", lambda *_: status(folder, 0o700, owner))
    if usable:
        assert read_secret(path) == "0123456789abcdef"
    else:
        with pytest.raises(SecretError, match="other users"):
            read_secret(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"me:word\n", "me:word"), (b"me:w:o", "me:w:o"), (b"me:", None), (b":word", None), (b"me and you", None)],
)
def test_credentials(place, content, expected):
    path = keep(place / "parent", content)
    if expected is not None:
        assert read_credentials(path) == expected
        return
    with pytest.raises(SecretError, match=r"name and password|fewer"):
        read_credentials(path)


def test_a_file_is_written_once(place):
    assert write_new(place / "key", b"first")
    assert not write_new(place / "key", b"second")
    assert read_private(place / "key") == b"first"
    assert (place / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in place.iterdir()] == ["key"]
