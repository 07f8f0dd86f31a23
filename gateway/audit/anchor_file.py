"""Anchors that are a line: on standard output, and in an append-only file of JSON Lines."""

import asyncio
import contextlib
import os
import select
import time
from pathlib import Path

from gateway.audit.anchors import AnchorFailed, AnchorRefused, Statement, pins_of
from gateway.audit.comparison import Pin
from gateway.audit.segment import sync_directory
from gateway.crypto.sign import VerifyKey

STDOUT_PATIENCE = 5.0
"""Seconds in which somebody has to read what stands in a full pipe."""

_ATOMIC = select.PIPE_BUF
"""A pipe that is ready takes this many bytes at once, so that a write of them never waits."""

_TAIL = 1024 * 1024


class Stdout:
    """Writes each head as one line to standard output (or `descriptor`). It remembers nothing."""

    def __init__(self, descriptor: int = 1) -> None:
        self.name = "stdout"
        self._descriptor = descriptor

    async def recall(self, _present: Statement, _keys: list[VerifyKey]) -> list[Pin]:
        return []

    async def keep(self, statement: Statement) -> None:
        """Raises AnchorFailed: nobody reads, or the output is closed."""
        await asyncio.to_thread(self._write, statement.line())

    def _write(self, data: bytes) -> None:
        deadline = time.monotonic() + STDOUT_PATIENCE
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        try:
            while data:
                if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    raise AnchorFailed("nobody reads the standard output")
                data = data[os.write(self._descriptor, data[:_ATOMIC]) :]
        except OSError as error:
            raise AnchorFailed(f"the standard output takes no line: {error.strerror}") from None


class File:
    """Appends each head to a file and syncs it. It is opened anew each time, so it may be rotated."""

    def __init__(self, path: str) -> None:
        self.name = f"file:{path}"
        self._path = Path(path)

    async def recall(self, _present: Statement, keys: list[VerifyKey]) -> list[Pin]:
        """What the last whole line of the file says.

        Raises:
            AnchorRefused: the file holds something else than this gateway's heads.
            AnchorFailed: it cannot be read.
        """
        try:
            tail = await asyncio.to_thread(self._tail)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise AnchorFailed(f"the file cannot be read: {error.strerror}") from None
        for line in reversed(tail.split(b"\n")):
            pins = pins_of(line, self.name, keys)
            if pins is not None:
                return pins
        if tail.strip():
            raise AnchorRefused(f"{self.name} does not end in heads of logs: name a file of its own for them")
        return []

    def _tail(self) -> bytes:
        with self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            return file.read()

    async def keep(self, statement: Statement) -> None:
        """Return when the line is on the device. Raises AnchorFailed."""
        await asyncio.to_thread(self._write, statement.line())

    def _write(self, line: bytes) -> None:
        try:
            created = not self._path.exists()
            fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.closing(os.fdopen(fd, "r+b", buffering=0)) as file:
                _append(file.fileno(), line)
            if created:
                sync_directory(self._path.parent)
        except OSError as error:
            raise AnchorFailed(f"the file takes no line: {error.strerror}") from None


def _append(fd: int, line: bytes) -> None:
    end = os.fstat(fd).st_size
    if end and os.pread(fd, 1, end - 1) != b"\n":
        line = b"\n" + line  # the last write was cut short: what it left is no line
    while line:
        line = line[os.write(fd, line) :]
    os.fsync(fd)
