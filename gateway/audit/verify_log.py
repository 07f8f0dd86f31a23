"""One log, read from its first byte to its last.

Every line is parsed, hashed and counted; every checkpoint's root is computed anew and its signature
checked. Reading stops at the first thing that is wrong, since nothing after it can be trusted.
"""

import time
from base64 import b64encode
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import msgspec

from gateway.audit.verify_files import SegmentFile, open_segment
from gateway.audit.verify_line import LONGEST, BadLine, read_line
from gateway.audit.verify_note import Head, Malformed, VerifierKey, note_fault, strict_base64
from gateway.audit.verify_report import Broken, Finding, LogReport, Verdict
from gateway.audit.verify_tree import Counter

Progress = Callable[[int], None]
"""Told how many bytes more were read."""

LARGEST_GROUP = 256 * 1024 * 1024
RETRIES = 50
RETRY_SECONDS = 0.02


class Group(msgspec.Struct):
    """Lines up to and with one good checkpoint; `before` and `after` are the tree around them."""

    data: bytes
    before: Counter
    after: Counter
    head: Head
    tally: Tally[str]
    first_time: str
    last_time: str
    opens: bool
    closes: bool
    recovers: list[dict[str, Any]]


class LogReader:
    """The state of reading one log; `report` is filled as it goes."""

    def __init__(self, report: LogReport, key: VerifierKey, pins: Mapping[int, bytes], progress: Progress) -> None:
        self.report = report
        self.last: Group | None = None
        self.recovers: list[dict[str, Any]] = []
        self._key = key
        self._pins = pins
        self._progress = progress
        self._tree = Counter()
        self._loose = b""
        self._segment = ""
        self._position = self._line = self._read_lines = 0
        self._opened = False

    def read(self, segment: SegmentFile, *, newest: bool) -> None:
        """Read the next segment. Raises Broken with the finding that ends this log."""
        self._segment, self._line = segment.path.name, 0
        self.report.segments += 1
        unfinished_allowed = newest and self.report.live and not segment.sealed
        with open_segment(segment) as file:
            groups = self._start(file, segment, unfinished_allowed)
            while (group := self._next(file, patient=unfinished_allowed)) is not None:
                groups += 1
                if groups == 2 and not (self._opened or group.opens):
                    raise self._broken("the segment has no open record where one must be")
                self._opened = self._opened or group.opens
                self._accept(group)
            torn = self._torn(file, segment)
        if segment.sealed:
            self._check_note(segment)
        if unfinished_allowed:
            self.report.ignored_bytes = len(torn)
        elif newest and (torn or not groups):
            raise self._broken("the log ends in bytes that no checkpoint covers, and no writer is alive")
        elif not groups:
            raise self._broken("a segment without a checkpoint")
        else:
            self._loose = torn

    def _start(self, file: BinaryIO, segment: SegmentFile, unfinished_allowed: bool) -> int:
        """Compare what the segment repeats of the one before it; return the groups already known."""
        self._opened = False
        self._position = 0
        loose, self._loose = self._loose, b""
        due = self._tree.leaves
        if segment.first == due:
            found = file.read(len(loose))
            whole = found == loose or (unfinished_allowed and loose.startswith(found.rstrip(b"\0")))
            if not whole:
                raise self._broken("a torn tail that the next segment does not repeat")
            file.seek(0)
            return 0
        if segment.first > due:
            why = f"leaves {due} to {segment.first - 1} are missing"
            raise Broken(Finding(Verdict.INCOMPLETE, why, self._segment, -1, due, segment.first - 1))
        last = self.last
        if last is None or segment.first != last.before.leaves or loose:
            raise self._broken("the segment begins with leaves that an earlier one holds")
        found = file.read(len(last.data))
        if found != last.data and not (unfinished_allowed and last.data.startswith(found.rstrip(b"\0"))):
            self._differing(file, last)
        self._position = len(last.data)
        self._line = last.data.count(b"\n")
        return 1

    def _differing(self, file: BinaryIO, last: Group) -> None:
        """Two files disagree about the same leaves: a fork if both are signed."""
        self._tree = last.before
        self._position = 0
        group = self._next(file, patient=False)
        if group is None:
            raise self._broken("the segment repeats a group, but not with the same bytes")
        raise self._broken("two signed trees of one size", Verdict.FORK)

    def _next(self, file: BinaryIO, *, patient: bool) -> Group | None:
        """The next whole group, None at unfinished bytes.

        While a writer is at work a page can be read before it is written and the one after it
        afterwards; that looks like a bad line and is gone when it is read again.
        """
        line = self._line
        for attempt in range(RETRIES if patient else 1):
            if attempt:
                time.sleep(RETRY_SECONDS)
            self._line, self._read_lines = line, 0
            file.seek(self._position)
            try:
                return self._group(file)
            except Broken:
                if not patient or attempt == RETRIES - 1:
                    raise
        return None

    def _group(self, file: BinaryIO) -> Group | None:
        before = self._tree
        tree = before.clone()
        tally: Tally[str] = Tally()
        lines: list[bytes] = []
        recovers: list[dict[str, Any]] = []
        first_time = last_time = ""
        opens, length, kind = False, 0, ""
        while True:
            raw = file.readline(LONGEST + 1)
            if not raw.endswith(b"\n"):
                return None
            self._line += 1
            self._read_lines += 1
            record = self._record(raw[:-1], tree)
            lines.append(raw)
            length += len(raw)
            if length > LARGEST_GROUP:
                raise self._broken("no checkpoint for too long")
            if record["kind"] == "checkpoint":
                break
            kind = record["kind"]
            tally[kind] += 1
            last_time = record["time"]
            first_time = first_time or last_time
            if kind == "open":
                opens = opens or len(lines) == 1
                self._check_open(record, tree)
            elif kind == "recover":
                recovers.append(record)
            tree.add(raw[:-1])
        head = self._check_head(record, raw, tree)
        tree.add(raw[:-1])
        data = b"".join(lines)
        return Group(data, before, tree, head, tally, first_time, last_time, opens, kind == "close", recovers)

    def _record(self, line: bytes, tree: Counter) -> dict[str, Any]:
        pin = self._pins.get(tree.leaves)
        if pin is not None and pin != tree.root():
            raise self._broken("another root than the pinned one at this size", Verdict.FORK)
        try:
            record = read_line(line)
        except BadLine as error:
            raise self._broken(str(error)) from None
        if record["index"] != tree.leaves:
            raise self._broken("a line's index is not its place")
        return record

    def _check_open(self, record: dict[str, Any], tree: Counter) -> None:
        previous = {
            "frontier": tree.frontier(),
            "root": b64encode(tree.root()).decode(),
            "size": tree.leaves,
        }
        if record.get("previous") != previous:
            raise self._broken("an open record names another tree before it")
        if record.get("vkey") != self._key.text:
            raise self._broken("an open record names another key")
        origin = record.get("origin")
        if not isinstance(origin, str) or not origin or "\n" in origin:
            raise self._broken("an open record without an origin")
        if self.report.origin not in ("", origin):
            raise self._broken("an open record names another origin")
        self.report.origin = origin

    def _check_head(self, record: dict[str, Any], raw: bytes, tree: Counter) -> Head:
        try:
            root, signature = strict_base64(record["root"]), strict_base64(record["signature"])
        except (Malformed, TypeError):
            raise self._broken("a checkpoint is not well formed") from None
        head = Head(self.report.origin, tree.leaves, root, ((self._key.name, signature),))
        spelled = (
            f'{{"index":{tree.leaves},"kind":"checkpoint","root":"{record["root"]}",'
            f'"signature":"{record["signature"]}","size":{tree.leaves}}}\n'
        )
        if raw != spelled.encode():
            raise self._broken("a checkpoint is not well formed")
        if root != tree.root():
            raise self._broken("a checkpoint's root is not the root of the lines before it")
        if not head.origin or not self._key.accepts(head.body(), signature):
            raise self._broken("a checkpoint's signature is not good")
        return head

    def _accept(self, group: Group) -> None:
        report = self.report
        self._tree, self.last = group.after, group
        self._position += len(group.data)
        self._read_lines = 0
        self._progress(len(group.data))
        self.recovers += group.recovers
        for kind, count in group.tally.items():
            report.kinds[kind] = report.kinds.get(kind, 0) + count
        report.checkpoints += 1
        report.leaves = group.after.leaves
        report.size = group.head.size
        report.root = b64encode(group.head.root).decode()
        report.checkpoint = group.head.note()
        report.first_time = report.first_time or group.first_time
        report.last_time = max(report.last_time, group.last_time)
        report.closed = group.closes

    def _torn(self, file: BinaryIO, segment: SegmentFile) -> bytes:
        """What follows the last whole group; zeros that were put ahead of an open segment hold nothing."""
        file.seek(self._position)
        kept = b""
        while chunk := file.read(1024 * 1024):
            if segment.sealed or chunk.strip(b"\0"):
                kept += chunk
            if len(kept) > LARGEST_GROUP:
                raise self._broken("no checkpoint for too long")
        return kept if segment.sealed else kept.rstrip(b"\0")

    def _check_note(self, segment: SegmentFile) -> None:
        path = segment.path.with_suffix(".note")
        if not path.is_file():
            raise self._broken("a sealed segment without its signed note", Verdict.INCOMPLETE)
        fault = note_fault(path.read_bytes(), self.last.head if self.last else None)
        if fault:
            raise self._broken(fault)

    def _broken(self, why: str, verdict: Verdict = Verdict.TAMPERED) -> Broken:
        first = self._tree.leaves
        last = first + self._read_lines - 1 if self._read_lines else -1
        return Broken(Finding(verdict, why, self._segment, self._line or -1, first, last))
