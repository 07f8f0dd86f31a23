"""One worker process as its supervisor sees it: started, told what to do, waited for."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence

import msgspec

from gateway.workers.control import Answer, Channel, Order

_PROGRAM = (sys.executable, "-m", "gateway")


class Crew(msgspec.Struct, frozen=True):
    """What kind of workers a supervisor keeps.

    `command` starts one; the number of its channel's descriptor is appended. `slots` begins the names of their
    slots in the ledger. A state directory has one supervisor of each kind, which holds the lock `name`.
    """

    name: str
    slots: str
    command: tuple[str, ...]


INGRESS = Crew("supervisor", "w", (*_PROGRAM, "worker", "--control-fd"))
EGRESS = Crew("egress", "e", (*_PROGRAM, "egress-worker", "--control-fd"))


class Member:
    """A worker process and the channel to it. Answers come in the order of the orders.

    `unasked` is what the worker said without an order: its last status when it drains by itself.
    """

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self._process = process
        self._channel = channel
        self._waiting: deque[asyncio.Future[Answer | None]] = deque()
        self._gone = False
        self.unasked: Answer | None = None
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def spawn(cls, descriptors: Sequence[int] = (), command: Sequence[str] = INGRESS.command) -> "Member":
        """Start a process that inherits its end of the channel and `descriptors`.

        Raises:
            OSError: the system gives no process or no sockets.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(), *descriptors),
                stdin=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, await Channel.open(ours))

    @property
    def process(self) -> int:
        """The process id."""
        return self._process.pid

    async def ask(self, order: Order, patience: float) -> Answer | None:
        """Send an order and wait `patience` seconds for its answer; None if there is none, or no worker."""
        if self._gone:
            return None
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await self._channel.send(order)
        try:
            return await asyncio.wait_for(future, patience)
        except TimeoutError:
            return None

    async def _read(self) -> None:
        while (answer := await self._channel.answer()) is not None:
            if not self._waiting:
                self.unasked = answer
                continue
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(answer)
        self._gone = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def exit_status(self) -> int:
        """Wait for the end of the process; negative if a signal ended it."""
        status = await self._process.wait()
        await self._reader
        await self._channel.close()
        return status

    async def end_within(self, patience: float) -> bool:
        """Wait for the end, and kill the process after `patience` seconds; whether it ended by itself."""
        try:
            await asyncio.wait_for(asyncio.shield(self._process.wait()), patience)
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            await self._process.wait()
            return False
        return True

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended gets none."""
        # asyncio's own method polls first, and so takes the exit status from the thread that waits for it.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
