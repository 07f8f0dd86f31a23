"""One consent record of a receipt: a purpose and recipient, what the rules say of them, and every event."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from gateway.model.words import ConsentStatus
from gateway.policy.dpv_terms import (
    class_term,
    is_under_gdpr,
    jurisdiction_term,
    legal_basis_terms,
    purpose_term,
    rights_terms,
)
from gateway.policy.policy import Policy
from gateway.policy.texts import Text
from gateway.portal.receipt_evidence import Evidence
from gateway.portal.receipt_rules import ANY, Scope, scope_of
from gateway.portal.receipt_terms import EVENT_LISTS, EXERCISES, RECORD_SCHEMA, RIGHT_EXERCISE, STATUS_TERMS
from gateway.runtime.consents import moment_text, record_of
from gateway.stores.event import ConsentEvent, ServedNotice

_BY_CONTROLLER = frozenset({ConsentStatus.REVOKED, ConsentStatus.INVALIDATED})
_STATUSES, _EXERCISES = EVENT_LISTS


def consent_record(
    policy: Policy, events: Sequence[ConsentEvent], served: Sequence[ServedNotice], evidence: Evidence, where: str
) -> dict[str, Any]:
    """The record of events that share subject, purpose and recipient, which is at least one."""
    subject, purpose, recipient = events[0].subject, events[0].purpose, events[0].recipient
    scope = scope_of(policy, purpose, recipient)
    law = policy.controller.get("jurisdiction", "")
    identifier = _identifier(subject, purpose, recipient)
    notices = {_cited(event): _notice(event, served) for event in events if event.notice is not None}
    places = {cited: f"_:notice-{identifier}-{place}" for place, cited in enumerate(notices)}
    nodes = [_event(event, evidence, places) for event in events]
    rights = dict.fromkeys(term for basis in scope.bases for term in rights_terms(basis, law))
    record: dict[str, Any] = {
        "@id": f"urn:uuid:{identifier}",
        "@type": ["dpv:ConsentRecord"],
        "dct:identifier": identifier,
        "dct:conformsTo": [RECORD_SCHEMA],
        "dpv:hasDataSubject": [
            {"@id": f"_:subject-{subject}", "@type": ["dpv:DataSubject"], "dct:identifier": subject}
        ],
        "dpv:hasDataController": ["_:controller"],
        "dpv:hasJurisdiction": [jurisdiction_term(law)] if law else [],
        "dpv:hasApplicableLaw": ["eu-gdpr:GDPR"] if is_under_gdpr(law) else [],
        "dpv:hasLegalBasis": [term for basis in scope.bases for term in legal_basis_terms(basis, law)],
        "dpv:hasProcess": [_process(purpose, recipient, scope)],
        "dpv:hasConsentControl": _control(where, policy.controller.get("contact", "")),
        "dpv:hasRight": [_right(term, where) for term in rights],
        "dpv:hasNotice": [{"@id": places[cited], **notice} for cited, notice in notices.items()],
    }
    record[_STATUSES] = [node for event, node in zip(events, nodes, strict=True) if event.status not in EXERCISES]
    record[_EXERCISES] = [node for event, node in zip(events, nodes, strict=True) if event.status in EXERCISES]
    return record


def texts(text: Text) -> list[dict[str, str]]:
    """A text of the rules as JSON-LD values, each with its language where the rules name one."""
    return [{"@value": each, "@language": tag} if tag else {"@value": each} for tag, each in text.by_language]


def _identifier(subject: str, purpose: str, recipient: str) -> str:
    """The same for the same record in every receipt: a UUID of version 8 (RFC 9562, section 5.8)."""
    named = f"consent record\0{subject}\0{purpose}\0{recipient}"
    number = int.from_bytes(hashlib.sha256(named.encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62
    return str(UUID(int=number))


def _process(purpose: str, recipient: str, scope: Scope) -> dict[str, Any]:
    named: dict[str, Any] = {
        "@type": ["dpv:Purpose"],
        "dct:identifier": purpose,
        "dct:title": [text for each in scope.purposes for text in texts(each.title)],
        "dct:description": [text for each in scope.purposes for text in texts(each.description)],
        "skos:broader": ["dpv:Purpose" if purpose == ANY else purpose_term(purpose)],
    }
    data = [
        {"@type": ["dpv:PersonalData"], "dct:identifier": name, "skos:broader": [class_term(name)]}
        for name in scope.classes
    ]
    collected, disclosed = ["dpv:Collect"] * scope.collects, ["dpv:Disclose"] * scope.discloses
    return {
        "@type": ["dpv:Process"],
        "dpv:hasPurpose": [named],
        "dpv:hasPersonalData": data,
        "dpv:hasProcessing": [*collected, "dpv:Use", *disclosed],
        "dpv:hasRecipient": [f"_:recipient-{name}" for name in scope.receivers],
        "receipt:recipient": recipient,
    }


def _control(where: str, contact: str) -> list[dict[str, Any]]:
    """Where consent is given and withdrawn: the person's pages, or else the controller's contact."""
    kinds = ["dpv:ProvideConsent", "dpv:WithdrawConsent"]
    if where:
        return [{"@type": kinds, "dpv:isExercisedAt": [where]}]
    return [{"@type": kinds, "dct:description": contact}] if contact else []


def _right(term: str, where: str) -> dict[str, Any]:
    right: dict[str, Any] = {"@type": ["dpv:DataSubjectRight", term]}
    return right | {"dpv:isExercisedAt": [where]} if where else right


def _cited(event: ConsentEvent) -> tuple[str | None, str | None, str | None]:
    return event.notice, event.notice_version, event.notice_digest


def _notice(event: ConsentEvent, served: Sequence[ServedNotice]) -> dict[str, Any]:
    """The notice that an event cites, and when and in which language it was last shown before."""
    said = {
        "dct:identifier": event.notice,
        "schema:version": event.notice_version,
        "receipt:sha256": event.notice_digest,
    }
    shown = [each for each in served if _vouches(each, event)]
    if shown:
        last = max(shown, key=lambda each: each.at)
        said |= {"dct:language": last.language, "dct:date": moment_text(last.at)}
    return {"@type": ["dpv:ConsentNotice"], **{name: value for name, value in said.items() if value is not None}}


def _vouches(served: ServedNotice, event: ConsentEvent) -> bool:
    return (
        (served.subject, served.notice) == (event.subject, event.notice)
        and served.at <= event.at
        and event.notice_version in (None, served.version)
        and event.notice_digest in (None, served.digest)
    )


def _event(
    event: ConsentEvent, evidence: Evidence, places: dict[tuple[str | None, str | None, str | None], str]
) -> dict[str, Any]:
    said = record_of(event)
    node: dict[str, Any] = {
        "@id": f"_:event-{event.id}",
        "@type": _types(event.status),
        "dct:identifier": event.id,
        "dpv:isIndicatedAtTime": said["at"],
        "dpv:isIndicatedBy": ["_:controller" if event.status in _BY_CONTROLLER else "dpv:DataSubject"],
        "dpv:hasIndicationMethod": event.method,
    }
    if "valid_until" in said:
        node["dpv:hasDuration"] = [{"@type": ["dpv:UntilTimeDuration"], "rdf:value": said["valid_until"]}]
    elif event.status.allows:
        node["dpv:hasDuration"] = [{"@type": ["dpv:EndlessDuration"]}]
    if event.assurance is not None:
        node["receipt:assurance"] = event.assurance.value
    if event.actor is not None:
        node["receipt:enteredBy"] = event.actor
    if event.notice is not None:
        node["dpv:hasNotice"] = [places[_cited(event)]]
    proof = evidence.proofs.get(event.id)
    if proof is not None:
        node["receipt:inLedger"] = [{"@type": ["receipt:Proof"], "receipt:tlogProof": proof}]
    else:
        node["receipt:inLedger"] = [{"@type": ["receipt:NoProof"], "receipt:because": evidence.missing[event.id]}]
    return node


def _types(status: ConsentStatus) -> list[str]:
    return [STATUS_TERMS[status], RIGHT_EXERCISE] if status in EXERCISES else [STATUS_TERMS[status]]
