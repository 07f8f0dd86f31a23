"""Which of the supervisors of one state directory keeps the heads of all its logs: the one that came first.

The others stand by, and take over when it ends.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

from gateway.model.errors import StoreDown
from gateway.runtime.anchoring import Anchoring, AnchoringStatus
from gateway.runtime.settings import Settings
from gateway.workers.reservation import claim

LOCK = "anchoring"
LOOK_SECONDS = 1.0
NOT_ON_DUTY = AnchoringStatus(0.0, ())


class AnchorDuty:
    """Runs `Anchoring` from the moment on when nobody else does."""

    def __init__(self, settings: Settings, log: Any) -> None:
        self._settings = settings
        self._log = log
        self._anchoring = Anchoring(settings, log)
        self._lock: int | None = None
        self._standing_by: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, where nobody else does it. Raises StoreDown as `Anchoring.start`, OSError as `claim`."""
        if not await self._begun():
            self._log.info("another gateway of this state directory keeps the heads")

    async def _begun(self) -> bool:
        self._lock = claim(Path(self._settings.state), LOCK)
        if self._lock is None:
            return False
        try:
            await self._anchoring.start()
        except StoreDown:
            self._let_go()
            raise
        return True

    def run(self) -> None:
        """Keep heads from now on, or stand by."""
        if self._lock is not None:
            self._anchoring.run()
        else:
            self._standing_by = asyncio.create_task(self._stand_by())

    async def _stand_by(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                begun = await self._begun()
            except (StoreDown, OSError) as error:
                self._log.error("heads are not kept", cause=error)
                await asyncio.sleep(self._settings.heads_seconds)
                continue
            if begun:
                self._log.info("keeps the heads from now on")
                self._anchoring.run()
                return

    async def stop(self) -> bool:
        """As `Anchoring.stop`; then another may begin."""
        if self._standing_by is not None:
            self._standing_by.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._standing_by
        if self._lock is None:
            return True
        clean = await self._anchoring.stop()
        self._let_go()
        return clean

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def status(self) -> AnchoringStatus:
        """Of this supervisor; it has no anchors while another keeps the heads."""
        return NOT_ON_DUTY if self._lock is None and self._standing_by is not None else self._anchoring.status()
