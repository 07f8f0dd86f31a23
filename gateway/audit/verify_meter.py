"""How far a verification is."""

from collections.abc import Callable
from typing import Any

Progress = Callable[[int, int], None]
"""Told (bytes read, bytes in all)."""


class Meter:
    """Adds up what this process and others have read, and tells whoever watches."""

    def __init__(self, progress: Progress | None) -> None:
        self.total = 0
        self.elsewhere: Any = None
        self._progress = progress
        self._read = 0

    def add(self, count: int) -> None:
        self._read += count
        self.tell()

    def tell(self) -> None:
        if self._progress is not None:
            # More than all is read where a segment did not fit and was read twice.
            done = self._read + (self.elsewhere.value if self.elsewhere is not None else 0)
            self._progress(min(done, self.total), self.total)
