"""Independent verification of a ledger: reads what FORMAT.md describes and shares no code with the writer.

    report = verify_directory(Path("state"), pins=read_notes(Path("pin.note").read_text()))
    sys.exit(report.exit_code)

A log can only be judged against something: a key, and a memory of an earlier head that the log's
owner could not change. The report says which key was used and who vouches for it; without an outside
memory the best verdict is UNANCHORED, because an older copy of a log is in itself a good log.
"""

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from gateway.audit.verify_meter import Meter, Progress
from gateway.audit.verify_note import Head, VerifierKey
from gateway.audit.verify_pins import Pins
from gateway.audit.verify_pool import Pool
from gateway.audit.verify_report import Finding, LogReport, Report, Verdict, worst
from gateway.audit.verify_run import Run
from gateway.audit.verify_trust import TRUST_FILE, Trust, read_trust

__all__ = ["cores", "read_trust", "verify_directory"]

STALE_SECONDS = 180
"""Three heartbeats of a minute."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def verify_directory(
    directory: Path,
    *,
    trust: Iterable[VerifierKey] | None = None,
    pins: Iterable[Head] | Pins = (),
    at: datetime | None = None,
    allow_unanchored: bool = False,
    progress: Progress | None = None,
    jobs: int = 1,
    every_signature: bool = False,
) -> Report:
    """Verify every log in a state, audit or slot directory.

    `trust` holds the keys to believe; without it each log's own `log.vkey` is used, and the report
    says so. `pins` are earlier heads and receipts kept elsewhere. `at` asks that each log that was not
    closed has a record no older than three minutes before it. `jobs` processes read, with the same result.
    `every_signature` is checked, also where a later one of the same key covers it (FORMAT.md, section 7).
    """
    keys = None if trust is None else {key.text: key for key in trust}
    memory = pins if isinstance(pins, Pins) else Pins(pins)
    meter = Meter(progress)
    with Pool(jobs, meter) as pool:
        logs = Run(directory, keys, memory, meter, pool, every_signature=every_signature).all()
    for log in logs:
        if at is not None:
            _check_fresh(log, at)
        if not log.pins and not allow_unanchored and log.verdict is Verdict.VERIFIED:
            log.add(Finding(Verdict.UNANCHORED, "no earlier head from outside was given to compare with"))
    return _summary(logs, _orphans(logs, memory), keys)


def _summary(logs: list[LogReport], findings: list[Finding], keys: Trust | None) -> Report:
    verdict = worst([log.verdict for log in logs] + [finding.verdict for finding in findings])
    kinds: dict[str, int] = {}
    for log in logs:
        for kind, count in log.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    trust = [f"{text} ({by})" for log in logs for text, by in zip(log.vkeys, log.trusted_by, strict=True)]
    if keys is not None:
        used = {text for log in logs for text in log.vkeys}
        trust += [f"{text} (in {TRUST_FILE}, signs no log here)" for text in keys if text not in used]
    return Report(verdict, int(verdict), verdict.words, trust, logs, findings, dict(sorted(kinds.items())))


def _orphans(logs: list[LogReport], pins: Pins) -> list[Finding]:
    if not logs:
        return [Finding(Verdict.CANNOT, "there is no log in this directory")]
    missing = sorted(pins.origins() - {log.origin for log in logs})
    return [Finding(Verdict.INCOMPLETE, f"the pinned log {origin} is not here") for origin in missing]


def _check_fresh(log: LogReport, at: datetime) -> None:
    limit = (at - timedelta(seconds=STALE_SECONDS)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if not log.closed and log.last_time < limit and log.verdict in (Verdict.VERIFIED, Verdict.UNANCHORED):
        log.add(Finding(Verdict.STALE, f"the newest record is of {log.last_time}"))
