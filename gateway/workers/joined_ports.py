"""Several data ports of one worker as one, in front of the same gateway."""

import asyncio
from collections.abc import Sequence

from gateway.policy.policy import Policy
from gateway.workers.worker import DataPort


class JoinedPorts:
    """A `DataPort` of others: what is asked of it is asked of each."""

    def __init__(self, ports: Sequence[DataPort]) -> None:
        self._ports = ports

    async def listen(self) -> None:
        for port in self._ports:
            await port.listen()

    def adopt(self, policy: Policy) -> None:
        for port in self._ports:
            port.adopt(policy)

    def reload_certificates(self) -> None:
        for port in self._ports:
            port.reload_certificates()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the contract of graceful shutdown
        await asyncio.gather(*(port.drain(timeout) for port in self._ports))

    async def close(self) -> None:
        await asyncio.gather(*(port.close() for port in self._ports))

    def abandon(self) -> None:
        for port in self._ports:
            port.abandon()
