"""The exact bytes of every notice that was shown, by their SHA-256: `notices/<digest>.html` in the state directory.

An event cites the digest, and whoever doubts it reads the file: `sha256sum` gives its name.
"""

import asyncio
import hashlib
import re
from pathlib import Path

from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime.reload import write_durably

NOTICES = "notices"
"""The folder's name in the state directory."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class KeptNotices:
    """For one event loop; files are written and read in threads."""

    def __init__(self, state: Path) -> None:
        self._folder = state / NOTICES
        self._kept: set[str] = set()

    async def keep(self, content: bytes) -> str:
        """Keep a notice, durably when this returns; gives its SHA-256 in hexadecimal.

        Raises:
            StoreDown: CONSENT_STORE_DOWN; the file cannot be written, or holds something else.
        """
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._kept:
            await asyncio.to_thread(self._write, digest, content)
            self._kept.add(digest)
        return digest

    async def read(self, digest: str) -> bytes | None:
        """The notice of this digest; None where none is kept.

        Raises:
            StoreDown: CONSENT_STORE_DOWN; it cannot be read, or was changed.
        """
        return await asyncio.to_thread(self._read, digest) if _DIGEST.fullmatch(digest) else None

    def _write(self, digest: str, content: bytes) -> None:
        path = self._folder / f"{digest}.html"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not path.exists():
                write_durably(path, content)
        except OSError as error:
            raise StoreDown(Posture.CONSENT_STORE_DOWN, f"cannot keep a notice: {error.strerror}") from None
        if self._read(digest) is None:
            raise StoreDown(Posture.CONSENT_STORE_DOWN, "a kept notice is gone")

    def _read(self, digest: str) -> bytes | None:
        try:
            content = (self._folder / f"{digest}.html").read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreDown(Posture.CONSENT_STORE_DOWN, f"cannot read a kept notice: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise StoreDown(Posture.CONSENT_STORE_DOWN, "a kept notice was changed")
        return content
