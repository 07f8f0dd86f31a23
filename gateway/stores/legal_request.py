"""A legal request as the register keeps it, and what became of it, folded from its events.

Times are UTC, as records write them (`2026-11-23T13:00:00.000000Z`); days are ISO dates. `secret_until` is
`NOT_SECRET`, `UNTIL_LIFTED`, or the first moment that is no longer secret.
"""

import secrets
from collections.abc import Iterable, Mapping

import msgspec

from gateway.model.errors import GatewayError
from gateway.model.words import Instrument, LegalStatus

NOT_SECRET = "none"  # noqa: S105 - a word of the register, not a secret
UNTIL_LIFTED = "lifted"

DISCLOSURES = "disclosures"
CONSENTS = "consents"
NOTICES = "notices"
WHAT = (DISCLOSURES, CONSENTS, NOTICES)
"""What can be asked for: the ledger's records, what the person decided, and the notices that they were shown."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class RequestRefused(GatewayError):  # noqa: N818 - the word of the glossary
    """What may not be done to a legal request. `code` is a fixed word, `why` text without any value of a person."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`what` are words of `WHAT`; `classes` full keys, each with those below it. Empty `since` or `until`: no bound.

    `until` is the first moment that is not asked for.
    """

    what: tuple[str, ...]
    classes: tuple[str, ...] = ()
    since: str = ""
    until: str = ""


class LegalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an authority asks for, and by what right. `document` is the SHA-256 of the instrument's file, in hex.

    `people` is how many it names; who they are the store keeps apart, since that can be erased.
    """

    id: str
    authority: str
    instrument: Instrument
    reference: str
    legal_basis: str
    received: str
    secret_until: str
    scope: Scope
    people: int
    due: str | None = None
    document: str | None = None


class Person(msgspec.Struct, frozen=True):
    """`place` counts from 1 in the order of the instrument; `digest` is that of the person's key."""

    place: int
    handle: str
    digest: bytes


class LegalEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a legal request. `at` is when, `by` who entered it, `because` why, where somebody has to say so.

    `filed` comes with `registered`; `same_person` says why nobody else could decide; `secret_until` is new
    from here on; `counts` are what was produced; `policy` is the digest of the rules in force then.
    """

    id: str
    request: str
    status: LegalStatus
    at: str
    by: str
    because: str | None = None
    same_person: str | None = None
    secret_until: str | None = None
    counts: Mapping[str, int] | None = None
    policy: str | None = None
    filed: LegalRequest | None = None


class Standing(msgspec.Struct, frozen=True):
    """A request as it stands: `status` is `registered`, `approved`, `rejected` or `produced`."""

    filed: LegalRequest
    status: LegalStatus
    secret_until: str
    events: tuple[LegalEvent, ...]

    @property
    def is_open(self) -> bool:
        """Whether something is still owed to the authority, so that what it asks for has to be kept."""
        return self.status in (LegalStatus.REGISTERED, LegalStatus.APPROVED)

    def last(self, status: LegalStatus) -> LegalEvent | None:
        """The latest event of this status."""
        return next((event for event in reversed(self.events) if event.status is status), None)


def fold_requests(events: Iterable[LegalEvent]) -> dict[str, Standing]:
    """Every request by its id, from all events in the order in which they were entered."""
    grouped: dict[str, list[LegalEvent]] = {}
    for event in events:
        grouped.setdefault(event.request, []).append(event)
    return {request: _fold(each) for request, each in grouped.items()}


def _fold(events: list[LegalEvent]) -> Standing:
    filed = events[0].filed
    assert filed is not None
    status, secret_until, produced = LegalStatus.REGISTERED, filed.secret_until, 0
    for event in events:
        match event.status:
            case LegalStatus.APPROVED | LegalStatus.REJECTED:
                status = event.status
            case LegalStatus.PRODUCED:
                produced += 1
            case LegalStatus.FAILED:
                produced -= 1
            case LegalStatus.SECRECY_EXTENDED | LegalStatus.SECRECY_LIFTED:
                secret_until = event.secret_until or NOT_SECRET
            case LegalStatus.REGISTERED | LegalStatus.HOLD_OVERRIDDEN:
                pass
    return Standing(filed, LegalStatus.PRODUCED if produced else status, secret_until, tuple(events))


def is_secret(secret_until: str, now: str) -> bool:
    """Whether secrecy holds at `now`, a time as records write it."""
    return secret_until == UNTIL_LIFTED or (secret_until != NOT_SECRET and now < secret_until)


def new_request_id(year: str) -> str:
    """An id such as `A-2026-7K3QD9`: random, so that it tells nobody how many requests there are."""
    return f"A-{year}-" + "".join(secrets.choice(_CROCKFORD) for _ in range(6))
