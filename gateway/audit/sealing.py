"""Finished segments: moved to `sealed/` with their leaves and their note, and copied to a second directory.

The order on disk is always leaves, note, body, each durable before the next, so that a body in
`sealed/` has the other two beside it and every step can be repeated after a crash.
"""

import os
from pathlib import Path

from gateway.audit.segment import SEALED, segments_in, sync_directory, write_file
from gateway.audit.tree import leaf_hash

_CHUNK = 1024 * 1024
_PARTIAL = ".partial"


def leaves_of(body: bytes) -> bytes:
    """The leaf hashes of a segment's lines in order, 32 bytes each."""
    return b"".join([leaf_hash(line) for line in body.split(b"\n")[:-1]])


def seal(path: Path, note: bytes, leaves: bytes) -> None:
    """Move a finished segment to `sealed/`. Raises OSError; calling it again goes on where it stopped."""
    sealed = path.parent / SEALED
    sealed.mkdir(mode=0o700, exist_ok=True)
    write_file(sealed / f"{path.stem}.leaves", leaves)
    write_file(sealed / f"{path.stem}.note", note)
    path.rename(sealed / path.name)
    sync_directory(sealed)
    sync_directory(path.parent)


def bring_level(source: Path, target: Path) -> None:
    """Give the slot directory `target` every sealed segment that `source` has and it lacks, byte for byte.

    A body that was deleted in `target` (its note is there, and neither an open file nor a copy of it is
    under way) is not brought back. Raises OSError; calling it again goes on where it stopped.
    """
    (target / SEALED).mkdir(mode=0o700, exist_ok=True)
    there = {first for first, _ in segments_in(target / SEALED)}
    for first, path in segments_in(source / SEALED):
        if first not in there:
            _copy(path, target)


def _copy(body: Path, target: Path) -> None:
    sealed = target / SEALED
    partial = sealed / (body.name + _PARTIAL)
    if (sealed / f"{body.stem}.note").exists() and not (partial.exists() or (target / body.name).exists()):
        return
    _copy_bytes(body, partial)
    for suffix in (".leaves", ".note"):
        part = body.with_suffix(suffix)
        if part.exists():  # segments of earlier versions have no leaves
            write_file(sealed / part.name, part.read_bytes())
    partial.rename(sealed / body.name)
    sync_directory(sealed)


def _copy_bytes(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as copy:
            while chunk := file.read(_CHUNK):
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
    sync_directory(target.parent)


def drop_copies(directory: Path) -> None:
    """Remove open segments of which the sealed ones of the same name hold everything. Raises OSError."""
    sealed = dict(segments_in(directory / SEALED))
    for first, path in segments_in(directory):
        if first in sealed and sealed[first].read_bytes().startswith(path.read_bytes().rstrip(b"\0")):
            path.unlink()
            sync_directory(directory)
