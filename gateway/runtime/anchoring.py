"""The heads of all logs, written down every minute and handed to anchors; and compared with them at the start.

Nothing here stops traffic. Every record is durable and signed before its data leaves, with or without
an anchor: an anchor only narrows the time in which somebody with this host's keys could rewrite history
unseen. If its failure stopped the gateway, whoever can block the anchor could stop the service. So a
failure is logged, counted and shown, and the next head covers what was missed.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.anchor_file import File, Stdout
from gateway.audit.anchor_log import AnchorLog
from gateway.audit.anchor_rfc3161 import Stamp
from gateway.audit.anchor_s3 import S3
from gateway.audit.anchor_witness import Witness
from gateway.audit.anchors import (
    Anchor,
    AnchorContradicts,
    AnchorFailed,
    AnchorRefused,
    AnchorSettings,
    FileAnchor,
    S3Anchor,
    StampAnchor,
    Statement,
    StdoutAnchor,
    WitnessAnchor,
)
from gateway.audit.comparison import Pin, contradictions
from gateway.audit.heads import ANCHOR_SLOT, all_heads, heads_entries, keys_of, remembered_heads
from gateway.audit.ledger import Ledger
from gateway.audit.lines import timestamp
from gateway.crypto.sign import SEED_SIZE, SigningKey, VerifyKey, parse_vkey
from gateway.model.errors import StoreDown
from gateway.model.words import Posture
from gateway.runtime.open_ledger import open_ledger
from gateway.runtime.settings import Settings
from gateway.runtime.settings_ledger import LedgerSettings
from gateway.stores.keyfile import KEYS, load_signing_key

RECALL_SECONDS = 5.0
"""How long the start waits for each anchor."""

LAST_SECONDS = 5.0
"""How long the end does."""

BUSY_SECONDS = 30.0
"""An anchor that is busy with one head for longer has failed, though it may still come to an end."""

_LEDGER = LedgerSettings(segment_minutes=24 * 60, ballast_mib=0, warn_free_percent=0)
_WHAT_TO_DO = (
    "The directory looks restored from an older copy, or parts of it were removed. Nothing was started. "
    "Look with `privacy-gateway audit verify`; how to begin new logs and keep the old ones as evidence stands "
    "under `Starting over` in gateway/audit/FORMAT.md"
)


class AnchorStatus(msgspec.Struct, frozen=True):
    """How one anchor does. Times are seconds since the epoch, 0 for never; `why` is fixed text."""

    name: str
    kept: float = 0.0
    failed: float = 0.0
    failures: int = 0
    contradicts: bool = False
    why: str = ""

    @property
    def current(self) -> bool:
        """Whether the last thing that happened was that it kept a head."""
        return self.kept > self.failed


class AnchoringStatus(msgspec.Struct, frozen=True):
    """`heads_age` is the time in seconds since heads were last made durable, or since the start."""

    heads_age: float
    anchors: tuple[AnchorStatus, ...]


class Anchoring:
    """Owns the anchor log of a state directory from `start` until `stop`; all in one event loop."""

    def __init__(self, settings: Settings, log: Any) -> None:
        self._settings = settings
        self._log = log
        self._audit = Path(settings.state) / "audit"
        self._posts = [_Post(each, log) for each in make_anchors(settings.anchors, self._audit / ANCHOR_SLOT)]
        self._written = time.monotonic()
        self._ledger: Ledger | None = None
        self._reader: AnchorLog | None = None
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Compare the logs with everything that was kept of them, then open the anchor log.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; a log is smaller than it was, missing, or another one; an anchor
                cannot be what its settings say; or the anchor log cannot be opened.
        """
        slot = self._audit / ANCHOR_SLOT
        proving = any(isinstance(each, WitnessAnchor) for each in self._settings.anchors)
        signer = self._known_signer()
        await self._compare(AnchorLog(slot, signer, proving=proving), [*keys_of(slot), parse_vkey(signer.vkey)])
        state, name = Path(self._settings.state), self._settings.origin(ANCHOR_SLOT)
        timeout = self._settings.limits.audit_timeout
        self._ledger = open_ledger(state, ANCHOR_SLOT, origin=name, settings=_LEDGER, timeout=timeout)
        self._reader = AnchorLog(slot, load_signing_key(state, ANCHOR_SLOT), proving=proving)
        self._written = time.monotonic()
        if not self._posts and self._settings.upstream is None:
            self._log.warning("no anchor outside this machine")

    def _known_signer(self) -> SigningKey:
        """The anchor log's key; where there is none yet, one that is thrown away: a refused start leaves no key."""
        state, name = Path(self._settings.state), self._settings.origin(ANCHOR_SLOT)
        if (state / KEYS / f"{ANCHOR_SLOT}.log.key").exists():
            return load_signing_key(state, ANCHOR_SLOT)
        return SigningKey(name, secrets.token_bytes(SEED_SIZE))

    async def _compare(self, reader: AnchorLog, keys: list[VerifyKey]) -> None:
        try:
            pins = [Pin("the anchor log", head) for head in await asyncio.to_thread(remembered_heads, reader.slot)]
            present = await asyncio.to_thread(reader.statement, ())
            recalled = await asyncio.gather(*(post.recall(present, keys) for post in self._posts))
            pins += [pin for each in recalled for pin in each]
            found = await asyncio.to_thread(contradictions, self._audit, pins)
        except OSError as error:
            why = f"the ledger cannot be compared with its heads: {error.strerror}"
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, why) from None
        except AnchorContradicts as contradiction:
            found = [str(contradiction)]
        except AnchorRefused as refused:
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, str(refused)) from None
        if found:
            said = "; ".join(dict.fromkeys(found))
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, f"{said}. {_WHAT_TO_DO}")

    def run(self) -> None:
        """Write heads now and every `heads_seconds` from now on, in a task of its own."""
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            statement = await self._write()
            if statement is not None:
                for post in self._posts:
                    post.offer(statement)
            await asyncio.sleep(self._settings.heads_seconds)

    async def _write(self) -> Statement | None:
        """One record of all heads; None where it could not be made durable, which is logged."""
        assert self._ledger is not None
        assert self._reader is not None
        try:
            heads = await asyncio.to_thread(all_heads, self._audit)
            await asyncio.gather(*(self._ledger.commit(*entry) for entry in heads_entries(heads, timestamp())))
            self._written = time.monotonic()
            statement = await asyncio.to_thread(self._reader.statement, tuple(heads))
        except (StoreDown, OSError) as error:
            self._log.error("heads not written", cause=error)
            return None
        if not statement.signed.head.size:
            self._log.error("heads written but not readable")
            return None
        return statement

    async def stop(self) -> bool:
        """Write the last heads, hand them to the anchors, close the log; whether it came to a clean end."""
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        if self._ledger is None:
            return True
        if self._beating is not None:
            statement = await self._write()
            await asyncio.gather(*(post.finish(statement) for post in self._posts))
        try:
            await self._ledger.close()
        except StoreDown as error:
            self._log.error("heads not closed", cause=error)
            return False
        return True

    def status(self) -> AnchoringStatus:
        return AnchoringStatus(time.monotonic() - self._written, tuple(post.status for post in self._posts))


class _Post:
    """One anchor, given one head at a time: while it is busy, heads pass it by, and the newest counts."""

    def __init__(self, anchor: Anchor, log: Any) -> None:
        self.status = AnchorStatus(anchor.name)
        self._anchor = anchor
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._since = 0.0

    async def recall(self, present: Statement, keys: list[VerifyKey]) -> list[Pin]:
        """The heads that the anchor kept; none where it does not answer, which is logged.

        Raises:
            AnchorRefused, AnchorContradicts: as the anchor.
        """
        try:
            return await asyncio.wait_for(self._anchor.recall(present, keys), RECALL_SECONDS)
        except (AnchorRefused, AnchorContradicts):
            raise
        except AnchorFailed as error:
            self._fail(error)
        except TimeoutError:
            self._fail(AnchorFailed(f"no answer within {RECALL_SECONDS:.0f} seconds"))
        return []

    def offer(self, statement: Statement) -> None:
        """Hand the head over unless an earlier one is still under way."""
        if self._task is None or self._task.done():
            self._task, self._since = asyncio.create_task(self._keep(statement)), time.monotonic()
        elif time.monotonic() - self._since > BUSY_SECONDS:
            self._fail(AnchorFailed(f"busy with one head for more than {BUSY_SECONDS:.0f} seconds"))

    async def finish(self, statement: Statement | None) -> None:
        """Leave what is under way, and hand over the last head."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if statement is None:
            return
        try:
            await asyncio.wait_for(self._keep(statement), LAST_SECONDS)
        except TimeoutError:
            self._fail(AnchorFailed("no answer at the end"))

    async def _keep(self, statement: Statement) -> None:
        try:
            await self._anchor.keep(statement)
        except AnchorFailed as error:
            self._fail(error)
        else:
            self.status = msgspec.structs.replace(self.status, kept=time.time(), contradicts=False, why="")

    def _fail(self, error: AnchorFailed) -> None:
        contradicts = isinstance(error, AnchorContradicts)
        event = "anchor contradicts this ledger" if contradicts else "anchor failed"
        self._log.error(event, anchor=self.status.name, cause=error)
        self.status = msgspec.structs.replace(
            self.status,
            failed=time.time(),
            failures=self.status.failures + 1,
            contradicts=contradicts,
            why=str(error),
        )


def make_anchors(settings: Sequence[AnchorSettings], folder: Path) -> list[Anchor]:
    """The anchors that the settings name; what they are given back (cosigned notes, stamps) goes to `folder`."""
    return [_anchor(each, folder) for each in settings]


def _anchor(settings: AnchorSettings, folder: Path) -> Anchor:
    match settings:
        case StdoutAnchor():
            return Stdout()
        case FileAnchor(path):
            return File(path)
        case S3Anchor():
            return S3(settings)
        case WitnessAnchor():
            return Witness(settings, folder)
        case StampAnchor():
            return Stamp(settings, folder)
