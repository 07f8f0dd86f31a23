"""Files that only their owner may read: judged when they are read, and whole or absent when they are written."""

import os
import secrets
import stat
from pathlib import Path

_LARGEST = 65536


class ExposedFileError(Exception):
    """Other users can read or replace the file."""


def read_private(path: Path) -> bytes:
    """What a file holds, up to 64 KiB. The mode is judged on the open file, so that nothing can change in between.

    The group may read a file that belongs to root, if the process does not.

    Raises:
        ExposedFileError: others can read the file or replace it in its directory.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if _readable(os.fstat(file.fileno())) or replaceable(path.parent):
            raise ExposedFileError
        return file.read(_LARGEST)


def _readable(file: os.stat_result) -> bool:
    # Where root keeps a file for a service, as mounts of secrets do, the service reads it by its group.
    kept_by_root = file.st_uid == 0 and os.geteuid() != 0
    return _exposed(file, 0o037 if kept_by_root else 0o077)


def _exposed(status: os.stat_result, forbidden: int) -> bool:
    return bool(stat.S_IMODE(status.st_mode) & forbidden) or status.st_uid not in (0, os.geteuid())


def replaceable(directory: Path) -> bool:
    """Whether other users can put another file in the place of one in the directory. Raises OSError."""
    status = directory.stat()
    # With the sticky bit, nobody can take away or rename what another owns; mounts of secrets are made so.
    return _exposed(status, 0 if status.st_mode & stat.S_ISVTX else 0o022)


def write_new(path: Path, content: bytes) -> bool:
    """Put a whole, synced file (0600) in place unless there is one; whether this call did. Raises OSError."""
    aside = _draft(path, content)
    try:
        # A rename would replace a file that is already there; a link cannot.
        os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    sync_directory(path.parent)
    return True


def _draft(path: Path, content: bytes) -> Path:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        aside.unlink()
        raise
    return aside


def sync_directory(directory: Path) -> None:
    """Make names that were created in the directory durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
