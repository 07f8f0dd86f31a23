"""Taking a slot: one writer at a time, its log recovered, its run's first group durable."""

import contextlib
import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.audit.commit import GroupWriter
from gateway.audit.homes import Home, Homes, Place, network_file_system
from gateway.audit.lines import Signer
from gateway.audit.mirror import Mirrors
from gateway.audit.recovery import finish, publish_key, recover, refuse
from gateway.audit.segment import sync_directory, write_file
from gateway.audit.space import Space
from gateway.audit.terms import ALL_SINKS, Terms

LOCK_PATIENCE = 1.0
"""Seconds to wait for the lock: a verifier looks at it for a moment."""
SECOND, FIRST = "second", "first"
"""In the first directory the path of the second, and the other way round."""


def open_slot(
    directory: Path,
    *,
    origin: str,
    signer: Signer,
    opened: Mapping[str, object],
    segment_bytes: int,
    segment_seconds: float,
    terms: Terms = Terms(),  # noqa: B008 - frozen
    next_signer: Signer | None = None,
) -> tuple[int, GroupWriter]:
    """The lock's descriptor and a writer that has begun its run. The lock is held until it is closed.

    `next_signer` is the key of a rotation that may not have come to its end; the log tells which of
    the two is in force, and `GroupWriter.vkey` says it. The second directory's lock is held as long as
    the process lives, or until `close` of the writer.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; as `Ledger.open`.
    """
    directories = (directory,) if terms.second is None else (directory, terms.second)
    signers = (signer,) if next_signer is None else (signer, next_signer)
    with contextlib.ExitStack() as undo:
        homes = [_take(each, undo) for each in directories]
        space = _space(directories, segment_bytes, terms)
        try:
            _pair(directory, terms.second)
            recovered = recover(directories, origin, signers)
            place = _place(homes, terms)
            undo.callback(place.close)
            writer = GroupWriter(
                place,
                recovered.tree,
                recovered.signer,
                origin=origin,
                opened=opened,
                segment_bytes=segment_bytes,
                segment_seconds=segment_seconds,
                durability=terms.declared,
                space=space,
            )
            writer.start(recovered.cuts)
            for each in directories:
                publish_key(each, recovered.signer)
            finish(directories, origin, recovered, mirrored=terms.mirrored)
            for each in directories:
                sync_directory(each.parent)
        except OSError as error:
            raise refuse(f"the slot cannot be written ({error.strerror})") from None
        undo.pop_all()
    return homes[0].lock, writer


def claim(directory: Path) -> int:
    """Take the slot's lock, which lasts as long as the descriptor is open. Raises OSError if it is held."""
    fd = os.open(directory / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(fd)
                raise
            time.sleep(0.02)
        else:
            return fd


def _take(directory: Path, undo: contextlib.ExitStack) -> Home:
    """Make the directory where it is missing, see that it is local, and take its lock."""
    try:
        # `mode` is for the last name only, and the folder of all slots is nobody else's business either.
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        kind = network_file_system(directory)
        if kind:
            raise refuse(
                f"{directory} is on a network file system ({kind}), where neither locks nor syncs"
                " can be relied on: use a local disk"
            )
        home = Home(directory, claim(directory))
    except BlockingIOError:
        raise refuse(f"{directory} cannot be claimed: another process writes it; stop or drain the gateway") from None
    except OSError as error:
        raise refuse(f"the slot cannot be claimed ({error.strerror})") from None
    undo.callback(home.release)
    return home


def second_of(directory: Path) -> Path | None:
    """The second directory that a slot's log names; None where it names none. Raises OSError."""
    mark = directory / SECOND
    return Path(mark.read_text("utf-8").removesuffix("\n")) if mark.exists() else None


def _pair(first: Path, second: Path | None) -> None:
    """Two directories of one log name each other, so that none is left out by a mistake: it may hold the newest lines.

    Raises:
        StoreDown: one that was used is missing.
        OSError: they cannot be read or written.
    """
    mark = first / SECOND
    if second is None:
        if mark.exists():
            raise refuse(
                f"the log also lies in a second directory, which {mark} names: set `ledger.second_directory`,"
                " or bring all its segments into the first and remove that file"
            )
        return
    if mark.exists() and not (second / FIRST).exists():
        raise refuse(f"{second} is not the second directory that this log used: is its disk mounted?")
    for path, other in ((second / FIRST, first), (mark, second)):
        text = f"{other.absolute()}\n".encode()
        if not path.exists() or path.read_bytes() != text:
            write_file(path, text)


def _place(homes: list[Home], terms: Terms) -> Place:
    return Mirrors(homes, every=terms.durability == ALL_SINKS) if terms.mirrored else Homes(homes)


def _space(directories: tuple[Path, ...], room: int, terms: Terms) -> Space:
    return Space(
        directories,
        room=room,
        ballast=terms.ballast,
        warn_percent=terms.warn_percent,
        every=terms.durability == ALL_SINKS,
    )
