"""Secrets in files: what can be used, and what is refused without repeating it."""

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
