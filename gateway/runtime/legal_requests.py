"""The register of legal requests: each step is an event in the store and a record in the operators' log.

1. The event is prepared in the store, where it counts for nothing.
2. Its record goes to the log; with a production, before it, a record for each person whose data is given.
3. The store settles the event, which counts from then on.

A command that died after the second step is completed by the next one; one that died before has not happened.
"""

import fcntl
import os
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.audit.lines import timestamp
from gateway.audit.operator_log import operator_records
from gateway.model.errors import StoreDown
from gateway.model.words import Kind, LegalStatus, Posture
from gateway.runtime.operators import AUDIT, operator_log
from gateway.stores.disclosures import REGISTER, SqliteDisclosureStore
from gateway.stores.down import store_down
from gateway.stores.event import new_event_id, now_microseconds
from gateway.stores.legal_request import (
    NOT_SECRET,
    UNTIL_LIFTED,
    LegalEvent,
    LegalRequest,
    Person,
    RequestRefused,
    Standing,
    is_secret,
)

LOCK = "disclosures.lock"
"""The file's name in the state directory."""
PATIENCE = 10.0
"""Seconds to wait for another command that is at the register."""
_LOOK_AGAIN = 0.02


class Register:
    """The register of a state directory, for one command. All methods raise StoreDown where store or log is down.

    Those that enter a step raise RequestRefused where it may not be taken.
    """

    def __init__(self, state: Path, *, patience: float = PATIENCE) -> None:
        self._state = state
        self._patience = patience
        self._store = SqliteDisclosureStore(state / REGISTER, busy_timeout=patience)

    def __enter__(self) -> Self:
        if self._store.prepared():
            with self._alone():
                self._complete()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def every(self) -> list[Standing]:
        """All requests, the oldest first."""
        return list(self._store.requests().values())

    def find(self, request: str) -> Standing:
        """One request. Raises RequestRefused (`unknown_request`)."""
        return _known(request, self._store.find(request))

    def people(self, request: str) -> list[Person]:
        """Whom the request names, but for those who were erased."""
        return self._store.people(request)

    def naming(self, digest: bytes) -> list[Standing]:
        """The requests that name the person whose key has this digest."""
        found = (self._store.find(request) for request in self._store.naming(digest))
        return [standing for standing in found if standing is not None]

    def forget(self, digests: Sequence[bytes]) -> None:
        """The people with these keys are erased: no request leads to them any more."""
        self._store.forget(digests)

    def register(self, filed: LegalRequest, people: Sequence[Person], *, by: str) -> Standing:
        """Enter a new request with whom it names."""
        return self._enter(filed.id, lambda _: _event(filed.id, LegalStatus.REGISTERED, by, filed=filed), people=people)

    def decide(
        self, request: str, status: LegalStatus, *, by: str, because: str | None = None, same_person: str | None = None
    ) -> Standing:
        """Approve or reject; whoever registered the request needs a reason why nobody else can (`same_person`)."""

        def decided(standing: Standing | None) -> LegalEvent:
            found = _known(request, standing)
            if found.status is not LegalStatus.REGISTERED:
                raise RequestRefused("already_decided", f"{request} is {found.status}: it was decided before")
            if _is_same(found.events[0].by, by) and same_person is None:
                why = (
                    f"{found.events[0].by} registered {request}, so somebody else decides (--by NAME); where nobody "
                    "else can, --same-person REASON puts that on record"
                )
                raise RequestRefused("same_person", why)
            named = same_person if _is_same(found.events[0].by, by) else None
            return _event(request, status, by, because=because, same_person=named)

        return self._enter(request, decided)

    def extend_secrecy(self, request: str, until: str, *, by: str, because: str) -> Standing:
        """Keep the request secret until a later moment (as `LegalRequest.secret_until`)."""

        def extended(standing: Standing | None) -> LegalEvent:
            found = _known(request, standing)
            if not (is_secret(until, timestamp()) and _ends(until) > _ends(found.secret_until)):
                raise RequestRefused("not_later", f"{request} is {secrecy_text(found.secret_until)}: give a later end")
            return _event(request, LegalStatus.SECRECY_EXTENDED, by, because=because, secret_until=until)

        return self._enter(request, extended)

    def lift_secrecy(self, request: str, *, by: str, because: str) -> Standing:
        """End the secrecy of a request: the people whom it names may be shown what was given."""

        def lifted(standing: Standing | None) -> LegalEvent:
            found = _known(request, standing)
            if not is_secret(found.secret_until, timestamp()):
                raise RequestRefused("not_secret", f"{request} is {secrecy_text(found.secret_until)}: nothing to lift")
            return _event(request, LegalStatus.SECRECY_LIFTED, by, because=because, secret_until=NOT_SECRET)

        return self._enter(request, lifted)

    def produced(
        self,
        request: str,
        given: Callable[[str], Sequence[Mapping[str, object]]],
        *,
        by: str,
        counts: Mapping[str, int],
        policy: str,
    ) -> LegalEvent:
        """Record a production before any of it is given; `given` makes the people's records, of the event's id."""

        def produced(standing: Standing | None) -> LegalEvent:
            may_be_produced(_known(request, standing))
            return _event(request, LegalStatus.PRODUCED, by, counts=counts, policy=policy)

        return self._enter(request, produced, given=given).events[-1]

    def failed(self, request: str, *, by: str, because: str) -> Standing:
        """What was recorded as produced was not written."""
        return self._enter(request, lambda _: _event(request, LegalStatus.FAILED, by, because=because))

    def override_hold(self, request: str, *, by: str, because: str) -> Standing:
        """Somebody whom the request names is erased although it is open."""
        return self._enter(request, lambda _: _event(request, LegalStatus.HOLD_OVERRIDDEN, by, because=because))

    def _enter(
        self,
        request: str,
        make: Callable[[Standing | None], LegalEvent],
        *,
        people: Sequence[Person] = (),
        given: Callable[[str], Sequence[Mapping[str, object]]] | None = None,
    ) -> Standing:
        with self._alone():
            self._complete()
            standing = self._store.find(request)
            event = make(standing)
            filed = event.filed if standing is None else standing.filed
            assert filed is not None
            self._store.prepare(event, people)
            # The event's own record comes last: where it is durable, all of the others are.
            operator_log(self._state).append([*(given(event.id) if given else ()), outcome_record(event, filed)])
            self._store.settle(event)
        return self.find(request)

    def _complete(self) -> None:
        """The caller holds the lock, so that whoever prepared these is gone."""
        prepared = self._store.prepared()
        recorded = _recorded(self._state) if prepared else set()
        for event in prepared:
            if event.id in recorded:
                self._store.settle(event)
            else:
                self._store.drop(event)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with store_down("the register of legal requests cannot be locked"):
            descriptor = os.open(self._state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + self._patience
            while not _locked(descriptor):
                if time.monotonic() >= deadline:
                    raise StoreDown(Posture.CONSENT_STORE_DOWN, "another command is at the register: run this again")
                time.sleep(_LOOK_AGAIN)
            yield
        finally:
            os.close(descriptor)


def outcome_record(event: LegalEvent, filed: LegalRequest) -> dict[str, object]:
    """A step as the log holds it (FORMAT.md, section 3.7), without what every record has. It names no person."""
    fields: dict[str, object] = {
        "because": event.because,
        "by": event.by,
        "counts": event.counts,
        "event": event.id,
        "kind": Kind.OUTCOME,
        "policy": event.policy,
        "recipient": filed.authority,
        "request": event.request,
        "same_person": event.same_person,
        "secret_until": event.secret_until,
        "status": event.status,
    }
    if event.filed is not None:
        fields |= {
            "due": filed.due,
            "instrument": instrument_of(filed),
            "legal_basis": filed.legal_basis,
            "people": filed.people,
            "received": filed.received,
            "scope": filed.scope,
            "secret_until": filed.secret_until,
        }
    return {name: value for name, value in fields.items() if value is not None}


def instrument_of(filed: LegalRequest) -> dict[str, object]:
    """The instrument as records and manifests name it."""
    said = {"document": filed.document, "kind": filed.instrument, "reference": filed.reference}
    return {name: value for name, value in said.items() if value is not None}


def secrecy_text(secret_until: str) -> str:
    """How long a request is secret, for people."""
    if secret_until == NOT_SECRET:
        return "not secret"
    return "secret until it is lifted" if secret_until == UNTIL_LIFTED else f"secret until {secret_until[:19]}Z"


def may_be_produced(standing: Standing) -> None:
    """Whether data may be given upon this request. Raises RequestRefused (`not_approved`, `rejected`)."""
    request = standing.filed.id
    if standing.status is LegalStatus.REGISTERED:
        raise RequestRefused("not_approved", f"{request} is not approved: `disclosure authority approve {request}`")
    if standing.status is LegalStatus.REJECTED:
        raise RequestRefused("rejected", f"{request} was rejected: nothing may be given")


def _event(
    request: str,
    status: LegalStatus,
    by: str,
    *,
    because: str | None = None,
    same_person: str | None = None,
    secret_until: str | None = None,
    counts: Mapping[str, int] | None = None,
    policy: str | None = None,
    filed: LegalRequest | None = None,
) -> LegalEvent:
    return LegalEvent(
        id=new_event_id(now_microseconds()),
        request=request,
        status=status,
        at=timestamp(),
        by=by,
        because=because,
        same_person=same_person,
        secret_until=secret_until,
        counts=counts,
        policy=policy,
        filed=filed,
    )


def _known(request: str, standing: Standing | None) -> Standing:
    if standing is None:
        raise RequestRefused("unknown_request", f"there is no legal request {request}: `disclosure authority list`")
    return standing


def _is_same(one: str, other: str) -> bool:
    """Whether two names may be one person's: case, width and outer spaces do not make two people."""
    first, second = (unicodedata.normalize("NFKC", name).strip().casefold() for name in (one, other))
    return first == second


def _ends(secret_until: str) -> str:
    """A text that sorts as the ends of secrecy do."""
    return {NOT_SECRET: "", UNTIL_LIFTED: "~"}.get(secret_until, secret_until)


def _recorded(state: Path) -> set[str]:
    return {str(record.get("event")) for _, record in operator_records(state / AUDIT, Kind.OUTCOME)}


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
