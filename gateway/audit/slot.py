"""Taking a slot: one writer at a time, its log recovered, its run's first group durable."""

import contextlib
import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.audit.commit import GroupWriter
from gateway.audit.lines import Signer
from gateway.audit.recovery import finish, publish_key, recover, refuse
from gateway.audit.segment import sync_directory

LOCK_PATIENCE = 1.0
"""Seconds to wait for the lock: a verifier looks at it for a moment."""


def open_slot(
    directory: Path,
    *,
    origin: str,
    signer: Signer,
    opened: Mapping[str, object],
    segment_bytes: int,
    segment_seconds: float,
) -> tuple[int, GroupWriter]:
    """The lock's descriptor and a writer that has begun its run. The lock is held until it is closed.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; as `Ledger.open`.
    """
    try:
        # `mode` is for the last name only, and the folder of all slots is nobody else's business either.
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        lock = claim(directory)
    except OSError as error:
        raise refuse(f"the slot cannot be claimed ({error.strerror})") from None
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, lock)
        try:
            recovered = recover(directory, origin, signer)
            writer = GroupWriter(
                directory,
                recovered.tree,
                signer,
                origin=origin,
                opened=opened,
                segment_bytes=segment_bytes,
                segment_seconds=segment_seconds,
            )
            writer.start(recovered.cuts)
            publish_key(directory, signer)
            finish(directory, origin, signer, recovered)
            sync_directory(directory.parent)
        except OSError as error:
            raise refuse(f"the slot cannot be written ({error.strerror})") from None
        undo.pop_all()
    return lock, writer


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
