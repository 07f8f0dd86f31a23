"""Checks what was produced from the directory and public keys alone: no log, no store and no network.

What is asked: is the manifest signed by a key that the reader trusts, are the files those that it lists, does each
record stand in the log that it names, and do the files say of it what the log does?
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from gateway.audit.proof import Proof
from gateway.audit.proof_check import check_proof
from gateway.audit.verify_note import Malformed, VerifierKey, verifier_key
from gateway.audit.verify_pins import Receipt
from gateway.audit.verify_report import Verdict
from gateway.crypto.canonical_json import NotCanonical, parse
from gateway.crypto.data_integrity import BadProof, is_signed_by, signer_of
from gateway.runtime.production_manifest import MANIFEST, PROOFS, TYPE, VERSION
from gateway.runtime.receipt_key import NAME

LARGEST_MANIFEST = 64 * 1024 * 1024
"""Bytes; one that names a hundred thousand people has about half of it."""
WORDS = {Verdict.VERIFIED: "VALID", Verdict.TAMPERED: "TAMPERED", Verdict.CANNOT: "CANNOT"}
_PIECE = 1 << 20
_OWN = frozenset({"index", "kind", "time", "version"})
"""Keys of a decision's record that the decision itself does not have."""


class Unlike(msgspec.Struct, frozen=True):
    """What did not hold (`manifest.json`, `<origin>:<index>`) and why."""

    what: str
    why: str


class ProductionReport(msgspec.Struct):
    """`verdict` is VALID, TAMPERED or CANNOT. `says` are sentences for people, `failed` what did not hold.

    `entries` is how many records and decisions the files hold, `proven` how many of them stand in a log as the
    files say, `placed` how many of them stand there and were cut to the scope, so that only the signature
    vouches for what they say.
    """

    verdict: str
    exit_code: int
    says: list[str]
    failed: list[Unlike]
    signed_by: str = ""
    entries: int = 0
    proven: int = 0
    placed: int = 0


class _File(msgspec.Struct):
    name: str
    bytes: int
    sha256: str


class _Log(msgspec.Struct):
    origin: str
    keys: list[str]


class _Manifest(msgspec.Struct):
    type: str
    version: int
    request: str
    files: list[_File]
    checkpoints: list[_Log]


class _Row(msgspec.Struct):
    origin: str
    index: int
    leaf: str
    whole: bool
    proof: str | None = None
    because: str | None = None


class _Entry(msgspec.Struct):
    origin: str
    index: int
    leaf: str
    record: dict[str, Any]


class _Person(msgspec.Struct):
    decisions: list[dict[str, Any]]
    records: list[_Entry]


class _Stands(msgspec.Struct, frozen=True):
    """What a row of `proofs.jsonl` shows; `record` where its whole line is proven."""

    leaf: str
    is_proven: bool
    record: Mapping[str, Any] | None


def check_production(
    directory: Path, keys: Sequence[VerifierKey], progress: Callable[[int, int], object] = lambda _done, _total: None
) -> ProductionReport:
    """Judge what was produced by the verifier keys given: those named `…/receipts` may sign it, others are of logs.

    Logs whose key was not given are believed by the key that the signed manifest itself names. `progress` is
    told how many bytes of proofs are checked, and of how many.

    Raises:
        OSError: a file cannot be read.
    """
    report = ProductionReport("", 0, [], [])
    verdict = _judge(report, directory, keys, progress)
    report.verdict, report.exit_code = WORDS[verdict], int(verdict)
    return report


def _judge(
    report: ProductionReport,
    directory: Path,
    keys: Sequence[VerifierKey],
    progress: Callable[[int, int], object],
) -> Verdict:
    with (directory / MANIFEST).open("rb") as file:
        data = file.read(LARGEST_MANIFEST + 1)
    try:
        document = parse(data)
        manifest = msgspec.convert(document, _Manifest)
        signer = signer_of(document)
        signed = is_signed_by(document, signer)
    except (NotCanonical, BadProof) as error:
        return _cannot(report, str(error))
    except msgspec.ValidationError:
        return _cannot(report, "it is not in the form of a manifest")
    if (manifest.type, manifest.version) != (TYPE, VERSION):
        return _cannot(report, "it is one of another version: use the program that made it")
    signers = [key for key in keys if key.public == signer and key.name.rpartition("/")[2] == NAME]
    if not signers:
        return _cannot(report, f"it is signed by a key that was not given as one whose name ends in /{NAME}")
    if not signed:
        _fail(report, MANIFEST, "the signature does not belong to this text: something was changed")
        return Verdict.TAMPERED
    report.signed_by = signers[0].text
    report.says.append(f"The manifest of {manifest.request} is signed by {signers[0].name}.")
    if _files_are_those(report, directory, manifest):
        with (directory / PROOFS).open("rb") as proofs:
            rows = _told(proofs, progress)
            stands = dict(_stands(report, rows, manifest, keys))
        for listed in manifest.files:
            if listed.name.startswith("person-") and listed.name.endswith(".json"):
                _check_person(report, directory / listed.name, stands)
    if report.failed:
        return Verdict.TAMPERED
    report.says.append(f"{len(manifest.files)} files are as they were when it was signed.")
    report.says.append(
        f"{report.proven} of {report.entries} entries stand in the log as the files say; {report.placed} more "
        "stand there and were cut to the scope."
    )
    return Verdict.VERIFIED


def _cannot(report: ProductionReport, why: str) -> Verdict:
    _fail(report, MANIFEST, why)
    return Verdict.CANNOT


def _fail(report: ProductionReport, what: str, why: str) -> None:
    report.failed.append(Unlike(what, why))


def _files_are_those(report: ProductionReport, directory: Path, manifest: _Manifest) -> bool:
    listed = {file.name: file for file in manifest.files}
    there = {path.name for path in directory.iterdir()} - {MANIFEST}
    for name in sorted(there - listed.keys()):
        _fail(report, name, "the manifest does not list it")
    for name, file in listed.items():
        if name not in there:
            _fail(report, name, "it is missing")
        elif _digest(directory / name) != file.sha256:
            _fail(report, name, "it was changed")
    return not report.failed


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _told(file: BinaryIO, progress: Callable[[int, int], object]) -> Iterator[bytes]:
    done, total = 0, os.fstat(file.fileno()).st_size
    for line in file:
        progress(done, total)
        yield line
        done += len(line)


def _stands(
    report: ProductionReport, rows: Iterable[bytes], manifest: _Manifest, keys: Sequence[VerifierKey]
) -> Iterator[tuple[tuple[str, int], _Stands]]:
    named = _keys_of(manifest)
    for line in rows:
        row = msgspec.json.decode(line, type=_Row)
        place = (row.origin, row.index)
        if row.proof is None:
            yield place, _Stands(row.leaf, is_proven=False, record=None)
            continue
        trusted = [key for key in keys if key.name == row.origin] or named
        try:
            receipt = Receipt(row.origin, row.index, bytes.fromhex(row.leaf))
            found = check_proof(Proof.parse(row.proof), trusted, receipt=receipt)
        except (Malformed, ValueError) as error:
            _fail(report, f"{row.origin}:{row.index}", f"its proof cannot be read: {error}")
            continue
        if found.verdict is not Verdict.VERIFIED:
            _fail(report, f"{row.origin}:{row.index}", found.says[-1])
            continue
        yield place, _Stands(row.leaf, is_proven=True, record=found.record)


def _keys_of(manifest: _Manifest) -> list[VerifierKey]:
    found = []
    for text in (text for log in manifest.checkpoints for text in log.keys):
        try:
            found.append(verifier_key(text))
        except Malformed:
            continue  # a log that is signed by no other key then has no proof that holds
    return found


def _check_person(report: ProductionReport, path: Path, stands: Mapping[tuple[str, int], _Stands]) -> None:
    person = msgspec.json.decode(path.read_bytes(), type=_Person)
    for entry in person.records:
        report.entries += 1
        found = stands.get((entry.origin, entry.index))
        if found is None or found.leaf != entry.leaf:
            _fail(report, f"{path.name} {entry.origin}:{entry.index}", "nothing is said of where it stands")
        elif found.record is None:
            report.placed += found.is_proven
        elif found.record != entry.record:
            _fail(report, f"{path.name} {entry.origin}:{entry.index}", "the file says other than the log")
        else:
            report.proven += 1
    proven = [found.record for found in stands.values() if found.record is not None]
    recorded = {record.get("event"): record for record in proven if record.get("kind") == "consent"}
    for decision in person.decisions:
        report.entries += 1
        record = recorded.get(decision.get("event"))
        if record is None:
            continue
        if {name: value for name, value in record.items() if name not in _OWN} != decision:
            _fail(report, f"{path.name} {decision.get('event')}", "the file says other than the log")
        else:
            report.proven += 1
