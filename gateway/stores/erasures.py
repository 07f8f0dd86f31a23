"""The list of destroyed keys: what refuses an older copy of the subject store, and finishes an erasure cut short.

One line for each step: `begun` or `done`, and the SHA-256 of the key in hex. The last word on a key
counts. A line is synced before the step that it announces, so that whatever dies between two steps
is known to the next one that looks. The list names nobody: a key is random, and so is its digest.
"""

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.stores.down import down, store_down
from gateway.stores.private_file import sync_directory

ERASED = "subjects.erased"
"""The file's name in the state directory."""

_LINE = re.compile(r"(begun|done) ([0-9a-f]{64})")
_UNREADABLE = "the list of erased keys (subjects.erased) cannot be read"


class EraseList:
    """Digests by what is known of them: `begun` and not finished, or `done`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.begun: set[bytes] = set()
        self.done: set[bytes] = set()

    @classmethod
    def read(cls, path: Path) -> "EraseList":
        """The list as it is now; without a file, empty.

        Raises:
            StoreDown: CONSENT_STORE_DOWN; it cannot be read, or holds what no erasure wrote.
        """
        found = cls(path)
        with store_down(_UNREADABLE):
            text = path.read_bytes() if path.exists() else b""
        # What lacks its line feed was never synced, and nothing followed from it.
        for line in text.decode("ascii", "replace").split("\n")[:-1]:
            match = _LINE.fullmatch(line)
            if match is None:
                raise down("the list of erased keys (subjects.erased) is damaged: restore it from your backup")
            found._note(match[1], bytes.fromhex(match[2]))
        return found

    def begin(self, digests: Iterable[bytes]) -> None:
        """These keys are about to be destroyed; durable when this returns. Raises StoreDown."""
        self._write("begun", digests)

    def finish(self, digests: Iterable[bytes]) -> None:
        """These keys are destroyed, and that is recorded; durable when this returns. Raises StoreDown."""
        self._write("done", digests)

    def _note(self, word: str, digest: bytes) -> None:
        held, other = (self.begun, self.done) if word == "begun" else (self.done, self.begun)
        held.add(digest)
        other.discard(digest)

    def _write(self, word: str, digests: Iterable[bytes]) -> None:
        new = list(digests)
        with store_down("the list of erased keys (subjects.erased) cannot be written"):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
                file.seek(0, os.SEEK_END)
                file.write(b"".join(b"%b %b\n" % (word.encode(), digest.hex().encode()) for digest in new))
                file.flush()
                os.fsync(file.fileno())
            sync_directory(self._path.parent)
        for digest in new:
            self._note(word, digest)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Erase in one process at a time, waiting for another one: this one holds the lock on the list at `path`."""
    with store_down("the list of erased keys (subjects.erased) cannot be locked"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)
