"""A directory of files that only their owner can read, and that gets its name when all of it is on the disk."""

import glob
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.stores.private_file import sync_directory


class WrittenFile(msgspec.Struct, frozen=True):
    """`sha256` is of its bytes, in hex."""

    name: str
    bytes: int
    sha256: str


@contextmanager
def whole_directory(target: Path) -> Iterator[Path]:
    """A directory beside `target` that takes its place at the end of the block; where it raises, nothing is left.

    Raises:
        OSError: `target` is there and not an empty directory, or cannot be made.
    """
    _remove_left_over(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.mkdir(mode=0o700)
    try:
        yield partial
        sync_directory(partial)
        partial.rename(target)
        sync_directory(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _remove_left_over(target: Path) -> None:
    """What a process that was killed had written so far."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        owner = path.name.removesuffix(".partial").rpartition(".")[2]
        if owner.isdecimal() and not _runs(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_file(directory: Path, name: str, content: Iterable[bytes]) -> WrittenFile:
    """Write a new file, mode 0600, synced when this returns. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in content:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return WrittenFile(name, size, digest.hexdigest())
