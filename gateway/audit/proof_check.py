"""What a proof proves, told from the file and the key alone."""

from collections.abc import Sequence

import msgspec

from gateway.audit.proof import Proof
from gateway.audit.verify_line import BadLine, read_line
from gateway.audit.verify_note import VerifierKey
from gateway.audit.verify_pins import Receipt
from gateway.audit.verify_report import Verdict


class ProofReport(msgspec.Struct):
    """`says` are plain sentences; `record` is what the proof's own line holds, once that is proven."""

    verdict: Verdict
    exit_code: int
    words: str
    says: list[str]
    origin: str
    index: int
    size: int
    signed_by: str = ""
    others: list[str] = []
    leaf: str = ""
    record: dict[str, object] | None = None


def check_proof(
    proof: Proof, keys: Sequence[VerifierKey], *, line: bytes | None = None, receipt: Receipt | None = None
) -> ProofReport:
    """Judge a proof by itself, by the stored `line` of a record, or by a `receipt`, or by several of them.

    The verdict is VERIFIED, TAMPERED, or CANNOT where there is nothing whose place could be proven.
    """
    head = proof.head
    report = ProofReport(Verdict.VERIFIED, 0, "", [], head.origin, proof.index, head.size)
    verdict = _judge(report, proof, keys, line, receipt)
    report.verdict, report.exit_code, report.words = verdict, int(verdict), verdict.words
    return report


def _judge(
    report: ProofReport, proof: Proof, keys: Sequence[VerifierKey], line: bytes | None, receipt: Receipt | None
) -> Verdict:
    says = report.says
    if not _signed(report, proof, keys):
        return Verdict.TAMPERED
    leaves = _leaves(proof, line, receipt)
    if not leaves:
        says.append("The proof holds no record, so nothing is proven: give the record's line or its receipt.")
        return Verdict.CANNOT
    if receipt is not None and (receipt.origin, receipt.index) != (proof.head.origin, proof.index):
        says.append("The receipt is for another log or another place than the proof.")
        return Verdict.TAMPERED
    for what, leaf in leaves:
        if not proof.proves(leaf):
            says.append(f"{what} is NOT the one at index {proof.index} of the signed tree.")
            return Verdict.TAMPERED
        report.leaf = leaf.hex()
        says.append(f"{what} stands at index {proof.index} of the log {proof.head.origin}.")
    return _read(report, proof.line if proof.line is not None else line)


def _signed(report: ProofReport, proof: Proof, keys: Sequence[VerifierKey]) -> bool:
    """A key may only speak for the log that it is named after; a good signature does not make up for a bad one."""
    head = proof.head
    good = []
    for name, signature in head.signatures:
        known = [key for key in keys if key.name == name == head.origin and key.key_id == signature[:4]]
        if any(not key.accepts(head.body(), signature) for key in known):
            report.says.append("The checkpoint carries a bad signature of the log's key.")
            return False
        good += known
        if not known:
            report.others.append(name)
    if not good:
        report.says.append("The checkpoint is not signed with a key that you trust.")
        return False
    report.signed_by = good[0].text
    report.says.append(f"The key of {head.origin} has signed a tree of {head.size} leaves.")
    if report.others:
        report.says.append(f"{len(report.others)} further signatures were not checked: their keys were not given.")
    return True


def _leaves(proof: Proof, line: bytes | None, receipt: Receipt | None) -> list[tuple[str, bytes]]:
    from_line = Proof(0, (), proof.head, line).leaf()
    found = [
        ("The record in the proof", proof.leaf()),
        ("The record that you gave", from_line),
        ("The leaf of the receipt", receipt.leaf if receipt is not None else None),
    ]
    return [(what, leaf) for what, leaf in found if leaf is not None]


def _read(report: ProofReport, line: bytes | None) -> Verdict:
    """A line that is proven may still break the format, if its writer signed it so."""
    if line is None:
        return Verdict.VERIFIED
    try:
        record = read_line(line)
    except BadLine as error:
        report.says.append(f"It is no record of this format, though: {error}.")
        return Verdict.TAMPERED
    if record["index"] != report.index:
        report.says.append("It names another index as its own, though.")
        return Verdict.TAMPERED
    report.record = record
    return Verdict.VERIFIED
