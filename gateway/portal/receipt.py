"""Consent receipts: what a person decided, as ISO/IEC TS 27560:2023 arranges it, in JSON-LD with the words of DPV.

A receipt holds a consent record for each purpose and recipient that was decided about, with the history of
its statuses; for each event the proof that its record stands in the ledger; and one signature over all of it
(`crypto.data_integrity`). docs/receipts.md says how it is checked; `receipt_check` does.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.index import Index
from gateway.crypto.data_integrity import sign_document
from gateway.policy.dpv_terms import ROLES, jurisdiction_term
from gateway.policy.policy import Policy
from gateway.portal.receipt_evidence import Evidence, evidence_of
from gateway.portal.receipt_record import consent_record, texts
from gateway.portal.receipt_terms import CONTEXT, RECEIPT_SCHEMA
from gateway.runtime.receipt_key import ReceiptKey
from gateway.runtime.record_reader import RecordReader
from gateway.stores.event import ConsentEvent, ServedNotice
from gateway.stores.fold import in_order

MOST_EVENTS = 500
"""The newest events that one receipt holds; how many older ones there are, it says."""


class Decided(msgspec.Struct, frozen=True):
    """What one person decided, and the notices that the person was shown."""

    events: Sequence[ConsentEvent]
    served: Sequence[ServedNotice]


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """What a receipt says of itself: its id (a UUID), when it is made (UTC, to the second), and where consent is given.

    `where` is the URL of the person's pages; empty where there are none.
    """

    identifier: str
    created: str
    where: str = ""


async def receipt_of(
    reader: RecordReader, decided: Decided, policy: Policy, occasion: Occasion, key: ReceiptKey
) -> bytes:
    """The receipt of one person, made in the reader's thread. Raises as `signed_receipt` and `RecordReader.find`."""
    return await reader.ask(
        lambda opened: signed_receipt(decided, proven(opened.index, reader.home, decided), policy, occasion, key)
    )


def proven(index: Index, home: Path, decided: Decided) -> Evidence:
    """The proofs for the events that a receipt holds. Raises as `evidence_of`."""
    held, _ = _newest(decided.events)
    return evidence_of(index, home, {event.subject for event in held}, {event.id for event in held})


def signed_receipt(decided: Decided, evidence: Evidence, policy: Policy, occasion: Occasion, key: ReceiptKey) -> bytes:
    """The receipt as a file: indented JSON in UTF-8.

    Raises:
        ValueError: there is no event, so nothing to give a receipt for.
    """
    if not decided.events:
        raise ValueError("a receipt is for at least one decision")
    held, omitted = _newest(decided.events)
    document = _document(policy, Decided(held, decided.served), evidence, occasion)
    if omitted:
        document["receipt:omittedEvents"] = omitted
    signed = sign_document(document, key.seed, created=occasion.created)
    return json.dumps(signed, ensure_ascii=False, indent=2).encode() + b"\n"


def _newest(events: Sequence[ConsentEvent]) -> tuple[list[ConsentEvent], int]:
    """Those that a receipt holds, in the order in which they count, and how many older ones it leaves out."""
    return in_order(events)[-MOST_EVENTS:], max(len(events) - MOST_EVENTS, 0)


def _document(policy: Policy, decided: Decided, evidence: Evidence, occasion: Occasion) -> dict[str, Any]:
    about: dict[tuple[str, str, str], list[ConsentEvent]] = {}
    for event in decided.events:
        about.setdefault((event.subject, event.purpose, event.recipient), []).append(event)
    records = [consent_record(policy, group, decided.served, evidence, occasion.where) for group in about.values()]
    named = {name for record in records for process in record["dpv:hasProcess"] for name in process["dpv:hasRecipient"]}
    return {
        "@context": dict(CONTEXT),
        "@id": f"urn:uuid:{occasion.identifier}",
        "@type": ["dpv:ConsentReceipt"],
        "dct:identifier": occasion.identifier,
        "dct:conformsTo": [RECEIPT_SCHEMA],
        "dct:created": occasion.created,
        "dct:publisher": ["_:controller"],
        "schema:recipient": ["dpv:DataSubject"],
        "receipt:policy": policy.digest,
        "receipt:logKeys": list(evidence.keys),
        "dpv:hasEntity": [_controller(policy.controller), *_recipients(policy, named)],
        "dpv:hasRecordOfActivity": records,
    }


def _controller(said: Mapping[str, str]) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "@id": "_:controller",
        "@type": ["dpv:DataController"],
        "dpv:hasName": said.get("name", ""),
        "schema:contactPoint": _contact(said.get("contact", "")),
    }
    if "address" in said:
        entity["schema:address"] = [{"@type": ["schema:PostalAddress"], "schema:streetAddress": said["address"]}]
    if "representative" in said:
        entity["dpv:hasRepresentative"] = said["representative"]
    if "privacy_policy" in said:
        entity["schema:url"] = said["privacy_policy"]
    if "jurisdiction" in said:
        entity["dpv:hasJurisdiction"] = [jurisdiction_term(said["jurisdiction"])]
    return entity


def _recipients(policy: Policy, named: set[str]) -> list[dict[str, Any]]:
    entities = []
    for name, recipient in sorted(policy.recipients.items()):
        if f"_:recipient-{name}" not in named:
            continue
        entity: dict[str, Any] = {
            "@id": f"_:recipient-{name}",
            "@type": ["dpv:Recipient", ROLES[recipient.role]],
            "dct:identifier": name,
            "dpv:hasName": texts(recipient.title) or [{"@value": name}],
            "schema:contactPoint": _contact(recipient.contact),
        }
        if recipient.country:
            entity["dpv:hasLocation"] = [f"loc:{recipient.country}"]
        entities.append(entity)
    return entities


def _contact(text: str) -> list[dict[str, Any]]:
    if not text:
        return []
    kind = (
        "schema:url"
        if text.startswith(("https://", "http://"))
        else "schema:email"
        if "@" in text
        else "dct:description"
    )
    return [{"@type": ["schema:ContactPoint"], kind: text}]
