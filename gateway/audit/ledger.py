"""The ledger as the event loop sees it: hand a record over, get a future, be woken when it is durable.

**Promise.** A future of `commit` resolves only after the record's line, and a signed checkpoint over
it, were written and synced. **Limits.** A record may be in the log although its future failed (the
log may overstate, never understate).

Life of a record: `commit` puts it on the batch of this turn of the loop; the batch goes to the commit
thread at the turn's end; the thread takes all batches that wait as one group; one call back into the
loop resolves the group's futures. While a group is being synced the next one gathers, so there is no
timer to tune.
"""

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from gateway.audit.commit import GroupWriter, Record
from gateway.audit.lines import LONGEST_LINE, Signer
from gateway.audit.recovery import refuse
from gateway.audit.slot import open_slot
from gateway.model.limits import DEFAULT_LIMITS, MIB

LARGEST_GROUP = 4096
PROBE_SECONDS = 1.0
_INDEX_ROOM = 64

_DOWN = "the record could not be made durable"
_LATE = "the record was not durable in time"


class _Batch:
    """Records handed over in one turn of the event loop, with the futures that wait for them."""

    __slots__ = ("born", "futures", "records", "void")

    def __init__(self, born: float) -> None:
        self.born = born
        self.records: list[Record] = []
        self.futures: list[asyncio.Future[int]] = []
        self.void = False


class Ledger:
    """One slot's log. All methods but `open` belong to one event loop."""

    def __init__(self, writer: GroupWriter, lock: int, timeout: float) -> None:
        self._writer = writer
        self._lock = lock
        self._timeout = timeout
        self._queue: SimpleQueue[_Batch | None] = SimpleQueue()
        self._gathering: _Batch | None = None
        self._outstanding: deque[_Batch] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
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
    ) -> Self:
        """Claim the slot, recover it, and write this run's `open` record.

        `opened` goes into each `open` record as it is (program version, host, policy digest); it
        must hold no value of a message and no float.

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
        )
        return cls(writer, lock, timeout)

    @property
    def size(self) -> int:
        """Leaves that are durable under a checkpoint, the ledger's own lines included."""
        return self._writer.size

    @property
    def records(self) -> int:
        """Records of `commit` that this run made durable."""
        return self._writer.records

    def healthy(self) -> bool:
        """Whether a commit can be expected to succeed."""
        return not (self._failed or self._late or self._closed)

    def commit(self, before: bytes, after: bytes) -> asyncio.Future[int]:
        """Write the line `before + "index":N, + after`; the future gives N once it is durable.

        The future fails with StoreDown (AUDIT_UNAVAILABLE) if the line could not be written or was
        not durable within the timeout; at once while an earlier one is overdue.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        if self._late or self._closed:
            _fail(future, _LATE if self._late else "the ledger is closed")
            return future
        if len(before) + len(after) > LONGEST_LINE - _INDEX_ROOM or b"\n" in after or b"\n" in before:
            _fail(future, "the record is too long or is not one line")
            return future
        batch = self._gathering
        if batch is None:
            batch = self._gathering = _Batch(loop.time())
            loop.call_soon(self._hand_over)
        batch.records.append((before, after))
        batch.futures.append(future)
        return future

    async def close(self) -> None:
        """Write what waits, a `close` record and a checkpoint, seal the segment, give up the slot.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; it could not be done in time, and the next start recovers.
        """
        if self._closed:
            return
        self._closed = True
        loop = self._loop = asyncio.get_running_loop()
        self._hand_over()
        self._ended = loop.create_future()
        self._queue.put(None)
        try:
            clean = await asyncio.wait_for(asyncio.shield(self._ended), self._timeout)
        except TimeoutError:
            raise refuse("the ledger could not be closed in time") from None
        finally:
            for timer in (self._timer, self._probe_timer):
                if timer is not None:
                    timer.cancel()
        if not clean:
            raise refuse("the close record could not be written")

    def _hand_over(self) -> None:
        batch, self._gathering = self._gathering, None
        if batch is not None:
            self._submit(batch)

    def _submit(self, batch: _Batch) -> None:
        assert self._loop is not None
        self._outstanding.append(batch)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._expire)
        self._queue.put(batch)

    def _expire(self) -> None:
        """Fail what has waited too long, and come back when the next one is due."""
        assert self._loop is not None
        self._timer = None
        now = self._loop.time()
        for batch in self._outstanding:
            if batch.void:
                continue
            due = batch.born + self._timeout
            if due > now:
                self._timer = self._loop.call_at(due, self._expire)
                return
            batch.void = self._late = True
            for future in batch.futures:
                _fail(future, _LATE)

    def _release(self, taken: int, written: list[_Batch], first: int, failed: bool) -> None:
        """End of a group: `written` are those of the `taken` oldest batches whose records it held."""
        for _ in range(taken):
            self._outstanding.popleft()
        self._failed = failed
        self._late = any(batch.void for batch in self._outstanding)
        if failed:
            for batch in written:
                for future in batch.futures:
                    _fail(future, _DOWN)
            self._probe_later()
            return
        index = first
        for batch in written:
            for future in batch.futures:
                if not future.done():
                    future.set_result(index)
                index += 1

    def _probe_later(self) -> None:
        if self._probe_timer is None and self._loop is not None:
            self._probe_timer = self._loop.call_later(PROBE_SECONDS, self._probe)

    def _probe(self) -> None:
        """Try a broken log again without a record, so that readiness returns without traffic."""
        self._probe_timer = None
        if self._failed and not self._closed and self._loop is not None:
            if self._outstanding:
                self._probe_later()
            else:
                self._submit(_Batch(self._loop.time()))

    def _end(self, clean: bool) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(clean)

    def _run(self) -> None:
        """The commit thread."""
        closing = False
        while not closing:
            batches, closing = self._take()
            if not batches:
                continue
            # A batch that timed out in the queue is dropped: its callers were refused already.
            written = [batch for batch in batches if not batch.void]
            records = [record for batch in written for record in batch.records]
            first, failed = 0, False
            try:
                first = self._writer.append(records)
            except OSError:
                failed = True
            self._call(self._release, len(batches), written, first, failed)
            self._writer.seal_finished()
        clean = True
        try:
            self._writer.close()
        except OSError:
            clean = False
            self._writer.abandon()
        os.close(self._lock)
        self._call(self._end, clean)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        # The loop is gone when a process leaves without closing: nobody waits then.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _take(self) -> tuple[list[_Batch], bool]:
        """Wait for a batch, then take all that wait, up to one group's bound."""
        batch = self._queue.get()
        batches: list[_Batch] = []
        count = 0
        while batch is not None:
            batches.append(batch)
            count += len(batch.records)
            if count >= LARGEST_GROUP or self._queue.empty():
                return batches, False
            batch = self._queue.get()
        return batches, True


def _fail(future: asyncio.Future[int], why: str) -> None:
    if not future.done():
        future.set_exception(refuse(why))
        future.exception()  # a caller that did not wait is no news for the log
