"""Who somebody is, by a source that was verified. What a client merely says of itself is no identity."""

from enum import StrEnum

import msgspec


class IdentitySource(StrEnum):
    """What vouches for an identity, the strongest first: the first source that speaks decides.

    A session is the application's, tied to whom a sign-in named; a visitor is a browser that the gateway knows
    by its own cookie. None comes last.
    """

    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - a word of the ledger, not a secret
    HEADER = "header"
    SESSION = "session"
    VISITOR = "visitor"


class CertificatePart(StrEnum):
    """The part of a client's certificate that names its holder."""

    SAN_URI = "san_uri"
    SAN_EMAIL = "san_email"
    SAN_DNS = "san_dns"
    SUBJECT_CN = "subject_cn"


VISITOR_PREFIX = "visitor:"
"""Begins the name of every visitor, and no name that another source gives."""


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Somebody, by the name that a verified source gives; it holds before `until` (seconds since the epoch).

    A source that knows nothing but the person's keyed handle gives that as `handle`, and no name. With neither,
    the source spoke, but named nobody without doubt: then no weaker source is asked.
    """

    source: IdentitySource
    name: str
    until: float
    handle: str = ""

    @property
    def names_somebody(self) -> bool:
        return bool(self.name or self.handle)


ANONYMOUS = "anonymous"
"""The caller of a record where no verified source named anybody."""

APPLICATION_CALLER = "application:"
"""Begins the caller of a record where an application sent the message; its name in the settings follows."""


def caller_of(identity: Identity, handle: str) -> str:
    """How a record names a caller: what vouched, and the person's keyed handle, never the name."""
    return f"{identity.source}:{handle}"
