"""Secrets that operators put into files: what an application proves itself with, and what another proxy asks for."""

import unicodedata
from pathlib import Path

from gateway.stores.private_file import ExposedFileError, read_private

LEAST_SECRET = 16
"""Characters of an application's secret."""
LARGEST_SECRET = 512
"""Bytes of a secret."""


class SecretError(ValueError):
    """The file does not hold a secret that can be used; the message and `hint` hold nothing of it."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.hint = hint


def read_secret(path: Path, *, least: int = LEAST_SECRET) -> str:
    """The text of a file, less white space at both ends.

    Raises:
        SecretError: others can read or replace it, it is no UTF-8, shorter than `least` characters, too long, or holds
            control characters (RFC 7617, section 2).
        OSError: the file cannot be read.
    """
    try:
        text = read_private(path).decode("utf-8").strip()
    except ExposedFileError:
        why = "this secret can be read or replaced by other users"
        raise SecretError(why, "run `chmod go-rwx` on it, and replace the secret if it leaked") from None
    except UnicodeDecodeError:
        raise SecretError("this secret is not UTF-8", "write it with letters, digits and '-'") from None
    if len(text) < least:
        raise SecretError(f"this secret has fewer than {least} characters", "make one with `openssl rand -hex 24`")
    if len(text.encode()) > LARGEST_SECRET or any(unicodedata.category(each) == "Cc" for each in text):
        why = f"this secret is longer than {LARGEST_SECRET} bytes, or of more than one line"
        raise SecretError(why, "make one with `openssl rand -hex 24`")
    return text


def read_credentials(path: Path) -> str:
    """`NAME:PASSWORD` of a file, as another proxy asks for them (RFC 7617, section 2).

    Raises:
        SecretError: as `read_secret`, or there is no name.
        OSError: the file cannot be read.
    """
    text = read_secret(path, least=3)
    name, colon, password = text.partition(":")
    if not name or not colon or not password:
        raise SecretError("this file holds no name and password", "write one line, NAME:PASSWORD")
    return text
