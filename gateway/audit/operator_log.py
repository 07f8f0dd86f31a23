"""The log of what commands do (slot `operator`): why a segment's body is gone, whose key was destroyed, who decided
what.

An ordinary log, open only as long as a command has something to write. It is never pruned: it is what
everything that is missing elsewhere is judged by.
"""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.lines import FORMAT_VERSION, LONGEST_LINE, Signer, timestamp
from gateway.audit.reading import newest_first, slots_of
from gateway.audit.recovery import refuse
from gateway.audit.slot import claim, open_slot
from gateway.model.limits import MIB
from gateway.model.words import Kind

OPERATOR = "operator"
PATIENCE = 10.0
"""Seconds that a command waits for another one that is writing this log."""
_GROUP = 500
"""Records under one checkpoint; readers of a repeated group look this far and not much further."""


class OperatorLog:
    """The operators' log under an audit directory. Nothing is created before the first `append`.

    `next_signer` is as for `open_slot`.
    """

    def __init__(self, audit: Path, signer: Signer, next_signer: Signer | None = None) -> None:
        self.audit = audit
        self._directory = audit / OPERATOR
        self._signer = signer
        self._next_signer = next_signer

    @property
    def origin(self) -> str:
        return self._signer.name

    def append(self, records: Iterable[Mapping[str, object]]) -> None:
        """Write these records, without `index`, `time` and `version`; durable and the log closed when this returns.

        Where it raises, the first of many may be durable.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; another command is writing, or the log cannot be written or was changed.
        """
        lines = [halves(record) for record in records]
        groups = [lines[first : first + _GROUP] for first in range(0, len(lines), _GROUP)]
        self._wait()
        lock, writer = open_slot(
            self._directory,
            origin=self._signer.name,
            signer=self._signer,
            next_signer=self._next_signer,
            opened={"slot": OPERATOR},
            segment_bytes=64 * MIB,
            segment_seconds=3600,
        )
        try:
            for group in groups:
                writer.append(group)
            writer.close()
        except OSError as error:
            writer.abandon()
            raise refuse(f"the log of slot {OPERATOR} cannot be written ({error.strerror})") from None
        finally:
            os.close(lock)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._directory.is_dir():
            try:
                os.close(claim(self._directory))
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise refuse("another command is writing the log of slot operator: run this again") from None
            except OSError as error:
                raise refuse(f"the slot cannot be claimed ({error.strerror})") from None
            else:
                return


def operator_records(audit: Path, kind: Kind) -> list[tuple[int, dict[str, Any]]]:
    """Index and record of each durable record of this kind, the oldest first.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; a line of the log cannot be read.
    """
    slots = slots_of(audit / OPERATOR)
    literal = b'"kind":"%b"' % kind.encode()
    entries = newest_first(slots, lambda line: literal in line)
    return [(entry.index, entry.record) for entry in entries if entry.record.get("kind") == kind][::-1]


def halves(record: Mapping[str, object]) -> tuple[bytes, bytes]:
    """A record of now, without `index`, `time` and `version`, as the two halves of its line around its index."""
    whole = dict(record) | {"time": timestamp(), "version": FORMAT_VERSION}
    before = {name: value for name, value in whole.items() if name < "index"}
    after = {name: value for name, value in whole.items() if name > "index"}
    head, tail = (msgspec.json.encode(part, order="sorted") for part in (before, after))
    assert len(head) + len(tail) < LONGEST_LINE
    return head[:-1] + (b"," if before else b""), tail[1:]
