"""What the engine asks for and what it is told: the only inputs of a decision besides the rules."""

import msgspec

from gateway.model.words import ConsentStatus


class Consent(msgspec.Struct, frozen=True):
    """Standing of a person towards a purpose for one recipient (`*`: for any), with its event."""

    purpose: str
    recipient: str
    status: ConsentStatus
    event: str
    valid_until: float | None = None


class SubjectState(msgspec.Struct, frozen=True):
    """All that the consent store knows of one person, keyed by (purpose, recipient or `*`)."""

    consents: dict[tuple[str, str], Consent]


UNKNOWN_SUBJECT = SubjectState({})


NOTHING_DENIED: frozenset[tuple[str, str]] = frozenset()


class Facts(msgspec.Struct, frozen=True):
    """Answers to what a route needs. `now` is seconds since the epoch, from the caller's clock.

    What the client carries, as far as the rules let it count: `gpc` (Global Privacy Control), `dnt`
    (Do Not Track as an objection), `opted_out` (of sale, sharing or targeted advertising), and `denied`,
    the purposes that its TC strings hold no consent for, each for a recipient or `*`.
    """

    now: float
    subject: str | None = None
    state: SubjectState = UNKNOWN_SUBJECT
    gpc: bool = False
    dnt: bool = False
    opted_out: bool = False
    denied: frozenset[tuple[str, str]] = NOTHING_DENIED
    caller: str = "anonymous"
