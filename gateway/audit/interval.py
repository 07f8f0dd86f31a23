"""A ledger whose callers do not wait for the device: they are released in the turn of the loop in which they came.

**Promise.** What `commit` acknowledged is lost only if process or host die within the interval, or
while the group is being written: that is the loss bound which `open` records declare. The order and the
indexes are settled at once. After a failure nobody is released before the log is good again.
"""

import asyncio

from gateway.audit import ledger
from gateway.audit.batch import Batch
from gateway.audit.ledger import Ledger
from gateway.audit.terms import INTERVAL, Terms


def kind_of(terms: Terms) -> type[Ledger]:
    """The class to open a log of these terms with."""
    return IntervalLedger if terms.durability == INTERVAL else Ledger


class IntervalLedger(Ledger):
    """As `Ledger`, but a group is written when its first record has waited for the interval.

    `leaf` knows no record when its caller is released: a receipt is for what is durable.
    """

    _due: asyncio.TimerHandle | None = None

    def commit(self, before: bytes, after: bytes) -> asyncio.Future[int]:
        """As `Ledger.commit`, but the future is done in this turn of the loop while the log is in order."""
        future = super().commit(before, after)
        if self._gathering is not None and self._writing is None and not self._watching:
            assert self._loop is not None
            self._watching = True
            self._loop.call_soon(self._watch)
        return future

    def _gather(self, loop: asyncio.AbstractEventLoop) -> Batch:
        batch = super()._gather(loop)
        batch.born += self._interval  # until then it is not late
        return batch

    def _watch(self) -> None:
        """Release who came since the last turn. Where the log is not in order they wait as in `Ledger`."""
        batch = self._gathering
        if batch is None or self._writing is not None or not (batch.held or self._writer.ready()):
            super()._watch()
            return
        self._watching = False
        if not batch.held:
            assert self._loop is not None
            batch.held = True
            batch.first = self._writer.begin_group()
            self._due = self._loop.call_later(self._interval, self._write_held)
        _release(batch)
        if self._closed or batch.seen >= ledger.LARGEST_GROUP:
            self._write_held()

    def _write_held(self) -> None:
        """Write what was acknowledged; it is one group, however large, since its indexes are given away."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        batch = self._gathering
        if batch is not None and batch.held:
            _release(batch)
            self._gathering = None
            self._submit(batch)


def _release(batch: Batch) -> None:
    """Give an index to those who came since the last time."""
    for index, future in enumerate(batch.futures[batch.seen :], batch.first + batch.seen):
        if not future.done():
            future.set_result(index)
    batch.seen = len(batch.futures)
