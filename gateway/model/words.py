"""The closed vocabularies of the gateway. One word per thing; README.md in this folder explains them."""

from enum import StrEnum


class Direction(StrEnum):
    REQUEST = "request"
    RESPONSE = "response"


class Mode(StrEnum):
    ENFORCE = "enforce"
    OBSERVE = "observe"


class Basis(StrEnum):
    """Why processing is lawful (GDPR Art. 6 and 9, PIPL Art. 13 and 29)."""

    CONSENT = "consent"
    EXPLICIT_CONSENT = "explicit_consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTEREST = "vital_interest"
    PUBLIC_INTEREST = "public_interest"
    LEGITIMATE_INTEREST = "legitimate_interest"

    @property
    def needs_consent(self) -> bool:
        return self in (Basis.CONSENT, Basis.EXPLICIT_CONSENT)


class Role(StrEnum):
    CONTROLLER = "controller"
    PROCESSOR = "processor"
    PARTNER = "partner"
    AFFILIATE = "affiliate"
    AUTHORITY = "authority"
    SUBJECT = "subject"
    PUBLIC = "public"


class Part(StrEnum):
    """The parts of a message that can each say what becomes of what no rule lists."""

    BODY = "body"
    QUERY = "query"
    HEADERS = "headers"
    COOKIES = "cookies"


class Rest(StrEnum):
    """What becomes of a value that no rule lists."""

    DROP = "drop"
    BLOCK = "block"
    PASS = "pass"  # noqa: S105 - a word of the rule language, not a secret


class Reason(StrEnum):
    """Why a verdict is what it is."""

    LISTED = "listed"
    NO_CONSENT = "no_consent"
    WITHDRAWN = "withdrawn"
    EXPIRED_CONSENT = "expired_consent"
    OBJECTED = "objected"
    GPC = "gpc"
    RESTRICTED = "restricted"
    NO_BASIS = "no_basis"
    UNLISTED_FIELD = "unlisted_field"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    CONTRACT_EXPIRED = "contract_expired"
    NOT_PERMITTED_FOR_RECIPIENT = "not_permitted_for_recipient"
    UNRESOLVED_SUBJECT = "unresolved_subject"
    DETECTED = "detected"


class Posture(StrEnum):
    """What the gateway could not read or reach without doubt (DESIGN section 7)."""

    UNPARSABLE_BODY = "unparsable_body"
    UNKNOWN_MEDIA_TYPE = "unknown_media_type"
    UNKNOWN_CONTENT_CODING = "unknown_content_coding"
    UNDECODABLE_CHARSET = "undecodable_charset"
    AMBIGUOUS_FRAMING = "ambiguous_framing"
    DUPLICATE_KEY = "duplicate_key"
    OVER_SIZE = "over_size"
    TOO_DEEP = "too_deep"
    DECOMPRESSION_BOMB = "decompression_bomb"
    UNRESOLVED_SUBJECT = "unresolved_subject"
    UNKNOWN_ROUTE = "unknown_route"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    DETECTOR_BUDGET = "detector_budget"
    CONSENT_STORE_DOWN = "consent_store_down"
    KEY_PROVIDER_DOWN = "key_provider_down"
    AUDIT_UNAVAILABLE = "audit_unavailable"


class Kind(StrEnum):
    """What a ledger record is about."""

    COLLECT = "collect"
    DISCLOSE = "disclose"
    REVEAL = "reveal"
    REFUSE = "refuse"
    OUTCOME = "outcome"
    COUNT = "count"
    OPEN = "open"
    CLOSE = "close"
    CHECKPOINT = "checkpoint"
    RECOVER = "recover"
    ROTATE = "rotate"
    CLOCK = "clock"
    DISK = "disk"
    POLICY = "policy"
    CONSENT = "consent"
    KEY = "key"
    ERASE = "erase"
    PRUNE = "prune"
    HEADS = "heads"


TRAFFIC = frozenset({Kind.COLLECT, Kind.DISCLOSE, Kind.REVEAL, Kind.REFUSE})
"""Kinds of records that say what became of somebody's data."""


class PageMode(StrEnum):
    """Whether third parties in pages are held back, or only listed for the operator."""

    ENFORCE = "enforce"
    REPORT = "report"


class UnknownHosts(StrEnum):
    """What becomes of a host in a page that no recipient has; `report` lets it pass and puts it on record."""

    HOLD = "hold"
    PASS = "pass"  # noqa: S105 - a word of the rule language, not a secret
    REPORT = "report"


class UnknownDestinations(StrEnum):
    """What becomes of a call that goes out to a host of no recipient; `observe` forwards it as it is, on record."""

    REFUSE = "refuse"
    OBSERVE = "observe"


class Safeguard(StrEnum):
    """What lets personal data leave the controller's jurisdiction (GDPR Art. 45 to 49, PIPL Art. 38)."""

    ADEQUACY = "adequacy"
    STANDARD_CLAUSES = "standard_clauses"
    AUTHORISED_CLAUSES = "authorised_clauses"
    BINDING_RULES = "binding_rules"
    CODE_OF_CONDUCT = "code_of_conduct"
    CERTIFICATION = "certification"
    PUBLIC_INSTRUMENT = "public_instrument"
    ASSESSMENT = "assessment"
    TREATY = "treaty"
    EXPLICIT_CONSENT = "explicit_consent"
    DEROGATION = "derogation"


class ConsentScope(StrEnum):
    """Whose consent counts for a purpose: one for any recipient too, or only one for the very recipient."""

    ANY = "any"
    RECIPIENT = "recipient"


class Assurance(StrEnum):
    """How sure it was who the person is: the levels of Regulation (EU) 910/2014, Art. 8, and that nobody checked."""

    NONE = "none"
    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"


class ConsentStatus(StrEnum):
    """Standing of one person towards one purpose, after the events are folded.

    `revoked` is consent that the controller ended, `invalidated` one that is found never to have been
    valid. `unrestricted` ends a restriction; it is an event, and no standing.
    """

    UNKNOWN = "unknown"
    GIVEN = "given"
    RENEWED = "renewed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    INVALIDATED = "invalidated"
    EXPIRED = "expired"
    OBJECTED = "objected"
    RESTRICTED = "restricted"
    UNRESTRICTED = "unrestricted"

    @property
    def allows(self) -> bool:
        return self in (ConsentStatus.GIVEN, ConsentStatus.RENEWED)

    @property
    def narrows(self) -> bool:
        """Whether after such an event no more may happen than before it; it then counts without delay."""
        return self in _NARROWING


class Instrument(StrEnum):
    """By which kind of legal instrument an authority asks for somebody's data."""

    COURT_ORDER = "court_order"
    WARRANT = "warrant"
    SUBPOENA = "subpoena"
    PRODUCTION_ORDER = "production_order"
    STATUTORY_REQUEST = "statutory_request"
    EMERGENCY_REQUEST = "emergency_request"
    MUTUAL_LEGAL_ASSISTANCE = "mutual_legal_assistance"


class LegalStatus(StrEnum):
    """What became of a legal request: the steps of its life, as events and records name them.

    `failed`: what `produced` announced was not written after all. `hold_overridden`: a person in scope was erased.
    """

    REGISTERED = "registered"
    APPROVED = "approved"
    REJECTED = "rejected"
    PRODUCED = "produced"
    FAILED = "failed"
    SECRECY_EXTENDED = "secrecy_extended"
    SECRECY_LIFTED = "secrecy_lifted"
    HOLD_OVERRIDDEN = "hold_overridden"


STANDINGS = tuple(status for status in ConsentStatus if status is not ConsentStatus.UNRESTRICTED)
"""What a person's standing can be; the lifting of a restriction leaves the one that was below it."""

_NARROWING = frozenset(
    {
        ConsentStatus.REFUSED,
        ConsentStatus.WITHDRAWN,
        ConsentStatus.REVOKED,
        ConsentStatus.INVALIDATED,
        ConsentStatus.OBJECTED,
        ConsentStatus.RESTRICTED,
    }
)
