"""`privacy-gateway consent receipt` and `check-receipt`: what a person decided, signed, and checked without us."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import click
from rich.text import Text

from gateway.audit.index import Index
from gateway.audit.verify_note import Malformed, VerifierKey
from gateway.audit.verify_report import Verdict
from gateway.cli.audit_options import AS_JSON, FILE, STATE
from gateway.cli.audit_verify import read_trust_file, why
from gateway.cli.consent_options import consent_store
from gateway.cli.output import console, fail, print_json, printable
from gateway.cli.rules_in_force import RULES, rules_in_force
from gateway.cli.subject_options import SUBJECT, handle_of, read_identifier
from gateway.portal.receipt import Decided, Occasion, proven, signed_receipt
from gateway.portal.receipt_check import LARGEST, ReceiptReport, check_receipt
from gateway.runtime.operators import AUDIT
from gateway.runtime.receipt_key import receipt_key


@click.command("receipt")
@STATE
@click.option("--subject", required=True, help=SUBJECT)
@RULES
@click.option("--where", default="", help="URL at which the person can change the decisions.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@AS_JSON
def receipt_command(
    state: Path, subject: str, rules: Path | None, where: str, output: Path | None, *, as_json: bool
) -> None:
    """Write a signed consent receipt of one person: ISO/IEC TS 27560 in JSON-LD, with proofs from the ledger.

    `check-receipt` checks it without the ledger, by the keys that `keys show` prints.
    """
    handle = handle_of(state, read_identifier(subject))
    policy = rules_in_force(state, rules, as_json)
    with consent_store(state) as store:
        decided = Decided(store.history(handle), store.served(handle)) if handle is not None else Decided([], [])
    if not decided.events:
        fail("this person decided nothing, so there is nothing to give a receipt for", as_json=as_json)
    key = receipt_key(state)
    occasion = Occasion(identifier=str(uuid4()), created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), where=where)
    with Index.open(state / AUDIT) as index:
        evidence = proven(index, state / AUDIT, decided)
    receipt = signed_receipt(decided, evidence, policy, occasion, key)
    if output is None:
        sys.stdout.buffer.write(receipt)
        return
    output.write_bytes(receipt)
    if as_json:
        print_json({"file": str(output), "identifier": occasion.identifier, "signed_by": key.vkey})
    else:
        console.print(Text(printable(f"{output}: signed by {key.vkey}")), soft_wrap=True)


@click.command("check-receipt")
@click.argument("file", type=FILE)
@click.option("--vkey", multiple=True, help="A verifier key to believe; once for each, that of receipts among them.")
@click.option("--trust", type=FILE, help="File of verifier keys to believe, one to a line.")
@AS_JSON
def check_receipt_command(*, file: Path, vkey: tuple[str, ...], trust: Path | None, as_json: bool) -> None:
    """Check a consent receipt from the FILE and public keys alone; no ledger and no network is needed.

    Without the key of a log, its proofs are judged by the key that the signed receipt names.

    Exit status: 0 VALID, 10 TAMPERED, 20 CANNOT.
    """
    if not vkey and trust is None:
        fail("give the public keys: --vkey KEY or --trust FILE", as_json=as_json, exit_code=Verdict.CANNOT)
    at = "--vkey"
    try:
        keys = [VerifierKey(text) for text in vkey] + list(read_trust_file(trust, as_json) or [])
        at = str(file)
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except (Malformed, OSError) as error:
        fail(f"{at}: {why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)
    report = check_receipt(data, keys)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise click.exceptions.Exit(report.exit_code)


def _print(report: ReceiptReport) -> None:
    for sentence in report.says:
        console.print(Text(printable(sentence)), soft_wrap=True)
    for failure in report.failed:
        console.print(Text(printable(f"{failure.what}: {failure.why}")), soft_wrap=True)
    console.print(Text(report.verdict, style="bold red" if report.failed else "bold green"))
