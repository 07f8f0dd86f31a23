"""Whose turn it is to record consents: one command alone, or any number of workers together.

A command looks for what is owed and records all of it, so nobody else may be between store and log then; a
worker records only what it decided itself. Both hold `consent.lock`, the command for itself, workers shared.
A command that waits holds `consent.turn` meanwhile: workers pass through that one first, so that a stream of
decisions cannot keep a command out.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.stores.down import store_down

LOCK = "consent.lock"
TURN = "consent.turn"
"""The files' names in the state directory."""
_LOOK_AGAIN = 0.02


@contextmanager
def alone(state: Path, patience: float) -> Iterator[None]:
    """Be the only one who records, for a command; waits up to `patience` seconds. Raises StoreDown."""
    deadline = time.monotonic() + patience
    with _opened(state, TURN) as turn, _opened(state, LOCK) as lock:
        for descriptor in (turn, lock):
            while not _held(descriptor, fcntl.LOCK_EX):
                _refuse_after(deadline)
                time.sleep(_LOOK_AGAIN)
        yield


@asynccontextmanager
async def together(state: Path, patience: float) -> AsyncIterator[None]:
    """Record what this worker decided; waits up to `patience` seconds without blocking the loop. Raises StoreDown."""
    deadline = time.monotonic() + patience
    with _opened(state, LOCK) as lock:
        with _opened(state, TURN) as turn:
            for descriptor in (turn, lock):
                while not _held(descriptor, fcntl.LOCK_SH):
                    _refuse_after(deadline)
                    await asyncio.sleep(_LOOK_AGAIN)
        yield


@contextmanager
def _opened(state: Path, name: str) -> Iterator[int]:
    """The file, whose lock goes when the block ends."""
    with store_down(f"the consent store cannot be locked ({name})"):
        descriptor = os.open(state / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _held(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refuse_after(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise StoreDown(Posture.AUDIT_UNAVAILABLE, "another command is recording consents")
