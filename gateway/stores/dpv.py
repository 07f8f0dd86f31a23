"""Statuses in the words of the W3C Data Privacy Vocabulary 2.3 (https://w3id.org/dpv), for exports and imports."""

from types import MappingProxyType

from gateway.model.words import ConsentStatus

_DPV = "https://w3id.org/dpv#"
_GDPR = "https://w3id.org/dpv/legal/eu/gdpr#"

_IRIS = MappingProxyType(
    {
        ConsentStatus.UNKNOWN: _DPV + "ConsentUnknown",
        ConsentStatus.GIVEN: _DPV + "ConsentGiven",
        ConsentStatus.RENEWED: _DPV + "RenewedConsentGiven",
        ConsentStatus.REFUSED: _DPV + "ConsentRefused",
        ConsentStatus.WITHDRAWN: _DPV + "ConsentWithdrawn",
        ConsentStatus.REVOKED: _DPV + "ConsentRevoked",
        ConsentStatus.INVALIDATED: _DPV + "ConsentInvalidated",
        ConsentStatus.EXPIRED: _DPV + "ConsentExpired",
        # No statuses of consent, but rights that were exercised: GDPR Art. 21 and 18.
        ConsentStatus.OBJECTED: _GDPR + "A21",
        ConsentStatus.RESTRICTED: _GDPR + "A18",
    }
)
_BY_TERM = MappingProxyType(
    {iri.removeprefix(_DPV): status for status, iri in _IRIS.items() if iri.startswith(_DPV)}
    | {status.value: status for status in ConsentStatus}
)
STATUS_WORDS = tuple(status.value for status in ConsentStatus if status is not ConsentStatus.EXPIRED)
"""What an imported event may say; instead of the word also the DPV term, as `ConsentGiven` or `dpv:ConsentGiven`."""


def iri_of(status: ConsentStatus) -> str | None:
    """The IRI of a status; None for the lifting of a restriction, for which DPV has no word."""
    return _IRIS.get(status)


def status_of(text: str) -> ConsentStatus | None:
    """The status that a word of ours, a DPV term or its IRI names; None where it names none that an event can have.

    `ConsentRequested` and `ConsentRequestDeferred` are no answers, and an expiry is no event.
    """
    status = _BY_TERM.get(text.removeprefix(_DPV).removeprefix("dpv:"))
    return None if status is ConsentStatus.EXPIRED else status
