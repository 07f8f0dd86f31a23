"""The terms of a consent receipt: its context, frozen with the version, and the names that both its maker and
its checker use.

The context stands in the receipt, so no reader has to fetch anything. The vocabularies are those of the guide
for ISO/IEC TS 27560:2023 by the W3C Data Privacy Vocabularies and Controls Community Group; `receipt:` terms are ours.
"""

from types import MappingProxyType
from typing import Any

from gateway.model.words import ConsentStatus
from gateway.stores.dpv import iri_of

RECEIPT_SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#receipt"
RECORD_SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#record"
KEY_NAME = "receipts"
"""The last part of the name of a key that signs receipts; a key of another name signs none."""

_PREFIXES = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "pd": "https://w3id.org/dpv/pd#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "receipt": "urn:privacy-gateway:receipt:1#",
    "schema": "https://schema.org/",
    "sec": "https://w3id.org/security#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_IRIS = (
    "dct:conformsTo", "dct:publisher", "dpv:hasApplicableLaw", "dpv:hasConsentControl", "dpv:hasConsentStatus",
    "dpv:hasDataController", "dpv:hasDataSubject", "dpv:hasDuration", "dpv:hasEntity", "dpv:hasJurisdiction",
    "dpv:hasLegalBasis", "dpv:hasLocation", "dpv:hasNotice", "dpv:hasPersonalData", "dpv:hasProcess",
    "dpv:hasProcessing", "dpv:hasPurpose", "dpv:hasRecipient", "dpv:hasRecordOfActivity", "dpv:hasRight",
    "dpv:isExercisedAt", "dpv:isIndicatedBy", "receipt:hasRightExercise", "receipt:inLedger", "schema:contactPoint",
    "schema:recipient", "skos:broader",
)  # fmt: skip
_TIMES = ("dct:created", "dct:date", "dpv:isIndicatedAtTime")

CONTEXT: MappingProxyType[str, Any] = MappingProxyType(
    {
        **_PREFIXES,
        **{name: {"@id": name, "@type": "@id"} for name in _IRIS},
        **{name: {"@id": name, "@type": "xsd:dateTime"} for name in _TIMES},
        "type": "@type",
        "DataIntegrityProof": "sec:DataIntegrityProof",
        "assertionMethod": "sec:assertionMethod",
        "created": {"@id": "dct:created", "@type": "xsd:dateTime"},
        "cryptosuite": {"@id": "sec:cryptosuite", "@type": "sec:cryptosuiteString"},
        "proof": {"@id": "sec:proof", "@type": "@id", "@container": "@graph"},
        "proofPurpose": {"@id": "sec:proofPurpose", "@type": "@vocab"},
        "proofValue": {"@id": "sec:proofValue", "@type": "sec:multibase"},
        "verificationMethod": {"@id": "sec:verificationMethod", "@type": "@id"},
    }
)


def _status_terms() -> dict[ConsentStatus, str]:
    terms = {ConsentStatus.UNRESTRICTED: "receipt:RestrictionLifted"}
    for status in ConsentStatus:
        iri = iri_of(status)
        if iri is not None:
            prefix = max(
                (each for each in _PREFIXES if iri.startswith(_PREFIXES[each])), key=lambda each: len(_PREFIXES[each])
            )
            terms[status] = f"{prefix}:{iri.removeprefix(_PREFIXES[prefix])}"
    return terms


STATUS_TERMS = MappingProxyType(_status_terms())
"""The type of an event by what was decided. What is no status of consent is the exercise of a right."""
RIGHT_EXERCISE = "dpv:RightExerciseActivity"
EXERCISES = frozenset({ConsentStatus.OBJECTED, ConsentStatus.RESTRICTED, ConsentStatus.UNRESTRICTED})
STATUS_OF_TERM = MappingProxyType({term: status for status, term in STATUS_TERMS.items()})

EVENT_LISTS = ("dpv:hasConsentStatus", "receipt:hasRightExercise")
"""Where the events of a consent record stand."""
