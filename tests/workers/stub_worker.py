"""A worker that serves nothing: speaks the control protocol, and misbehaves as files beside the state ask it to.

`state/refuse-SLOT` refuses to start, `state/die-SLOT` exits at once, `state/deaf-SLOT` answers no
report, `state/leave-SLOT` ends by itself, `state/stuck` ignores that it should drain.
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from gateway.runtime.metrics import Metrics
from gateway.workers.control import Adopt, Channel, Done, Drain, Failed, LoadCertificates, Order, Report, Start, Status


class Stub:
    def __init__(self, channel: Channel, start: Start) -> None:
        self.channel = channel
        self.state, self.slot, self.policy = Path(start.settings.state), start.slot, start.policy
        self.metrics = Metrics()
        self.metrics.refusal("unknown_route")
        self.write("seen", f"{self.slot} {os.getpid()} {start.policy} {start.settings.log_level}")

    def asked(self, what: str) -> bool:
        return (self.state / f"{what}-{self.slot}").exists()

    def write(self, name: str, line: str) -> None:
        with (self.state / name).open("a") as stream:
            stream.write(line + "\n")

    def status(self) -> Status:
        return Status(self.policy, not self.asked("ill"), True, 1, self.metrics.snapshot())

    async def serve(self) -> int:
        if self.asked("die"):
            return 3
        if self.asked("refuse"):
            await self.channel.send(Failed("this slot is refused"))
            return 1
        await self.channel.send(Done(self.policy))
        while (order := await self.channel.order()) is not None:
            if isinstance(order, Drain):
                if (self.state / "stuck").exists():
                    await asyncio.sleep(3600)
                self.metrics.refusal("draining")
                await self.channel.send(self.status())
                return 0
            await self.follow(order)
            if self.asked("leave"):
                (self.state / f"leave-{self.slot}").unlink()
                self.metrics.refusal("draining")
                await self.channel.send(self.status())
                return 0
        return 0

    async def follow(self, order: Order) -> None:
        match order:
            case Report() if not self.asked("deaf"):
                await self.channel.send(self.status())
            case Adopt() if self.asked("refuse"):
                await self.channel.send(Failed("no"))
            case Adopt():
                self.policy = order.policy
                await self.channel.send(Done(self.policy))
            case LoadCertificates():
                self.write("certificates", self.slot)
                await self.channel.send(Done(self.policy))


async def work(descriptor: int) -> int:
    channel = await Channel.open(socket.socket(fileno=descriptor))
    return await Stub(channel, await channel.order()).serve()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
    sys.exit(asyncio.run(work(int(sys.argv[1]))))
