"""One thing a person decided, as it is stored: never overwritten, a change of mind is a new event.

What was shown to a person is kept apart from what the person answered, so that an answer cannot cite
a text that nobody showed.
"""

import re
import secrets
import time

import msgspec

from gateway.crypto.keyring import is_subject_handle
from gateway.model.errors import GatewayError
from gateway.model.words import Assurance, ConsentStatus

ANY_RECIPIENT = "*"
MICROSECONDS = 1_000_000

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RECORDABLE = frozenset(ConsentStatus) - {ConsentStatus.EXPIRED}


class EventRefused(GatewayError):  # noqa: N818 - the word of the glossary
    """An event that may not be recorded. `code` is a fixed word, `why` text without any value of a person."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


class ConsentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`at` and `valid_until` are microseconds since the epoch; `valid_until` is the first moment no longer covered.

    `recipient` is a name of the rules or `*`. `method` says how the decision came in, `actor` who
    entered it if not the person, `assurance` how sure it was who the person is. `notice`,
    `notice_version` and `notice_digest` (SHA-256 in hex) name the text that was shown. A status
    `unknown` takes back an earlier answer to the same purpose and recipient.

    Raises:
        ValueError: the id is no ULID, the subject no keyed handle, a name is missing, the status is one
            that only a clock can bring about (`expired`), only consent can end at a time and only after
            it began, or a notice is cited without its name.
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
    notice_version: str | None = None
    notice_digest: str | None = None
    assurance: Assurance | None = None
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
        if self.valid_until is not None and (self.valid_until <= self.at or not self.status.allows):
            raise ValueError("only consent has an end, and that lies after its beginning")
        if self.notice is None and not self.notice_version is self.notice_digest is None:
            raise ValueError("a version or digest of a notice needs the notice's name")


class ServedNotice(msgspec.Struct, frozen=True, kw_only=True):
    """One notice that was shown to a person: which, in which version and language, and the SHA-256 of its bytes.

    Raises:
        ValueError: the id is no ULID, the subject no keyed handle, the digest none, or a name is missing.
    """

    id: str
    subject: str
    notice: str
    version: str
    digest: str
    language: str
    at: int
    method: str

    def __post_init__(self) -> None:
        if not _ULID.fullmatch(self.id):
            raise ValueError("the id of a served notice is a ULID")
        if not is_subject_handle(self.subject):
            raise ValueError("a served notice names its subject by a keyed handle")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError("the digest of a notice is a SHA-256 in hexadecimal")
        if not (self.notice and self.version and self.language and self.method):
            raise ValueError("a served notice has a name, a version, a language and a method")


def new_event_id(at: int) -> str:
    """A ULID: 48 bits of milliseconds of `at` (microseconds since the epoch) and 80 random bits."""
    return id_of_number((at // 1000) << 80 | secrets.randbits(80))


def id_of_number(number: int) -> str:
    """The ULID of 128 bits, as of a UUID."""
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def now_microseconds() -> int:
    """The host's clock, in the unit that events use."""
    return time.time_ns() // 1000
