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

from gateway.audit.verify import read_trust, verify_directory
from gateway.audit.verify_note import Head as Pin
from gateway.audit.verify_note import Malformed, VerifierKey, read_notes
from gateway.audit.verify_report import Verdict
from gateway.cli.audit_options import AS_JSON, FILE, Moment
from gateway.cli.audit_text import print_report
from gateway.cli.output import errors, fail, print_json

_GOOD = (Verdict.VERIFIED, Verdict.UNANCHORED, Verdict.STALE)


@click.command("verify")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--trust", type=FILE, help="File of verifier keys to believe, one to a line.")
@click.option("--since", type=FILE, multiple=True, help="Heads that were saved earlier (signed notes).")
@click.option("--at", type=Moment(), help="Ask that each log was still being written at this time.")
@click.option("--allow-unanchored", is_flag=True, help="Without --since, end with 0 where all else is good.")
@click.option("--save-heads", type=click.Path(dir_okay=False, path_type=Path), help="Write the heads for --since.")
@AS_JSON
def verify_command(
    *,
    directory: Path,
    trust: Path | None,
    since: tuple[Path, ...],
    at: str | None,
    allow_unanchored: bool,
    save_heads: Path | None,
    as_json: bool,
) -> None:
    """Check every record and signature in a state or audit DIRECTORY.

    Exit status: 0 VERIFIED, 10 TAMPERED, 11 ROLLED BACK, 12 FORK, 13 INCOMPLETE, 14 STALE, 15 UNANCHORED, 20 CANNOT.
    """
    with _progress(hidden=as_json) as told:
        report = verify_directory(
            directory,
            trust=_read_trust(trust, as_json),
            pins=_read_pins(since, as_json),
            at=datetime.fromisoformat(at) if at else None,
            allow_unanchored=allow_unanchored,
            progress=told,
        )
    if save_heads is not None and report.verdict in _GOOD:
        save_heads.write_text("\n".join(log.checkpoint for log in report.logs), encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        print_report(report)
    raise click.exceptions.Exit(report.exit_code)


def _read_trust(path: Path | None, as_json: bool) -> list[VerifierKey] | None:
    if path is None:
        return None
    try:
        return read_trust(path.read_text(encoding="utf-8"))
    except (Malformed, UnicodeDecodeError) as error:
        fail(f"{path}: {_why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)


def _read_pins(paths: Iterable[Path], as_json: bool) -> list[Pin]:
    pins: list[Pin] = []
    for path in paths:
        try:
            heads = read_notes(path.read_text(encoding="utf-8"))
        except (Malformed, UnicodeDecodeError) as error:
            fail(f"{path}: {_why(error)}", as_json=as_json, exit_code=Verdict.CANNOT)
        pins += heads
    return pins


def _why(error: ValueError) -> str:
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
