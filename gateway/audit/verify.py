"""Independent verification of a ledger: reads what FORMAT.md describes and shares no code with the writer.

    report = verify_directory(Path("state"), pins=read_notes(Path("pin.note").read_text()))
    sys.exit(report.exit_code)

A log can only be judged against something: a key, and a memory of an earlier head that the log's
owner could not change. The report says which key was used and who vouches for it; without an outside
memory the best verdict is UNANCHORED, because an older copy of a log is in itself a good log.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from gateway.audit.verify_files import (
    SegmentFile,
    find_segments,
    find_slots,
    is_live,
    lone_notes,
    open_segment,
    size_of,
    torn_files,
)
from gateway.audit.verify_line import BadLine, read_line
from gateway.audit.verify_log import LogReader
from gateway.audit.verify_note import Head, Malformed, VerifierKey
from gateway.audit.verify_report import Broken, Finding, LogReport, Report, Verdict, worst

STALE_SECONDS = 180
"""Three heartbeats of a minute."""

OWN_DIRECTORY = "the log's own directory: not independent"
TRUST_FILE = "the trust file"

Progress = Callable[[int, int], None]
"""Told (bytes read, bytes in all)."""


def read_trust(text: str) -> list[VerifierKey]:
    """Verifier keys, one to a line; empty lines and lines that begin with # are skipped.

    Raises:
        Malformed: a line is no verifier key, or there is none at all.
    """
    lines = (line.strip() for line in text.splitlines())
    keys = [VerifierKey(line) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise Malformed("no verifier key")
    return keys


def verify_directory(
    directory: Path,
    *,
    trust: Iterable[VerifierKey] | None = None,
    pins: Iterable[Head] = (),
    at: datetime | None = None,
    allow_unanchored: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Verify every log in a state, audit or slot directory.

    `trust` holds the keys to believe; without it each log's own `log.vkey` is used, and the report
    says so. `pins` are earlier heads kept elsewhere. `at` asks that each log that was not closed has a
    record no older than three minutes before it.
    """
    keys = None if trust is None else {key.text: key for key in trust}
    pins = list(pins)
    slots = find_slots(directory)
    meter = _Meter(slots, progress)
    logs = []
    for slot in slots:
        log = _verify_slot(slot, keys, pins, meter)
        if at is not None:
            _check_fresh(log, at)
        if not log.pins and not allow_unanchored and log.verdict is Verdict.VERIFIED:
            log.add(Finding(Verdict.UNANCHORED, "no earlier head from outside was given to compare with"))
        logs.append(log)
    return _summary(logs, _orphans(slots, logs, pins), keys)


def _summary(logs: list[LogReport], findings: list[Finding], keys: Mapping[str, VerifierKey] | None) -> Report:
    verdict = worst([log.verdict for log in logs] + [finding.verdict for finding in findings])
    kinds: dict[str, int] = {}
    for log in logs:
        for kind, count in log.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    trust = [f"{log.vkey} ({log.trusted_by})" for log in logs if log.vkey]
    if keys is not None:
        used = {log.vkey for log in logs}
        trust += [f"{text} (in {TRUST_FILE}, signs no log here)" for text in keys if text not in used]
    return Report(verdict, int(verdict), verdict.words, trust, logs, findings, dict(sorted(kinds.items())))


def _orphans(slots: list[Path], logs: list[LogReport], pins: list[Head]) -> list[Finding]:
    if not slots:
        return [Finding(Verdict.CANNOT, "there is no log in this directory")]
    origins = {log.origin for log in logs}
    missing = sorted({pin.origin for pin in pins} - origins)
    return [Finding(Verdict.INCOMPLETE, f"the pinned log {origin} is not here") for origin in missing]


def _verify_slot(slot: Path, keys: Mapping[str, VerifierKey] | None, pins: list[Head], meter: "_Meter") -> LogReport:
    log = LogReport(slot.name)
    try:
        _read_slot(slot, log, keys, pins, meter)
    except Broken as broken:
        log.add(broken.finding)
    except OSError as error:
        log.add(Finding(Verdict.CANNOT, f"cannot be read: {error.strerror}"))
    return log


def _read_slot(
    slot: Path, log: LogReport, keys: Mapping[str, VerifierKey] | None, pins: list[Head], meter: "_Meter"
) -> None:
    log.live = is_live(slot)
    segments = find_segments(slot)
    for name in lone_notes(slot, segments):
        log.add(Finding(Verdict.INCOMPLETE, "a note whose sealed segment is missing", name))
    if not any(size_of(segment) for segment in segments):
        raise Broken(Finding(Verdict.CANNOT, "the log is empty"))
    first_line = _first_line(segments[0])
    origin = first_line.get("origin")
    log.origin = origin if isinstance(origin, str) else ""  # what it claims; the reader compares each open record
    key = _choose_key(slot, log, first_line, keys)
    roots = _pins_of(log.origin, key, pins)
    log.pins = len(roots)
    reader = LogReader(log, key, roots, meter.add)
    for segment in segments:
        reader.read(segment, newest=segment is segments[-1])
    _check_rest(slot, log, reader, roots)


def _first_line(segment: SegmentFile) -> dict[str, object]:
    """The first record of a log, or nothing usable; the reader judges it properly afterwards."""
    try:
        with open_segment(segment) as file:
            record = read_line(file.readline(1 << 16).rstrip(b"\n"))
    except BadLine:
        return {}
    return record if record["kind"] == "open" else {}


def _choose_key(
    slot: Path, log: LogReport, first_line: Mapping[str, object], keys: Mapping[str, VerifierKey] | None
) -> VerifierKey:
    path = slot / "log.vkey"
    own = path.read_bytes() if path.exists() else None
    claimed = first_line.get("vkey")
    if own is not None and isinstance(claimed, str) and own != claimed.encode() + b"\n":
        raise Broken(Finding(Verdict.TAMPERED, "log.vkey is not the key that the log names", path.name))
    if keys is None:
        if own is None:
            raise Broken(Finding(Verdict.CANNOT, "there is no log.vkey, and no trust file was given"))
        try:
            key = VerifierKey(own.decode(errors="replace").removesuffix("\n"))
        except Malformed:
            raise Broken(Finding(Verdict.TAMPERED, "log.vkey is not a verifier key", path.name)) from None
        log.trusted_by = OWN_DIRECTORY
    else:
        found = keys.get(claimed) if isinstance(claimed, str) else None
        if found is None:
            raise Broken(Finding(Verdict.TAMPERED, "the log is signed with a key that is not trusted"))
        key = found
        log.trusted_by = TRUST_FILE
    log.vkey = key.text
    return key


def _pins_of(origin: str, key: VerifierKey, pins: list[Head]) -> dict[int, bytes]:
    """Roots by size. A pin that carries this key's name and a bad signature of it is no memory at all."""
    roots: dict[int, bytes] = {}
    for pin in pins:
        if pin.origin != origin:
            continue
        for name, signature in pin.signatures:
            if name == key.name and signature[:4] == key.key_id and not key.accepts(pin.body(), signature):
                raise Broken(Finding(Verdict.CANNOT, "a pinned head carries a bad signature of the log's key"))
        if roots.setdefault(pin.size, pin.root) != pin.root:
            raise Broken(Finding(Verdict.FORK, "two pinned heads of one size differ", "", -1, pin.size))
    return roots


def _check_rest(slot: Path, log: LogReport, reader: LogReader, roots: Mapping[int, bytes]) -> None:
    """What can only be said at the end of a log."""
    for size, root in sorted(roots.items()):
        if size > log.leaves:
            why = f"a pinned head covers {size} leaves, the log has {log.leaves}"
            raise Broken(Finding(Verdict.ROLLED_BACK, why, "", -1, log.leaves, size - 1))
        if reader.last is not None and size == log.leaves and reader.last.after.root() != root:
            raise Broken(Finding(Verdict.FORK, "another root than the pinned one at this size", "", -1, size))
    recorded = {(r.get("segment"), r.get("offset"), r.get("sha256")) for r in reader.recovers}
    for path, segment, offset, digest in torn_files(slot):
        if (segment, offset, digest) not in recorded:
            raise Broken(Finding(Verdict.TAMPERED, "torn bytes that no recover record names", path.name))
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise Broken(Finding(Verdict.TAMPERED, "torn bytes are not the ones recorded", path.name))


def _check_fresh(log: LogReport, at: datetime) -> None:
    limit = (at - timedelta(seconds=STALE_SECONDS)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if not log.closed and log.last_time < limit and log.verdict in (Verdict.VERIFIED, Verdict.UNANCHORED):
        log.add(Finding(Verdict.STALE, f"the newest record is of {log.last_time}"))


class _Meter:
    """Adds up what has been read and tells whoever watches."""

    def __init__(self, slots: list[Path], progress: Progress | None) -> None:
        self._progress = progress
        self._read = 0
        self._total = 0
        if progress is not None:
            self._total = sum(size_of(segment) for slot in slots for segment in find_segments(slot))

    def add(self, count: int) -> None:
        self._read += count
        if self._progress is not None:
            self._progress(self._read, self._total)
