"""What all client connections of one worker share: the caps, the counts, the admission, and the sweep of deadlines."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.engine.refusals import refusal
from gateway.ingress.admission import Admission
from gateway.ingress.header_guard import HeaderGuard
from gateway.ingress.respond import refusal_bytes
from gateway.model.errors import Fault
from gateway.model.limits import Limits
from gateway.model.message import Refusal
from gateway.runtime.gateway import Gateway

if TYPE_CHECKING:
    from gateway.ingress.protocol import ClientConnection

_SWEEPS_PER_DEADLINE = 4
_LONGEST_PERIOD = 1.0


class Clients:
    """The open connections. `trusts` says of which peers not to count connections: other proxies."""

    def __init__(self, gateway: Gateway, limits: Limits, trusts: Callable[[str], bool]) -> None:
        self.gateway = gateway
        self.limits = limits
        self.draining = False
        self.admission = Admission(limits)
        self.connections: set[ClientConnection] = set()
        self._trusts = trusts
        self._answers: dict[str, Refusal] = {}
        self._by_peer: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()
        self._timer: asyncio.TimerHandle | None = None
        deadlines = (limits.header_timeout, limits.body_idle_timeout, limits.websocket_idle_timeout)
        self._period = min(_LONGEST_PERIOD, min(deadlines) / _SWEEPS_PER_DEADLINE)

    def admit(self, connection: "ClientConnection") -> str | None:
        """Count a new connection, or name the refusal code where it is one too many."""
        if self.draining:
            return "draining"
        if len(self.connections) >= self.limits.connections:
            return "overloaded"
        peer = connection.peer
        connection.trusted = self._trusts(peer)
        if peer and not connection.trusted:
            if self._by_peer[peer] >= self.limits.connections_per_client:
                return "too_many_connections"
            self._by_peer[peer] += 1
            connection.counted = True
        self.connections.add(connection)
        self._empty.clear()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._sweep)
        return None

    def introduce(self, connection: "ClientConnection", encrypted: ssl.SSLObject | None) -> None:
        """Tell a new connection whom its client's certificate names, and what its peer may not say."""
        identities = self.gateway.services.identities
        if identities is None:
            return
        if encrypted is not None:
            connection.certified = identities.of_certificate(encrypted.getpeercert(binary_form=True))
        if identities.guarded or identities.visitors is not None:
            listed = bool(identities.guarded) and identities.lists(connection.peer)
            connection.guard = HeaderGuard(identities.guarded, listed=listed, visitors=identities.visitors)

    def forget(self, connection: "ClientConnection") -> None:
        """A connection is closed."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()
        if connection.counted:
            connection.counted = False
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    async def quiet(self) -> None:
        """Wait until no exchange is under way and every answer has left."""
        await self.admission.quiet()
        await self._empty.wait()

    async def abort(self) -> None:
        """Close every connection at once, and wait until they are gone."""
        self.draining = True
        for connection in list(self.connections):
            connection.abort()
        await self._empty.wait()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def refusal_bytes(self, fault: Fault) -> bytes:
        """A whole answer for a connection that closes after it."""
        return refusal_bytes(self.gateway.refuse(fault), keep_alive=False)

    def turn_away(self, code: str, *, keep_alive: bool = False, without_body: bool = False) -> bytes:
        """A whole answer for a connection or a request that is one too many: counted, but no message to record.

        It costs next to nothing, since it is given when there is least to spare.
        """
        self.gateway.services.metrics.refusal(code)
        answer = self._answers.get(code)
        if answer is None:
            answer = self._answers[code] = refusal(code, retry_after=self.limits.retry_after)
        return refusal_bytes(answer, keep_alive=keep_alive, without_body=without_body)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self.connections):
            connection.check_deadlines(now)
        self._timer = loop.call_later(self._period, self._sweep) if self.connections else None
