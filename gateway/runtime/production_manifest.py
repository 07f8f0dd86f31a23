"""The manifest of a production: what was asked for and given, the digest of every file, and one signature over it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.crypto.data_integrity import sign_document
from gateway.model.words import LegalStatus
from gateway.policy.policy import Policy
from gateway.runtime.legal_requests import instrument_of
from gateway.runtime.receipt_key import ReceiptKey
from gateway.runtime.whole_files import WrittenFile
from gateway.stores.legal_request import LegalEvent, Standing

MANIFEST = "manifest.json"
PROOFS = "proofs.jsonl"
TYPE = "privacy-gateway/production"
VERSION = 1
"""Of the manifest's form."""


class PersonGiven(msgspec.Struct, frozen=True):
    """What was given of the person at a place of the instrument; without a handle, the person was erased."""

    place: int
    handle: str = ""
    counts: Mapping[str, int] = {}
    policies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Checkpoint(msgspec.Struct, frozen=True):
    """The newest signed note of a log, and the log's verifier keys."""

    origin: str
    keys: tuple[str, ...]
    note: str


class Production(msgspec.Struct, frozen=True):
    """One production, as it was recorded by `event` and written."""

    standing: Standing
    event: LegalEvent
    policy: Policy
    people: Sequence[PersonGiven]
    files: Sequence[WrittenFile]
    checkpoints: Sequence[Checkpoint]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held of anybody whom the request names."""
        return not any(person.files for person in self.people)


def manifest(production: Production, key: ReceiptKey) -> bytes:
    """The signed manifest as a file: indented JSON in UTF-8. It names nobody but by handle."""
    created = production.event.at[:19] + "Z"
    signed = sign_document(_document(production), key.seed, created=created)
    return json.dumps(signed, ensure_ascii=False, indent=2).encode() + b"\n"


def _document(production: Production) -> dict[str, Any]:
    filed, policy = production.standing.filed, production.policy
    recipient = policy.recipients.get(filed.authority)
    approved = production.standing.last(LegalStatus.APPROVED)
    assert approved is not None
    document: dict[str, Any] = msgspec.to_builtins(
        {
            "type": TYPE,
            "version": VERSION,
            "request": filed.id,
            "production": production.event.id,
            "controller": {name: policy.controller.get(name, "") for name in ("name", "contact")},
            "authority": {"name": filed.authority, "title": "" if recipient is None else recipient.title.first},
            "instrument": instrument_of(filed),
            "legal_basis": filed.legal_basis,
            "received": filed.received,
            "registered": _step(production.standing.events[0]),
            "approved": _step(approved),
            "produced": _step(production.event),
            "secret_until": production.standing.secret_until,
            "scope": filed.scope,
            "nothing_held": production.is_empty,
            "counts": dict(production.event.counts or {}),
            "people": [_person(person) for person in production.people],
            "policy": policy.digest,
            "policies": sorted({digest for person in production.people for digest in person.policies}),
            "checkpoints": production.checkpoints,
            "files": production.files,
        }
    )
    return document


def _person(person: PersonGiven) -> dict[str, Any]:
    if not person.handle:
        return {"place": person.place, "erased": True}
    return {
        "place": person.place,
        "erased": False,
        "subject": person.handle,
        "counts": dict(person.counts),
        "files": list(person.files),
    }


def _step(event: LegalEvent) -> dict[str, Any]:
    said = {"at": event.at, "by": event.by, "same_person": event.same_person}
    return {name: value for name, value in said.items() if value is not None}
