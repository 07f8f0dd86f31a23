"""`privacy-gateway audit prove`, `check-proof` and `publish`: what others can check without the log.

Exit codes are those of `audit verify` (FORMAT.md, section 7): 20 where something cannot be done, 10 where
a proof is bad, 11 and 12 where a receipt shows that the log was rolled back or forked.
"""

from pathlib import Path

import click
from rich.text import Text

from gateway.audit.proof import Proof
from gateway.audit.proof_check import ProofReport, check_proof
from gateway.audit.proof_make import prove
from gateway.audit.proof_source import Source, Unprovable
from gateway.audit.tiles import Refused, publish
from gateway.audit.verify_files import find_slots
from gateway.audit.verify_note import Malformed, VerifierKey
from gateway.audit.verify_pins import Receipt, read_receipt
from gateway.audit.verify_report import Verdict
from gateway.cli.audit_options import AS_JSON, FILE, STATE
from gateway.cli.audit_verify import read_trust_file, why
from gateway.cli.output import console, fail, print_json, printable

_OUTPUT = click.Path(path_type=Path)


@click.command("prove")
@STATE
@click.option("--index", type=click.IntRange(min=0), help="The record's index in the log of --slot.")
@click.option("--slot", default="", help="Which log; needed where there are several.")
@click.option("--receipt", "receipt_text", help="The value of a Disclosure-Receipt header.")
@click.option("--request", help="A request id; proves each of its records.")
@click.option("--size", type=click.IntRange(min=1), help="Under the checkpoint of so many leaves, not the newest.")
@click.option("--output", type=_OUTPUT, help="File to write, or a directory where there are several proofs.")
@AS_JSON
def prove_command(
    *,
    state: Path,
    index: int | None,
    slot: str,
    receipt_text: str | None,
    request: str | None,
    size: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Write a proof (.tlog-proof) that a record stands in the log; `check-proof` checks it without the log."""
    if sum(each is not None for each in (index, receipt_text, request)) != 1:
        raise click.UsageError("give one of --index, --receipt and --request")
    try:
        sources = [Source(path) for path in find_slots(state) if slot in ("", path.name)]
        if receipt_text is not None:
            wanted = [_by_receipt(sources, read_receipt(receipt_text), as_json)]
        elif request is not None:
            wanted = [(source, found) for source in sources for found in source.search(request)]
        else:
            wanted = [(_only(sources, as_json), index or 0)]
        if not wanted:
            fail("no record of this request is stored here", as_json=as_json, exit_code=Verdict.CANNOT)
        proofs = [(source.slot.name, prove(source, found, size)) for source, found in wanted]
        if receipt_text is not None:
            _compare(proofs[0][1], read_receipt(receipt_text), wanted[0][0], as_json)
        _write(proofs, output, as_json)
    except Malformed as error:
        fail(f"--receipt: {error}", as_json=as_json, exit_code=Verdict.CANNOT)
    except (Unprovable, OSError) as error:
        _stop(error, as_json)


def _only(sources: list[Source], as_json: bool) -> Source:
    if len(sources) != 1:
        names = ", ".join(source.slot.name for source in sources)
        problem = f"an index needs --slot: there are {names}" if sources else "there is no such log here"
        fail(problem, as_json=as_json, exit_code=Verdict.CANNOT)
    return sources[0]


def _by_receipt(sources: list[Source], receipt: Receipt, as_json: bool) -> tuple[Source, int]:
    source = next((each for each in sources if each.origin == receipt.origin), None)
    if source is None:
        fail("the log of this receipt is not here", as_json=as_json, exit_code=Verdict.INCOMPLETE)
    if receipt.index >= source.head().size:
        problem = f"the receipt is for leaf {receipt.index}, the log ends before it: it was rolled back"
        fail(problem, as_json=as_json, exit_code=Verdict.ROLLED_BACK)
    return source, receipt.index


def _compare(proof: Proof, receipt: Receipt, source: Source, as_json: bool) -> None:
    if not proof.proves(receipt.leaf):
        problem = f"{source.slot.name}: the log holds another record at index {receipt.index} than the receipt's"
        fail(problem, as_json=as_json, exit_code=Verdict.FORK)


def _write(proofs: list[tuple[str, Proof]], output: Path | None, as_json: bool) -> None:
    """One proof into the file, several into a directory, none of them over anything but an older proof."""
    many = len(proofs) > 1
    if many and output is None:
        places = ", ".join(f"{slot} {proof.index}" for slot, proof in proofs)
        problem = f"there are several records ({places}): give --output DIRECTORY, or --slot and --index"
        fail(problem, as_json=as_json, exit_code=Verdict.CANNOT)
    if output is None:
        click.echo(proofs[0][1].text(), nl=False)
        return
    if many:
        output.mkdir(parents=True, exist_ok=True)
    written = []
    for slot, proof in proofs:
        path = output / f"{slot}-{proof.index}.tlog-proof" if many or output.is_dir() else output
        path.write_text(proof.text(), encoding="utf-8")
        written.append({"file": str(path), "slot": slot, "index": proof.index, "size": proof.head.size})
    if as_json:
        print_json(written)
        return
    for each in written:
        line = f"{each['file']}: leaf {each['index']} of {each['slot']}, under the checkpoint of {each['size']} leaves"
        console.print(Text(printable(line)), soft_wrap=True)


@click.command("check-proof")
@click.argument("file", type=FILE)
@click.option("--trust", type=FILE, help="File of verifier keys to believe, one to a line.")
@click.option("--vkey", help="The verifier key to believe.")
@click.option("--record", type=FILE, help="The record's line, if the proof does not hold it.")
@click.option("--receipt", "receipt_text", help="The value of a Disclosure-Receipt header.")
@AS_JSON
def check_proof_command(
    *, file: Path, trust: Path | None, vkey: str | None, record: Path | None, receipt_text: str | None, as_json: bool
) -> None:
    """Check a proof from the FILE and the log's key alone; no log is needed.

    Exit status: 0 VERIFIED, 10 TAMPERED, 20 CANNOT.
    """
    if (trust is None) == (vkey is None):
        fail("give the log's key: --trust FILE or --vkey KEY", as_json=as_json, exit_code=Verdict.CANNOT)
    at = str(file)
    try:
        proof = Proof.parse(file.read_bytes().decode())
        at = "--vkey"
        keys = [VerifierKey(vkey)] if vkey is not None else read_trust_file(trust, as_json) or []
        at = "--record"
        line = None if record is None else record.read_bytes().removesuffix(b"\n")
        at = "--receipt"
        receipt = None if receipt_text is None else read_receipt(receipt_text)
    except (Malformed, OSError, UnicodeDecodeError) as error:
        fail(f"{at}: {why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)
    report = check_proof(proof, keys, line=line, receipt=receipt)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise click.exceptions.Exit(report.exit_code)


def _print(report: ProofReport) -> None:
    for sentence in report.says:
        console.print(Text(printable(sentence)), soft_wrap=True)
    if report.record is not None:
        for name, value in report.record.items():
            console.print(Text(printable(f"  {name:<10} {value}")), soft_wrap=True)
    style = "bold green" if report.verdict is Verdict.VERIFIED else "bold red"
    console.print(Text(report.words, style=style))


@click.command("publish")
@STATE
@click.option("--slot", default="", help="Which log; needed where there are several.")
@click.option("--output", required=True, type=_OUTPUT, help="Directory to serve; later runs add to it.")
@AS_JSON
def publish_command(*, state: Path, slot: str, output: Path, as_json: bool) -> None:
    """Write a log as static files (C2SP tlog-tiles) for any tool that reads transparency logs.

    The files hold the records themselves: serve them only to those who may read the ledger.
    """
    try:
        source = _only([Source(path) for path in find_slots(state) if slot in ("", path.name)], as_json)
        published = publish(source, output)
    except (Unprovable, OSError) as error:
        _stop(error, as_json)
    head, added, pruned = published
    if as_json:
        print_json({"origin": head.origin, "size": head.size, "added": added, "pruned": pruned})
        return
    console.print(Text(printable(f"{head.origin}: {head.size} leaves, {added} new")), soft_wrap=True)
    if pruned:
        console.print(Text(f"{pruned} entries were pruned: their hashes are there, their bytes are not"))


def _stop(error: Unprovable | OSError, as_json: bool) -> None:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or 'cannot be read'}", as_json=as_json, exit_code=Verdict.CANNOT)
    verdict = error.verdict if isinstance(error, Refused) else Verdict.CANNOT
    fail(str(error), as_json=as_json, exit_code=verdict)
