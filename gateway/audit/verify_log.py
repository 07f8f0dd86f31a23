"""One log: its segments joined in order, whoever has read them.

A segment that begins with an `open` record can be read alone and by another process (`verify_pool`). What
came of it is taken over only if it began with the tree and key with which the segments before it ended;
otherwise it is read again, here, from the true state. So findings never depend on who read what.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence

import msgspec

from gateway.audit.verify_copies import check_copy
from gateway.audit.verify_files import SegmentFile, open_segment
from gateway.audit.verify_line import LONGEST, BadLine, read_line
from gateway.audit.verify_memory import Hashes
from gateway.audit.verify_note import Malformed, read_note
from gateway.audit.verify_pruned import read_pruned, repeated_leaves
from gateway.audit.verify_report import Broken, Finding, LogReport, Verdict
from gateway.audit.verify_segment import Job, Part, Progress, State, read_segment
from gateway.audit.verify_tree import Counter

Ready = Callable[[Job], tuple[State, Part] | None]
"""Gives the part that another process has read, if one did, and the state in which that began."""


class LogReader:
    """The state of reading one log; `report` is filled as it goes.

    `signers` are the keys in the order in which they signed, `introduced` those that a `rotate` record
    named. `heads` and `prunes` are what the records of these kinds say.
    """

    def __init__(self, report: LogReport, progress: Progress) -> None:
        self.report = report
        self.tree = Counter()
        self.signers: list[str] = []
        self.introduced: set[str] = set()
        self.recovers: list[tuple[object, object, object]] = []
        self.heads: dict[str, Hashes] = {}
        self.prunes: list[dict[str, object]] = []
        self._state = State(Counter())
        self._progress = progress

    def read(self, jobs: Sequence[Job], ready: Ready) -> None:
        """Read or take over segment by segment. Raises Broken with the finding that ends this log."""
        for job in jobs:
            found = ready(job)
            fits = found is not None and self._state.matches(found[0])
            before = msgspec.structs.replace(self._state)
            self._adopt(found[1] if found is not None and fits else self._read(job))
            for copy in job.segment.copies:
                check_copy(job, copy, before, self._state.head)

    def _read(self, job: Job) -> Part:
        state = self._state
        if state.pruned is not None:
            state.last = repeated_leaves(state.pruned, job.segment.first, state.tree.leaves)
        if job.segment.pruned:
            return read_pruned(job, state, self._progress)
        return read_segment(job, state, self._progress)

    def _adopt(self, part: Part) -> None:
        report = self.report
        self._state = part.state
        self.tree = part.state.tree
        for kind, count in part.kinds.items():
            report.kinds[kind] = report.kinds.get(kind, 0) + count
        report.segments += 1
        report.pruned += part.pruned
        report.checkpoints += part.checkpoints
        report.ignored_bytes += part.ignored_bytes
        if part.head is not None:
            report.leaves = part.state.tree.leaves
            report.size = part.head.size
            report.root = b64encode(part.head.root).decode()
            report.checkpoint = part.head.note()
            report.first_time = report.first_time or part.first_time
            report.last_time = max(report.last_time, part.last_time)
            report.closed = part.closed
        self._take_keys(part)
        self.recovers += part.recovers
        self.prunes += part.prunes
        for origin, heads in part.heads.items():
            differing = self.heads.setdefault(origin, Hashes()).merge(heads)
            if differing is not None:
                why = f"the log of heads names two roots for size {differing} of {origin}"
                report.add(Finding(Verdict.FORK, why))
        for finding in part.findings:
            report.add(finding)
        if part.broken is not None:
            raise Broken(part.broken)

    def _take_keys(self, part: Part) -> None:
        """A key that was given up must not come back: it may have been given up because it was stolen."""
        for key in part.signers:
            if key in self.signers[:-1]:
                why = "a key signs again after another one took its place"
                raise Broken(Finding(Verdict.TAMPERED, why))
            if key not in self.signers:
                self.signers.append(key)
        if any(key in self.signers[:-1] for key in part.introduced):
            raise Broken(Finding(Verdict.TAMPERED, "a rotate record names a key that was given up"))
        self.introduced.update(part.introduced)


def part_start(segment: SegmentFile) -> State | None:
    """The state that a segment's `open` record claims to begin with; None where it cannot be read alone."""
    if segment.pruned:
        return None
    try:
        with open_segment(segment) as file:
            record = read_line(file.readline(LONGEST + 1).removesuffix(b"\n"))
        previous = record["previous"]
        tree = Counter.at(record["index"], [b64decode(each, validate=True) for each in previous["frontier"]])
        key = record["vkey"]
    except (OSError, BadLine, KeyError, TypeError, ValueError):
        return None
    if record["kind"] != "open" or tree.leaves != segment.first or not isinstance(key, str):
        return None
    return State(tree, key if tree.leaves else "")


def claimed_origin(segment: SegmentFile) -> str:
    """The origin that a log's first segment names, or nothing; reading it judges it properly."""
    if segment.pruned:
        try:
            return read_note(segment.note.read_bytes().decode()).origin
        except (Malformed, UnicodeDecodeError):
            return ""
    try:
        with open_segment(segment) as file:
            record = read_line(file.readline(LONGEST + 1).removesuffix(b"\n"))
    except BadLine:
        return ""
    origin = record.get("origin")
    usable = record["kind"] == "open" and isinstance(origin, str) and "\n" not in origin
    return str(origin) if usable else ""
