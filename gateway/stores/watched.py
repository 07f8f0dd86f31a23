"""A store's file and its generation, as somebody sees them who keeps answers in memory."""

import time
from pathlib import Path

from gateway.stores.down import down
from gateway.stores.generation import Generation
from gateway.stores.sqlite import identity

_LOOK_EVERY = 1.0


class Watched:
    """Made after the file was opened; `why` is what is said where the file cannot be answered from any more.

    Raises:
        OSError: the file of the generation cannot be made or mapped.
    """

    def __init__(self, path: Path, why: str) -> None:
        self._path = path
        self._why = why
        self._file = identity(path)
        self._look_again_at = 0.0
        self.generation = Generation(path.with_suffix(".generation"))

    def version(self) -> int | None:
        """The latest number that a writer drew; None while its write is under way, or died halfway.

        Raises:
            StoreDown: CONSENT_STORE_DOWN; the generation is gone or, looked for once a second, the file was replaced.
        """
        try:
            started, settled = self.generation.read()
            if time.monotonic() >= self._look_again_at:
                if identity(self._path) != self._file:
                    raise FileNotFoundError("the store was replaced")
                self._look_again_at = time.monotonic() + _LOOK_EVERY
        except OSError as problem:
            raise down(self._why) from problem
        return started if settled else None
