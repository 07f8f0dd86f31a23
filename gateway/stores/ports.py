"""What the gateway asks of a store, whatever holds it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.model.facts import SubjectState
from gateway.stores.event import ConsentEvent, ServedNotice
from gateway.stores.pseudonyms import MintedRow
from gateway.stores.subjects import Subject


class ConsentStore(Protocol):
    """Append-only consent events. Every call raises StoreDown(CONSENT_STORE_DOWN) if it cannot answer."""

    def version(self) -> int:
        """A number that differs from the last one whenever any process has committed an event since."""

    def state(self, subject: str) -> SubjectState:
        """All standings of a person, including every event committed before the call."""

    def states(self, subjects: Sequence[str]) -> dict[str, SubjectState]:
        """The same for many people, in one look-up."""

    def append(self, event: ConsentEvent) -> str:
        """Store an event durably and return its id; it counts from now on, and its record is owed.

        Raises:
            ValueError: an event with this id is there already.
            EventRefused: it grants consent, and cites a notice that was never shown to the person.
        """

    def append_all(self, events: Sequence[ConsentEvent]) -> None:
        """The same for several, all or none."""

    def prepare(self, events: Sequence[ConsentEvent], served: Iterable[ServedNotice] = ()) -> None:
        """Keep events durably, all or none, and the notices that they may cite; they count once they are settled.

        Raises as `append`.
        """

    def owed(self) -> list[ConsentEvent]:
        """Events whose record may be missing in the log, prepared ones among them."""

    def settle(self, ids: Sequence[str]) -> None:
        """The records of these events are durable: those that were prepared count from now on, all at once."""

    def serve(self, notice: ServedNotice) -> None:
        """Store durably that a notice was shown to a person."""

    def served(self, subject: str) -> list[ServedNotice]:
        """Every notice that was shown to a person, the oldest first."""

    def voucher(
        self, subject: str, notice: str, at: int, *, version: str | None = None, digest: str | None = None
    ) -> ServedNotice | None:
        """The last time that this notice was shown to the person by `at`; of any version or digest if none is given."""

    def last_moment(self, subject: str) -> int | None:
        """The time of the person's latest event, prepared ones among them; None without any."""

    def history(self, subject: str) -> list[ConsentEvent]:
        """Every event of a person in the order in which they count."""

    def close(self) -> None: ...


class SubjectStore(Protocol):
    """One key for each person. Every call raises StoreDown(CONSENT_STORE_DOWN) if it cannot answer.

    People are given by the identifier that applications know; ValueError where that names nobody.
    """

    def version(self) -> int | None:
        """A number that changes with every erasure in any process; None while one is under way."""

    def known(self, identifier: str) -> str | None:
        """The handle of a person who was met lately, without asking the disk; None says nothing."""

    def known_of(self, identifiers: Iterable[str]) -> dict[str, str | None]:
        """The same for many; identifiers that name nobody are left out."""

    def handle(self, identifier: str) -> str:
        """The person's handle; whoever is met for the first time gets a key, durable when this returns."""

    def handles(self, indexes: Sequence[bytes]) -> list[str]:
        """The same for many people at once, given by `KeyRing.subject_index`."""

    def remember(self, identifier: str, handle: str, version: int | None) -> None:
        """Keep what another connection answered, if nothing was erased since `version`."""

    def find(self, identifier: str) -> Subject | None:
        """What is kept of a person, None where there is no key. Never makes one."""

    def at(self, indexes: Sequence[bytes]) -> dict[bytes, Subject]:
        """The same for many people, given by `KeyRing.subject_index`, without those who have no key."""

    def with_keys(self, digests: Iterable[bytes]) -> list[Subject]:
        """The same for many people, given by the SHA-256 of their keys."""

    def holds(self, digests: Iterable[bytes]) -> list[bytes]:
        """Those of the keys, by SHA-256, that are here."""

    def erase(self, digests: Sequence[bytes]) -> None:
        """Destroy these keys; done when this returns, however often it is repeated."""

    def close(self) -> None: ...


class PseudonymStore(Protocol):
    """Whom pseudonyms stand for. Every call raises StoreDown(CONSENT_STORE_DOWN) if it cannot answer.

    Pseudonyms are given by `KeyRing.pseudonym_index`, people by the SHA-256 of their keys.
    """

    def version(self) -> int | None:
        """A number that changes with every write after which an earlier answer of `persons` is wrong."""

    def persons(self, pseudonym: bytes) -> list[bytes]:
        """All whom the pseudonym stands for, those erased meanwhile among them."""

    def keep(self, rows: Sequence[MintedRow]) -> None:
        """Add rows, durable when this returns."""

    def forget(self, persons: Sequence[bytes]) -> None:
        """Delete every row of these people."""

    def close(self) -> None: ...
