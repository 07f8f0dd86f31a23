"""All logs of a directory: in which order they are read, and what one of them says of another."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.audit.verify_files import SegmentFile, find_segments, find_slots, is_live, lone_notes, size_of, torn_files
from gateway.audit.verify_log import LogReader, claimed_origin
from gateway.audit.verify_memory import Hashes, Memory
from gateway.audit.verify_meter import Meter
from gateway.audit.verify_pins import Pins
from gateway.audit.verify_pool import Batch, Pool
from gateway.audit.verify_report import Broken, Finding, LogReport, Verdict
from gateway.audit.verify_segment import Job
from gateway.audit.verify_tree import EMPTY_ROOT
from gateway.audit.verify_trust import LogKeys, Trust

ANCHOR = "anchor"
"""Slot whose `heads` records say how far the other logs have come."""
OPERATOR = "operator"
"""Slot whose `prune` records say which segments were removed on purpose."""

Prunes = Mapping[tuple[str, str], dict[str, Any]]
"""Records of kind `prune` by origin and segment."""


class Run:
    """All logs of one directory, in the order in which what one says of another can be relied on.

    The log of heads is read before anything else is looked at: whatever it says was true then, and the
    others can only have grown. The operator's log is read after the other slots were listed, so that a
    body removed meanwhile has its record.
    """

    def __init__(
        self, directory: Path, trust: Trust | None, pins: Pins, meter: Meter, pool: Pool, *, every_signature: bool
    ) -> None:
        self._slots = find_slots(directory)
        self._alone = self._slots == [directory]
        self._trust = trust
        self._pins = pins
        self._meter = meter
        self._pool = pool
        self._every_signature = every_signature
        self._heads: dict[str, Hashes] = {}
        self._prunes: dict[tuple[str, str], dict[str, Any]] = {}

    def all(self) -> list[LogReport]:
        done: dict[Path, LogRun] = {}
        anchors = [slot for slot in self._slots if slot.name == ANCHOR]
        for run in self._read([LogRun(slot, self._trust, self._pins) for slot in anchors]):
            done[run.slot] = run
            for origin, heads in run.reader.heads.items():
                self._heads.setdefault(origin, Hashes()).merge(heads)
        others = [LogRun(slot, self._trust, self._pins) for slot in self._slots if slot.name != ANCHOR]
        others += self._operator_beside(others)
        for run in self._read([run for run in others if run.slot.name == OPERATOR]):
            done[run.slot] = run
            for record in run.reader.prunes:
                self._prunes[str(record["origin"]), str(record["segment"])] = record
        for run in self._read([run for run in others if run.slot.name != OPERATOR]):
            done[run.slot] = run
        reports = [done[slot].report for slot in sorted(done)]
        self._missing(reports)
        return reports

    def _operator_beside(self, runs: list["LogRun"]) -> list["LogRun"]:
        """Where one slot alone is verified and something was pruned from it, the log that says why."""
        if not self._alone or not any(segment.pruned for run in runs for segment in run.segments):
            return []
        beside = self._slots[0].parent / OPERATOR
        return [LogRun(slot, self._trust, self._pins) for slot in find_slots(beside) if slot == beside]

    def _missing(self, reports: list[LogReport]) -> None:
        origins = {report.origin for report in reports}
        for report in reports:
            if report.slot == ANCHOR and not self._alone:
                for origin in sorted(self._heads.keys() - origins):
                    why = f"the log {origin}, whose head is recorded here, is not in this directory"
                    report.add(Finding(Verdict.INCOMPLETE, why))

    def _read(self, runs: list["LogRun"]) -> list["LogRun"]:
        """Read some logs; as far as can be, their segments at the same time."""
        for run in runs:
            run.prepare(self._heads, self._prunes, every_signature=self._every_signature)
            self._meter.total += sum(size_of(job.segment) for job in run.jobs)
        try:
            batches = self._pool.start([run.jobs for run in runs])
        except OSError:
            batches = [Batch(self._meter) for _ in runs]  # whoever reads it says what is wrong
        for run, batch in zip(runs, batches, strict=True):
            run.read(batch, self._meter)
            batch.cancel()
        return runs


class LogRun:
    """One log, from what is found of it to its report. What ends it early is a finding, never an error."""

    def __init__(self, slot: Path, trust: Trust | None, pins: Pins) -> None:
        self.slot = slot
        self.report = LogReport(slot.name)
        self.reader = LogReader(self.report, lambda _: None)
        self.segments: list[SegmentFile] = []
        self.jobs: list[Job] = []
        self._trust = trust
        self._pins = pins
        self._keys: LogKeys | None = None
        self._memories: tuple[Memory, ...] = ()
        try:
            self.report.live = is_live(slot)
            self.segments = find_segments(slot)
        except FileNotFoundError as error:
            self.report.add(Finding(Verdict.INCOMPLETE, f"{error.strerror}".lower()))
        except OSError as error:
            self._unreadable(error)

    def prepare(self, heads: Mapping[str, Hashes], prunes: Prunes, *, every_signature: bool) -> None:
        """Find out what to read, with what, and what to compare it with."""
        try:
            self._prepare(heads, prunes, every_signature=every_signature)
        except Broken as broken:
            self._end(broken)
        except OSError as error:
            self._unreadable(error)

    def _prepare(self, heads: Mapping[str, Hashes], prunes: Prunes, *, every_signature: bool) -> None:
        report, segments = self.report, self.segments
        if report.findings:
            return
        for name in lone_notes(self.slot, segments):
            report.add(Finding(Verdict.INCOMPLETE, "what belongs to a sealed segment whose body is missing", name))
        if not any(size_of(segment) for segment in segments):
            raise Broken(Finding(Verdict.CANNOT, "the log is empty"))
        report.origin = claimed_origin(segments[0])
        keys = LogKeys(self.slot, self._trust)
        pinned = self._pins.of(report.origin, keys.all())
        kept = Memory("recorded", "", heads.get(report.origin, Hashes()), Hashes())
        report.pins, report.heads = len(pinned.roots) + len(pinned.leaves), len(kept.roots)
        self._memories = (pinned, kept)
        for segment, after in zip(segments, [*segments[1:], None], strict=True):
            last = after.first - 1 if after is not None else 2**63 - 2
            parts = (memory.part(segment.first, last) for memory in self._memories)
            self.jobs.append(
                Job(
                    segment,
                    report.origin,
                    newest=after is None,
                    live=report.live,
                    known=keys.known,
                    listed=bool(keys.own),
                    memories=tuple(part for part in parts if part),
                    prune=prunes.get((report.origin, segment.path.name)),
                    following=after,
                    every_signature=every_signature,
                )
            )
        self._keys = keys

    def read(self, batch: Batch, meter: Meter) -> None:
        """Read all segments, or take over what the batch has read, and judge the whole."""
        if self._keys is None:
            return
        self.reader = LogReader(self.report, meter.add)
        try:
            self._read(batch, self._keys)
        except Broken as broken:
            self._end(broken)
        except OSError as error:
            self._unreadable(error)

    def _read(self, batch: Batch, keys: LogKeys) -> None:
        reader = self.reader
        for memory in self._memories:
            if any(root != EMPTY_ROOT for _, root in memory.roots.between(0, 0)):
                self.report.add(Finding(Verdict.FORK, f"another root than the {memory.pinned} one at size 0"))
        try:
            reader.read(self.jobs, batch)
        except Broken as broken:
            self._end(broken)
            keys.judge(self.report, reader.signers, reader.introduced, whole=False)
            return
        keys.judge(self.report, reader.signers, reader.introduced, whole=True)
        for memory in self._memories:
            for finding in memory.beyond(self.report.leaves):
                self.report.add(finding)
        self._check_torn()

    def _check_torn(self) -> None:
        recorded = set(self.reader.recovers)
        for path, segment, offset, digest in torn_files(self.slot):
            if (segment, offset, digest) not in recorded and not self.report.pruned:
                raise Broken(Finding(Verdict.TAMPERED, "torn bytes that no recover record names", path.name))
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise Broken(Finding(Verdict.TAMPERED, "torn bytes are not the ones recorded", path.name))

    def _end(self, broken: Broken) -> None:
        self.report.add(broken.finding)

    def _unreadable(self, error: OSError) -> None:
        self.report.add(Finding(Verdict.CANNOT, f"cannot be read: {error.strerror}"))
