"""The application's sessions: whose they are, learned from its own answers to those who sign in and out.

A session is somebody's from an answer on that the rules call a sign-in, and that sets a value of the session's cookie
which nobody held before. Whatever is doubtful links nobody:

- a value that the request held anywhere: whoever had the client bring it along would be signed in, too;
- a value that is linked already, or so short that it can be guessed; several values at once;
- a request with the cookie twice, of which nobody can tell which one the application believes.

A new value on any other route takes the link along, and the old one ends soon. It ends at once where
the rules call a request a sign-out, where an answer makes the browser drop the cookie, and with the person's key.

At sign-in the decisions of this browser's visitor become the person's, and the visitor is spent.
"""

import time
from collections.abc import Callable
from typing import Final

from gateway.crypto.keyring import KeyRing
from gateway.documents.session_cookie import change_of, sent_values
from gateway.engine.exchange import Exchange
from gateway.engine.sign_in import is_known_before, person_in_answer, succeeded
from gateway.model.field_template import FilledFields
from gateway.model.identity import Identity, IdentitySource
from gateway.model.limits import Limits
from gateway.model.message import RequestHead, ResponseHead
from gateway.runtime.decisions import Decisions
from gateway.runtime.metrics import Metrics
from gateway.runtime.people import People
from gateway.runtime.settings_identity import SessionSettings
from gateway.runtime.store_thread import StoreThread
from gateway.stores.sessions import Link, SqliteSessionStore

SHORTEST = 16
"""Characters of a session's value, under which it could be guessed."""
GRACE_SECONDS = 60
"""How long the old value of a cookie still counts after an answer has set a new one: requests may be under way."""
SPENT_SECONDS = 400 * 86_400
"""How long it is remembered that a visitor is spent: longer than any browser keeps the cookie."""

_NOBODY: Final = Identity(IdentitySource.SESSION, "", float("inf"))
_HELD: Final = object()
_SPENT: Final = object()
"""Where a header block keeps the indexes of its sessions, and of its visitor."""


class Sessions:
    """For one event loop. `store` belongs to its thread; `open_another` is called in the one that writes.

    Look-ups are answered from memory as long as no process has written.
    """

    def __init__(
        self,
        settings: SessionSettings,
        store: SqliteSessionStore,
        open_another: Callable[[], SqliteSessionStore],
        *,
        keys: KeyRing,
        people: People,
        decisions: Decisions,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._name = settings.cookie.encode()
        self._seconds = settings.hours * 3600
        self._keeps_rotated = settings.rotated == "keep"
        self._keys = keys
        self._people = people
        self._decisions = decisions
        self._metrics = metrics
        self._limits = limits
        self._store = store
        self._writing = StoreThread("sessions", open_another)

    def resolve(self, head: RequestHead, now: float) -> Identity | None:
        """Whose the request's session is now: None where it is nobody's, nobody by name where the cookie comes twice.

        Raises:
            StoreDown: nobody can tell.
        """
        held = self._held(head)
        if len(held) != 1:
            return _NOBODY if held else None
        link = self._store.find(held[0])
        if link is None or link.until <= now or not self._people.has(link.person):
            return None
        return Identity(IdentitySource.SESSION, "", link.until, link.handle)

    def comes_twice(self, head: RequestHead) -> bool:
        """Whether the request sends several sessions, of which nobody can tell which one is meant."""
        return len(self._held(head)) > 1

    def is_spent(self, head: RequestHead) -> bool:
        """Whether the request's visitor has become somebody. Raises StoreDown."""
        visitor = head.visitor
        if visitor is None:
            return False
        index = head.derived.get(_SPENT)
        if not isinstance(index, bytes):
            index = head.derived[_SPENT] = self._keys.spent_index(visitor.name)
        return self._store.is_spent(index)

    async def sign_out(self, head: RequestHead) -> None:
        """The sign-in behind the request's session ends, in all workers when this returns. Raises StoreDown."""
        held = self._held(head)
        if any(self._store.find(session) is not None for session in held):
            await self._writing.ask(lambda store: store.end(held))
            self._count("signed_out")

    async def follow(self, exchange: Exchange, head: ResponseHead, body: bytes | None, subject: str | None) -> None:
        """What an answer makes of the session, durable when this returns; to be called before anything is made of it.

        `subject` is the identifier of the route's person, where the route signs people in.

        Raises:
            StoreDown: it cannot be kept; then the answer must not go out.
        """
        fields = head.fields
        # What varies in a template is never a cookie.
        pairs = fields.template.pairs if isinstance(fields, FilledFields) else fields
        change = change_of(pairs, self._name, time.time())
        if change is None:
            return
        treatment = exchange.treatment
        if treatment.signs_in is not None:
            if change.value and succeeded(treatment.signs_in, head):
                if treatment.signs_in.person is not None:
                    subject = person_in_answer(treatment.signs_in, head, body, self._limits)
                await self._sign_in(exchange, change.value, subject)
        elif change.ended:
            await self.sign_out(exchange.head)
        elif change.value:
            await self._rotate(exchange, change.value)

    async def _sign_in(self, exchange: Exchange, value: bytes, identifier: str | None) -> None:
        if not self._is_new(exchange, value):
            self._count("not_new")
            return
        if identifier is None:
            self._count("nobody")
            return
        try:
            subject = await self._people.subject(identifier)
        except ValueError:
            self._count("nobody")
            return
        head = exchange.head
        visitor = head.visitor
        spends = None
        if visitor is not None and visitor.names_somebody and not self.is_spent(head):
            handle = self._people.find(visitor.name)
            if handle is not None:
                await self._decisions.carry(handle, subject.handle)
            spends = self._keys.spent_index(visitor.name)
        now = int(time.time())
        link = Link(self._keys.session_index(value), subject.digest, subject.handle, now + self._seconds)
        held = self._held(head)
        linked = await self._writing.ask(
            lambda store: store.sign_in(link, now, ends=held, spends=spends, spent_until=now + SPENT_SECONDS)
        )
        if linked and not self._people.has(subject.digest):
            await self._writing.ask(lambda store: store.forget([subject.digest]))
        self._count("signed_in" if linked else "not_new")

    async def _rotate(self, exchange: Exchange, value: bytes) -> None:
        head = exchange.head
        held = self._held(head)
        if len(held) != 1 or value in sent_values(head.headers, self._name):
            return
        old = held[0]
        if self._store.find(old) is None:
            return
        if not self._keeps_rotated or not self._is_new(exchange, value):
            await self._writing.ask(lambda store: store.end([old]))
            self._count("signed_out" if not self._keeps_rotated else "not_new")
            return
        new, now = self._keys.session_index(value), int(time.time())
        if await self._writing.ask(lambda store: store.rotate(old, new, now, GRACE_SECONDS)):
            self._count("rotated")

    def _is_new(self, exchange: Exchange, value: bytes) -> bool:
        head = exchange.head
        return len(value) >= SHORTEST and not is_known_before(value, head.target, head.headers, exchange.content)

    def _held(self, head: RequestHead) -> tuple[bytes, ...]:
        """The indexes of the sessions that the request sends; worked out once for each header block."""
        held = head.derived.get(_HELD)
        if not isinstance(held, tuple):
            values = sent_values(head.headers, self._name)
            held = head.derived[_HELD] = tuple(map(self._keys.session_index, values))
        return held

    def _count(self, outcome: str) -> None:
        self._metrics.identities[IdentitySource.SESSION, outcome] += 1

    def close(self) -> None:
        self._writing.close()
        self._store.close()
