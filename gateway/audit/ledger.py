"""The ledger as the event loop sees it: hand a record over, get a future, be woken when it is durable.

**Promise.** A future of `commit` resolves only after the record's line, and a signed checkpoint over
it, were written and synced. **Limits.** A record may be in the log although its future failed (the
log may overstate, never understate).

Life of a record: `commit` adds it to the batch that gathers. The loop makes the batch a signed group,
which only computes, and puts it into the page cache; the kernel syncs it (`kernel_sync`) and wakes the
loop, which resolves the futures and starts the next group. One group is under way at a time, and the
next gathers meanwhile. What may wait for the device otherwise (filling a file ahead, rotation, all that
follows a failure, and everything where the kernel offers no asynchronous sync) is done by the commit
thread.

**Pace.** A record that comes alone is written at once. When the last group held `PACE_FROM`, the next one
waits as long as each turn of the loop brings further records, until it has `PACE_RECORDS` or its first
one has waited `PACE_SECONDS`: an idle loop never waits, and a busy one pays signature, sync and thread
once for many records.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from gateway.audit.batch import Batch, fail_future
from gateway.audit.commit import GroupWriter
from gateway.audit.kernel_sync import KernelSync
from gateway.audit.lines import LONGEST_LINE, Signer
from gateway.audit.recovery import refuse
from gateway.audit.slot import open_slot
from gateway.audit.terms import Terms
from gateway.model.limits import DEFAULT_LIMITS, MIB

LARGEST_GROUP = 512
PACE_FROM = 6
PACE_RECORDS = 64
PACE_SECONDS = 0.002
PROBE_SECONDS = 1.0
LOOK_SECONDS = 60.0
_INDEX_ROOM = 64

_DOWN = "the record could not be made durable"
_LATE = "the record was not durable in time"


_LOOK = Batch(0.0)
"""Not a batch: asks the commit thread to look after disk and directories."""


class Ledger:
    """One slot's log. All methods but `open` belong to one event loop."""

    def __init__(
        self, writer: GroupWriter, lock: int, timeout: float, kernel: KernelSync | None, interval: float = 0.0
    ) -> None:
        self._interval = interval
        self._writer = writer
        self._lock = lock
        self._timeout = timeout
        self._kernel = kernel
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._gathering: Batch | None = None
        self._writing: Batch | None = None
        self._watching = False
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed = self._late = self._closed = False
        self._ended: asyncio.Future[bool] | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        origin: str,
        signer: Signer,
        opened: Mapping[str, object],
        segment_bytes: int = 64 * MIB,
        segment_seconds: float = 3600,
        timeout: float = DEFAULT_LIMITS.audit_timeout,
        terms: Terms = Terms(),  # noqa: B008 - frozen
        next_signer: Signer | None = None,
    ) -> Self:
        """Claim the slot, recover it, and write this run's `open` record.

        `opened` goes into each `open` record as it is (program version, host, policy digest); it
        must hold no value of a message and no float. `next_signer` is as for `open_slot`.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; the slot is taken, unwritable, or its log was changed.
        """
        lock, writer = open_slot(
            directory,
            origin=origin,
            signer=signer,
            opened=opened,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
            terms=terms,
            next_signer=next_signer,
        )
        return cls(writer, lock, timeout, KernelSync.open(), terms.interval)

    @property
    def size(self) -> int:
        """Leaves that are durable under a checkpoint, the ledger's own lines included."""
        return self._writer.size

    @property
    def records(self) -> int:
        """Records of `commit` that this run made durable."""
        return self._writer.records

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self._writer.origin

    @property
    def vkey(self) -> str:
        """The verifier key in force."""
        return self._writer.vkey

    def leaf(self, index: int) -> bytes | None:
        """The leaf hash of a line that has just become durable: of one of the last two groups, else None.

        For who is woken by `commit`'s future, and asks before it waits for anything else.
        """
        return self._writer.leaf(index)

    def healthy(self) -> bool:
        """Whether a commit can be expected to succeed."""
        return not (self._failed or self._late or self._closed)

    def commit(self, before: bytes, after: bytes) -> asyncio.Future[int]:
        """Write the line `before + "index":N, + after`; the future gives N once it is durable.

        The future fails with StoreDown (AUDIT_UNAVAILABLE) if the line could not be written or was
        not durable within the timeout; at once while an earlier one is overdue.
        """
        loop = self._loop or self._attach()
        future: asyncio.Future[int] = loop.create_future()
        if self._late or self._closed:
            fail_future(future, _LATE if self._late else "the ledger is closed")
            return future
        if len(before) + len(after) > LONGEST_LINE - _INDEX_ROOM or b"\n" in after or b"\n" in before:
            fail_future(future, "the record is too long or is not one line")
            return future
        batch = self._gathering or self._gather(loop)
        batch.records.append((before, after))
        batch.futures.append(future)
        return future

    def _attach(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.get_running_loop()
        if self._kernel is not None:
            loop.add_reader(self._kernel.descriptor, self._synced)
        self._look_timer = loop.call_later(LOOK_SECONDS, self._look)
        return loop

    async def close(self) -> None:
        """Write what waits, a `close` record and a checkpoint, seal the segment, give up the slot.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; it could not be done in time, and the next start recovers.
        """
        if self._closed:
            return
        self._closed = True
        loop = self._loop or self._attach()
        self._ended = loop.create_future()
        if self._writing is None:
            self._go_on()
        try:
            clean = await asyncio.wait_for(asyncio.shield(self._ended), self._timeout)
        except TimeoutError:
            raise refuse("the ledger could not be closed in time") from None
        finally:
            for timer in (self._timer, self._probe_timer, self._look_timer):
                if timer is not None:
                    timer.cancel()
        if not clean:
            raise refuse("the close record could not be written")

    def _gather(self, loop: asyncio.AbstractEventLoop) -> Batch:
        batch = self._gathering = Batch(time.monotonic())
        if self._writing is None and not self._watching:
            self._watching = True
            loop.call_soon(self._watch)
        if self._timer is None:
            self._timer = loop.call_later(self._timeout, self._expire)
        return batch

    def _watch(self) -> None:
        """Each turn of the loop in which records gather and none are being written: is it time to write?"""
        self._watching = False
        batch = self._gathering
        if batch is None or self._writing is not None:
            return
        count = len(batch.records)
        if (
            self._last >= PACE_FROM
            and batch.seen < count < PACE_RECORDS
            and not self._closed
            and time.monotonic() - batch.born < PACE_SECONDS
        ):
            assert self._loop is not None
            batch.seen = count
            self._watching = True
            self._loop.call_soon(self._watch)
            return
        self._gathering = None
        if count > LARGEST_GROUP:
            rest = self._gathering = Batch(batch.born)
            rest.records, batch.records = batch.records[LARGEST_GROUP:], batch.records[:LARGEST_GROUP]
            rest.futures, batch.futures = batch.futures[LARGEST_GROUP:], batch.futures[:LARGEST_GROUP]
        self._submit(batch)

    def _submit(self, batch: Batch) -> None:
        assert self._loop is not None
        self._writing = batch
        self._last = len(batch.records)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._expire)
        if batch.records and self._writer.ready():
            batch.first = self._writer.assemble(batch.records)
            batch.assembled = True
            if self._kernel is not None and self._begins(batch, self._kernel):
                return
        self._queue.put(batch)

    def _begins(self, batch: Batch, kernel: KernelSync) -> bool:
        """Whether the group's end is in sight: the kernel syncs it, or it has failed."""
        try:
            descriptor = self._writer.begin()
        except OSError:
            self._fails(batch)
            return True
        if descriptor is None:
            return False
        try:
            kernel.start(descriptor)
        except OSError:
            return False  # what was written is written again, and synced, by the thread
        return True

    def _synced(self) -> None:
        """The kernel is done with the group that is being written."""
        batch, kernel = self._writing, self._kernel
        assert batch is not None
        assert kernel is not None
        try:
            kernel.result()
        except OSError as error:
            self._writer.fail(error)
            self._fails(batch)
            return
        try:
            self._writer.complete()
        except OSError:
            self._fails(batch)
        else:
            self._release(batch)

    def _fails(self, batch: Batch) -> None:
        assert self._loop is not None
        batch.failed = True
        self._loop.call_soon(self._release, batch)

    def _expire(self) -> None:
        """Fail what has waited too long, and come back when the next one is due.

        What is being written may still get into the log; what was gathering behind it will not.
        """
        assert self._loop is not None
        self._timer = None
        now = time.monotonic()
        for batch in (self._writing, self._gathering):
            if batch is None or (batch is self._writing and self._late):
                continue
            due = batch.born + self._timeout
            if due > now:
                self._timer = self._loop.call_later(due - now, self._expire)
                return
            batch.refuse(_LATE)
            if batch is self._gathering:
                self._gathering = None
            self._late = self._writing is not None

    def _release(self, batch: Batch) -> None:
        """End of a group: its futures resolve, and the next group may start."""
        self._writing = None
        self._late = False
        self._failed = batch.failed
        if batch.failed:
            batch.refuse(_DOWN)
            self._probe_later()
        else:
            for index, future in enumerate(batch.futures, batch.first):
                if not future.done():
                    future.set_result(index)
        # Freed here and not by the thread, which keeps the batch until the next one comes.
        batch.records, batch.futures = [], []
        self._go_on()

    def _go_on(self) -> None:
        if self._gathering is not None:
            self._watch()
        elif self._closed:
            if self._kernel is not None and self._loop is not None:
                self._loop.remove_reader(self._kernel.descriptor)
            self._queue.put(None)

    def _probe_later(self) -> None:
        if self._probe_timer is None and self._loop is not None:
            self._probe_timer = self._loop.call_later(PROBE_SECONDS, self._probe)

    def _probe(self) -> None:
        """Try a broken log again without a record, so that readiness returns without traffic."""
        self._probe_timer = None
        if self._failed and not self._closed and self._loop is not None:
            if self._writing is not None or self._gathering is not None:
                self._probe_later()
            else:
                self._submit(Batch(time.monotonic()))

    def _look(self) -> None:
        """From time to time, and in the commit thread: is there room, and are both directories there?"""
        assert self._loop is not None
        if not self._closed:
            self._look_timer = self._loop.call_later(LOOK_SECONDS, self._look)
            self._queue.put(_LOOK)

    def _say(self) -> None:
        """Write what looking has found, with the next records or at once."""
        if self._writing is None and self._gathering is None and not self._closed:
            self._submit(Batch(time.monotonic()))

    def _end(self, clean: bool) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(clean)

    def _run(self) -> None:
        """The commit thread. Each turn takes the interpreter's lock as seldom as it can."""
        while (batch := self._queue.get()) is not None:
            if batch is _LOOK:
                if self._writer.look():
                    self._call(self._say)
                continue
            try:
                if batch.assembled:
                    self._writer.write()
                else:
                    batch.first = self._writer.append(batch.records)
            except OSError:
                batch.failed = True
            self._call(self._release, batch)
            self._writer.seal_finished()
        clean = True
        try:
            self._writer.close()
        except OSError:
            clean = False
            self._writer.abandon()
        if self._kernel is not None:
            self._kernel.close()
        os.close(self._lock)
        self._call(self._end, clean)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        # The loop is gone when a process leaves without closing: nobody waits then.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)
