"""Who may begin: exchanges start a few at a time, wait a short while for their turn, and are refused after it.

A worker whose processor is busy meets hundreds of requests in one turn of its event loop. If it began
them all, none would be done soon, each would find its data gone from the processor's cache, and the time
until an answer would grow with the crowd. So a turn begins a few, in the order of arrival, beside
everything that goes on already; the others wait unread.

Whoever waited too long is refused. A burst is waited for; a line that has not been empty for as long
as that is overload, and there waiting would only make every answer late (as in Nichols and Jacobson,
"Controlling Queue Delay", 2012). Of refusals too a turn has only a few: a client that asks again at
once must not cost those who are served.
"""

import asyncio
from collections import deque

from gateway.model.limits import Limits

_BEGIN = 32
_REFUSE = 8
_LOOK_EVERY = 0.05
_UNDER_OVERLOAD = 0.5  # of `queue_time`

Place = tuple[float, "asyncio.Future[bool]"]


class Admission:
    """The exchanges of one worker: how many are under way, and who waits. Lives in one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.under_way = 0
        self._most = limits.in_flight
        self._patience = limits.queue_time
        self._empty_at = 0.0
        self._begun = 0
        self._waiting: deque[Place] = deque()
        self._late: deque[Place] = deque()
        self._turn: asyncio.Handle | None = None
        self._dozes = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def waiting(self) -> int:
        """Exchanges that wait for their turn, or for their refusal."""
        return len(self._waiting) + len(self._late)

    def enter(self) -> bool:
        """Begin an exchange now; False where it has to `wait`."""
        if self._begun >= _BEGIN or self._waiting or self.under_way >= self._most:
            return False
        self._begin()
        if self._begun == _BEGIN:
            self._arm()
        return True

    async def wait(self) -> bool:
        """Wait for a turn; whether the exchange has begun. False: it waited too long, and is to be refused."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        now = loop.time()
        if not self._waiting and not self._late:
            self._empty_at = now
        self._waiting.append((now, future))
        self._arm()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result():
                self.leave()
            raise

    def leave(self) -> None:
        """An exchange is over."""
        self.under_way -= 1
        if not self.under_way:
            self._quiet.set()
        if self._waiting:
            self._arm()

    async def quiet(self) -> None:
        """Wait for a moment at which no exchange is under way; some may wait for their turn."""
        await self._quiet.wait()

    def _begin(self) -> None:
        if not self.under_way:
            self._quiet.clear()
        self.under_way += 1
        self._begun += 1

    def _arm(self) -> None:
        """Have a turn in the loop's next round; where nobody could begin then, only look at the clock now and then."""
        full = self.under_way >= self._most and not self._late
        if self._turn is not None:
            if full or not self._dozes:
                return
            self._turn.cancel()
        self._dozes = full
        loop = asyncio.get_running_loop()
        self._turn = loop.call_later(_LOOK_EVERY, self._take_turn) if full else loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        self._begun = 0
        waiting, late = self._waiting, self._late
        now = asyncio.get_running_loop().time()
        patience = self._patience
        if now - self._empty_at > patience:
            patience *= _UNDER_OVERLOAD
        while waiting and (now - waiting[0][0] > patience or waiting[0][1].done()):
            late.append(waiting.popleft())
        while waiting and self._begun < _BEGIN and self.under_way < self._most:
            _, future = waiting.popleft()
            if not future.done():
                self._begin()
                future.set_result(True)
        refused = 0
        while late and refused < _REFUSE:
            _, future = late.popleft()
            if not future.done():
                future.set_result(False)
                refused += 1
        if waiting or late:
            self._arm()
