"""What the gateway asks of a store, whatever holds it."""

from typing import Protocol

from gateway.model.facts import SubjectState
from gateway.stores.event import ConsentEvent


class ConsentStore(Protocol):
    """Append-only consent events. Every call raises StoreDown(CONSENT_STORE_DOWN) if it cannot answer."""

    def version(self) -> int:
        """A number that differs from the last one whenever any process has committed an event since."""

    def state(self, subject: str) -> SubjectState:
        """All standings of a person, including every event committed before the call."""

    def append(self, event: ConsentEvent) -> str:
        """Store an event durably and return its id.

        Raises:
            ValueError: an event with this id is there already.
        """

    def history(self, subject: str) -> list[ConsentEvent]:
        """Every event of a person in the order in which they count."""

    def close(self) -> None: ...
