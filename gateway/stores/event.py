"""One thing a person decided, as it is stored: never overwritten, a change of mind is a new event."""

import re
import secrets
import time

import msgspec

from gateway.crypto.keyring import is_subject_handle
from gateway.model.words import ConsentStatus

ANY_RECIPIENT = "*"
MICROSECONDS = 1_000_000

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_RECORDABLE = frozenset(ConsentStatus) - {ConsentStatus.EXPIRED}


class ConsentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`at` and `valid_until` are microseconds since the epoch; `valid_until` is the first moment no longer covered.

    `recipient` is a name of the rules or `*`. `method` says how the decision came in, `actor` who
    entered it if not the person. `notice` and `notice_digest` name the text that was shown. A
    status `unknown` takes back an earlier event of the same purpose and recipient.

    Raises:
        ValueError: the id is no ULID, the subject no keyed handle, a name is missing, or the status
            is one that only a clock can bring about (`expired`).
    """

    id: str
    subject: str
    purpose: str
    status: ConsentStatus
    at: int
    method: str
    recipient: str = ANY_RECIPIENT
    valid_until: int | None = None
    notice: str | None = None
    notice_digest: str | None = None
    actor: str | None = None

    def __post_init__(self) -> None:
        if not _ULID.fullmatch(self.id):
            raise ValueError("the id of a consent event is a ULID")
        if not is_subject_handle(self.subject):
            raise ValueError("a consent event names its subject by a keyed handle")
        if not (self.purpose and self.recipient and self.method):
            raise ValueError("a consent event names its purpose, recipient and method")
        if self.status not in _RECORDABLE:
            raise ValueError("expiry follows from valid_until and is no event")


def new_event_id(at: int) -> str:
    """A ULID: 48 bits of milliseconds of `at` (microseconds since the epoch) and 80 random bits."""
    number = (at // 1000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def now_microseconds() -> int:
    """The host's clock, in the unit that events use."""
    return time.time_ns() // 1000
