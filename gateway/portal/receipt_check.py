"""Checks a consent receipt from the file and public keys alone: no log, no store and no network.

What is asked: is all of it signed by a key that the reader trusts, does each event stand in the log that it
names, and does the receipt say of it what the log does?
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.audit.proof import Proof
from gateway.audit.proof_check import check_proof
from gateway.audit.verify_note import Malformed, VerifierKey, verifier_key
from gateway.audit.verify_report import Verdict
from gateway.crypto.canonical_json import NotCanonical, parse
from gateway.crypto.data_integrity import BadProof, is_signed_by, signer_of
from gateway.portal.receipt_terms import CONTEXT, KEY_NAME, STATUS_OF_TERM

LARGEST = 16 * 1024 * 1024
"""Bytes of a receipt; one with as many events as are put into one has some megabytes."""
WORDS = {Verdict.VERIFIED: "VALID", Verdict.TAMPERED: "TAMPERED", Verdict.CANNOT: "CANNOT"}


class Failure(msgspec.Struct, frozen=True):
    """What did not hold (`signature`, `event <id>`) and why."""

    what: str
    why: str


class ReceiptReport(msgspec.Struct):
    """`verdict` is VALID, TAMPERED or CANNOT. `says` are sentences for people, `failed` what did not hold.

    `events` is how many the receipt holds, `proven` how many of them stand in a log for certain.
    """

    verdict: str
    exit_code: int
    says: list[str]
    failed: list[Failure]
    signed_by: str = ""
    events: int = 0
    proven: int = 0


def check_receipt(data: bytes, keys: Sequence[VerifierKey]) -> ReceiptReport:
    """Judge a receipt by the verifier keys given: those named `…/receipts` may sign it, others are of logs.

    Logs whose key was not given are believed by the key that the signed receipt itself names.
    """
    report = ReceiptReport("", 0, [], [])
    verdict = _judge(report, data, keys)
    report.verdict, report.exit_code = WORDS[verdict], int(verdict)
    return report


class _Typed(msgspec.Struct, rename={"types": "@type"}):
    types: list[str] = []


class _Named(msgspec.Struct, rename={"identifier": "dct:identifier"}):
    identifier: str


class _Notice(_Named, rename={"node": "@id", "version": "schema:version", "digest": "receipt:sha256"}):
    node: str
    version: str | None = None
    digest: str | None = None


class _Duration(_Typed, rename={"value": "rdf:value"}):
    value: str | None = None


class _InLedger(_Typed, rename={"proof": "receipt:tlogProof", "because": "receipt:because"}):
    proof: str | None = None
    because: str | None = None


_EVENT = {
    "types": "@type",
    "identifier": "dct:identifier",
    "at": "dpv:isIndicatedAtTime",
    "method": "dpv:hasIndicationMethod",
    "durations": "dpv:hasDuration",
    "notices": "dpv:hasNotice",
    "assurance": "receipt:assurance",
    "by": "receipt:enteredBy",
    "in_ledger": "receipt:inLedger",
}


class _Event(msgspec.Struct, rename=_EVENT):
    types: list[str]
    identifier: str
    at: str
    method: str
    in_ledger: list[_InLedger]
    durations: list[_Duration] = []
    notices: list[str] = []
    assurance: str | None = None
    by: str | None = None


class _Process(msgspec.Struct, rename={"purposes": "dpv:hasPurpose", "recipient": "receipt:recipient"}):
    purposes: list[_Named]
    recipient: str


_RECORD = {
    "subjects": "dpv:hasDataSubject",
    "processes": "dpv:hasProcess",
    "notices": "dpv:hasNotice",
    "statuses": "dpv:hasConsentStatus",
    "exercises": "receipt:hasRightExercise",
}


class _Record(msgspec.Struct, rename=_RECORD):
    subjects: list[_Named]
    processes: list[_Process]
    notices: list[_Notice]
    statuses: list[_Event]
    exercises: list[_Event]


_RECEIPT = {
    "records": "dpv:hasRecordOfActivity",
    "log_keys": "receipt:logKeys",
    "omitted": "receipt:omittedEvents",
}


class _Receipt(msgspec.Struct, rename=_RECEIPT):
    records: list[_Record]
    log_keys: list[str]
    omitted: int = 0


def _judge(report: ReceiptReport, data: bytes, keys: Sequence[VerifierKey]) -> Verdict:
    if len(data) > LARGEST:
        return _cannot(report, "the file", f"it has more than {LARGEST} bytes")
    try:
        document = parse(data)
        receipt = msgspec.convert(document, _Receipt)
        signer = signer_of(document)
        signers = [key for key in keys if key.public == signer and key.name.rpartition("/")[2] == KEY_NAME]
        if not signers:
            why = f"it is made by a key that was not given as one whose name ends in /{KEY_NAME}"
            return _cannot(report, "the signature", why)
        signed = is_signed_by(document, signer)
    except (NotCanonical, BadProof) as error:
        return _cannot(report, "the file", str(error))
    except msgspec.ValidationError:
        return _cannot(report, "the file", "it is not in the form of a consent receipt")
    if signed:
        report.signed_by = signers[0].text
        report.says.append(f"The receipt is signed by {signers[0].name}, and nothing in it was changed since.")
    else:
        report.failed.append(Failure("the signature", "it does not belong to this text: something was changed"))
    _check_events(report, receipt, keys, _keys_of(receipt) if signed else ())
    if report.failed:
        return Verdict.TAMPERED
    if document.get("@context") != dict(CONTEXT):
        return _cannot(report, "the context", "it is one of another version: use the program that made the receipt")
    if not report.events:
        return _cannot(report, "the receipt", "it holds no decision, so there is nothing to check")
    _tell(report, receipt)
    return Verdict.VERIFIED


def _cannot(report: ReceiptReport, what: str, why: str) -> Verdict:
    report.failed.append(Failure(what, why))
    return Verdict.CANNOT


def _keys_of(receipt: _Receipt) -> Sequence[VerifierKey]:
    found = []
    for text in receipt.log_keys:
        try:
            found.append(verifier_key(text))
        except Malformed:
            continue  # a log that is signed by no other key then has no proof that holds
    return found


def _check_events(
    report: ReceiptReport, receipt: _Receipt, given: Sequence[VerifierKey], named: Sequence[VerifierKey]
) -> None:
    for record, event in _events(receipt):
        report.events += 1
        why = _fault(event, _said(record, event), given, named)
        if why:
            report.failed.append(Failure(f"event {event.identifier}", why))
        elif event.in_ledger[0].proof is not None:
            report.proven += 1


def _events(receipt: _Receipt) -> Iterator[tuple[_Record, _Event]]:
    for record in receipt.records:
        for event in (*record.statuses, *record.exercises):
            yield record, event


def _said(record: _Record, event: _Event) -> Mapping[str, Any]:
    """What the receipt says of an event, under the keys that the ledger uses (audit/FORMAT.md, section 3.6)."""
    cited = [notice for notice in record.notices if notice.node in event.notices]
    ends = [duration.value for duration in event.durations if duration.value is not None]
    status = STATUS_OF_TERM.get(event.types[0]) if event.types else None
    return {
        "assurance": event.assurance,
        "at": event.at,
        "by": event.by,
        "event": event.identifier,
        "method": event.method,
        "notice": cited[0].identifier if cited else None,
        "notice_digest": cited[0].digest if cited else None,
        "notice_version": cited[0].version if cited else None,
        "purpose": record.processes[0].purposes[0].identifier
        if record.processes and record.processes[0].purposes
        else None,
        "recipient": record.processes[0].recipient if record.processes else None,
        "status": status.value if status is not None else None,
        "subject": record.subjects[0].identifier if record.subjects else None,
        "valid_until": ends[0] if ends else None,
    }


def _fault(event: _Event, said: Mapping[str, Any], given: Sequence[VerifierKey], named: Sequence[VerifierKey]) -> str:
    """What is wrong with an event; empty if nothing is."""
    if len(event.in_ledger) != 1 or (event.in_ledger[0].proof is None) == (event.in_ledger[0].because is None):
        return "it has neither a proof nor a reason for the lack of one"
    text = event.in_ledger[0].proof
    if text is None:
        return ""
    try:
        proof = Proof.parse(text)
    except Malformed as error:
        return f"its proof cannot be read: {error}"
    trusted = [key for key in given if key.name == proof.head.origin] or named
    if not trusted:
        return f"the key of the log {proof.head.origin} was not given"
    found = check_proof(proof, trusted)
    if found.record is None:
        return found.says[-1] if found.says else "its proof holds no record"
    other = sorted(name for name, value in said.items() if found.record.get(name) != value)
    if found.record.get("kind") != "consent" or other:
        return f"the receipt says other than the log: {', '.join(other) or 'kind'}"
    return ""


def _tell(report: ReceiptReport, receipt: _Receipt) -> None:
    report.says.append(
        f"{report.proven} of {report.events} decisions are proven to stand in the log as the receipt says."
    )
    reasons = [event.in_ledger[0].because for _, event in _events(receipt) if event.in_ledger[0].because is not None]
    for reason in sorted(set(reasons)):
        report.says.append(f"{reasons.count(reason)} rest on the signature alone: {reason}.")
    if receipt.omitted:
        report.says.append(f"{receipt.omitted} older decisions are not in this receipt.")
