"""`privacy-gateway audit verify`: the independent check of a ledger.

It ends with the exit code of its verdict (FORMAT.md, section 7), so that a monitor can tell a rolled
back log from a missing one without reading text.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.audit.verify import cores, verify_directory
from gateway.audit.verify_note import Malformed, VerifierKey
from gateway.audit.verify_pins import Pins, read_since
from gateway.audit.verify_report import Verdict
from gateway.audit.verify_trust import read_trust
from gateway.cli.audit_options import AS_JSON, FILE, Moment
from gateway.cli.audit_text import print_report
from gateway.cli.output import errors, fail, print_json

_GOOD = (Verdict.VERIFIED, Verdict.UNANCHORED, Verdict.STALE)


@click.command("verify")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--trust", type=FILE, help="File of verifier keys to believe, one to a line.")
@click.option("--since", type=FILE, multiple=True, help="What was kept earlier: heads, receipts, proofs, anchors.")
@click.option("--at", type=Moment(), help="Ask that each log was still being written at this time.")
@click.option("--allow-unanchored", is_flag=True, help="Without --since, end with 0 where all else is good.")
@click.option("--save-heads", type=click.Path(dir_okay=False, path_type=Path), help="Write the heads for --since.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that read.  [default: one for each core]")
@click.option("--every-signature", is_flag=True, help="Also check signatures that a later one covers.")
@AS_JSON
def verify_command(
    *,
    directory: Path,
    trust: Path | None,
    since: tuple[Path, ...],
    at: str | None,
    allow_unanchored: bool,
    save_heads: Path | None,
    jobs: int | None,
    every_signature: bool,
    as_json: bool,
) -> None:
    """Check every record and checkpoint in a state or audit DIRECTORY.

    A file for --since holds signed notes, receipts (one to a line), a .tlog-proof, or the lines of a file anchor.

    Exit status: 0 VERIFIED, 10 TAMPERED, 11 ROLLED BACK, 12 FORK, 13 INCOMPLETE, 14 STALE, 15 UNANCHORED, 20 CANNOT.
    """
    with _progress(hidden=as_json) as told:
        report = verify_directory(
            directory,
            trust=read_trust_file(trust, as_json),
            pins=_read_pins(since, as_json),
            at=datetime.fromisoformat(at) if at else None,
            allow_unanchored=allow_unanchored,
            progress=told,
            jobs=jobs or cores(),
            every_signature=every_signature,
        )
    if save_heads is not None and report.verdict in _GOOD:
        _save(save_heads, "\n".join(log.checkpoint for log in report.logs), as_json)
    if as_json:
        print_json(report)
    else:
        print_report(report)
    raise click.exceptions.Exit(report.exit_code)


def _save(path: Path, text: str, as_json: bool) -> None:
    """Whole or not at all: a file of heads that lost some would be a weaker memory."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        fail(f"{path}: {why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)


def read_trust_file(path: Path | None, as_json: bool) -> list[VerifierKey] | None:
    """The keys of a trust file; ends the command with CANNOT where it is none."""
    if path is None:
        return None
    try:
        return read_trust(path.read_text(encoding="utf-8"))
    except (Malformed, OSError, UnicodeDecodeError) as error:
        fail(f"{path}: {why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)


def _read_pins(paths: Iterable[Path], as_json: bool) -> Pins:
    pins = Pins()
    for path in paths:
        try:
            read_since(path.read_text(encoding="utf-8"), pins)
        except (Malformed, OSError, UnicodeDecodeError) as error:
            fail(f"{path}: {why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)
    return pins


def why(error: Malformed | OSError | UnicodeDecodeError) -> str:
    """What is wrong with a file that the operator named; quotes nothing of it."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    return str(error) if isinstance(error, Malformed) else "not text"


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on the terminal of a person; it shows only where the run is long enough to be seen."""
    if hidden or not errors.is_terminal:
        yield None
        return
    columns = (TextColumn("verifying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("verifying", total=None)
        shown = 0

        def told(done: int, total: int) -> None:
            nonlocal shown
            if done - shown >= 1 << 20:
                shown = done
                bar.update(task, completed=done, total=total)

        yield told
