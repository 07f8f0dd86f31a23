"""`privacy-gateway disclosure authority check`: what was produced, checked by whoever received it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from gateway.audit.verify_note import Malformed, VerifierKey
from gateway.audit.verify_report import Verdict
from gateway.cli.audit_options import AS_JSON, FILE
from gateway.cli.audit_verify import read_trust_file, why
from gateway.cli.output import console, errors, fail, print_json, printable
from gateway.runtime.production_check import ProductionReport, check_production


@click.command("check")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--vkey", multiple=True, help="A verifier key to believe; once for each, that of receipts among them.")
@click.option("--trust", type=FILE, help="File of verifier keys to believe, one to a line.")
@AS_JSON
def check_command(*, directory: Path, vkey: tuple[str, ...], trust: Path | None, as_json: bool) -> None:
    """Check a produced DIRECTORY from its files and public keys alone; no ledger and no network is needed.

    Exit status: 0 VALID, 10 TAMPERED, 20 CANNOT.
    """
    if not vkey and trust is None:
        fail("give the public keys: --vkey KEY or --trust FILE", as_json=as_json, exit_code=Verdict.CANNOT)
    at = "--vkey"
    try:
        keys = [VerifierKey(text) for text in vkey] + list(read_trust_file(trust, as_json) or [])
        at = str(directory)
        with _bar(hidden=as_json) as progress:
            report = check_production(directory, keys, progress)
    except (Malformed, OSError) as error:
        fail(f"{at}: {why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)
    except msgspec.DecodeError:
        fail(f"{at}: a signed file is in another form than this version writes", exit_code=Verdict.CANNOT)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise click.exceptions.Exit(report.exit_code)


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Callable[[int, int], object]]:
    """The proofs that are checked, as a bar on the terminal of a person."""
    if hidden or not errors.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn("checking"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("checking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(report: ProductionReport) -> None:
    for sentence in report.says:
        console.print(Text(printable(sentence)), soft_wrap=True)
    for unlike in report.failed:
        console.print(Text(printable(f"{unlike.what}: {unlike.why}")), soft_wrap=True)
    console.print(Text(report.verdict, style="bold red" if report.failed else "bold green"))
