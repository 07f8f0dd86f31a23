"""Records that wait together to become one group."""

import asyncio

from gateway.audit.compose import Record
from gateway.audit.recovery import refuse


class Batch:
    """Records with the futures that wait for them. `born` is on the monotonic clock.

    `held` says that the indexes are settled, before the group is made (`interval.py`).
    """

    __slots__ = ("assembled", "born", "failed", "first", "futures", "held", "records", "seen")

    def __init__(self, born: float) -> None:
        self.born = born
        self.records: list[Record] = []
        self.futures: list[asyncio.Future[int]] = []
        self.seen = 0
        self.assembled = self.failed = self.held = False
        self.first = 0

    def refuse(self, why: str) -> None:
        for future in self.futures:
            fail_future(future, why)


def fail_future(future: asyncio.Future[int], why: str) -> None:
    if not future.done():
        future.set_exception(refuse(why))
        future.exception()  # a caller that did not wait is no news for the log
