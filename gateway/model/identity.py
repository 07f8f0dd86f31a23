"""Who somebody is, by a source that was verified. What a client merely says of itself is no identity."""

from enum import StrEnum

import msgspec


class IdentitySource(StrEnum):
    """What vouches for an identity, the strongest first: the first source that speaks decides.

    An application's session and the gateway's own visitor cookie rank behind these, none comes last.
    """

    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - a word of the ledger, not a secret
    HEADER = "header"


class CertificatePart(StrEnum):
    """The part of a client's certificate that names its holder."""

    SAN_URI = "san_uri"
    SAN_EMAIL = "san_email"
    SAN_DNS = "san_dns"
    SUBJECT_CN = "subject_cn"


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Somebody, by the name that a verified source gives; it holds before `until` (seconds since the epoch).

    An empty `name` is a source that spoke, but named nobody without doubt: then no weaker source is asked.
    """

    source: IdentitySource
    name: str
    until: float


ANONYMOUS = "anonymous"
"""The caller of a record where no verified source named anybody."""


def caller_of(identity: Identity, handle: str) -> str:
    """How a record names a caller: what vouched, and the person's keyed handle, never the name."""
    return f"{identity.source}:{handle}"
