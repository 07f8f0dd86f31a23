"""Logs made with the real writer, without its thread, so that a test decides where a group ends."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import Faults

from gateway.audit import segment as segment_module
from gateway.audit.commit import GroupWriter
from gateway.audit.lines import timestamp
from gateway.audit.recovery import finish, publish_key, recover
from gateway.audit.verify import verify_directory
from gateway.crypto.sign import SigningKey

ORIGIN = "example.org/log/w0"


class Logs:
    """Makes, crashes and reads the log of one slot."""

    def __init__(self, slot: Path) -> None:
        self.slot = slot
        self.now = ""
        self.key = SigningKey(ORIGIN, bytes(range(32)))

    def record(self, request: str, **more: object) -> tuple[bytes, bytes]:
        fields = [{"class": "user.name", "count": 1, "purpose": "service", "reason": "listed"}]
        before = (
            b'{"caller":"anonymous","direction":"request","fields":%b,'
            % json.dumps(fields, separators=(",", ":")).encode()
        )
        after = {
            "kind": "collect",
            "recipient": "shop",
            "request": request,
            "route": "sign-up",
            "subject": "s1.h8LmUqZyT0a3Wn5cXvE2Rw",
            "time": "2026-11-23T13:07:25.123456Z",
            "version": 1,
        } | more
        return before, json.dumps(dict(sorted(after.items())), separators=(",", ":")).encode()[1:]

    def short(self, request: str) -> tuple[bytes, bytes]:
        """As little as a record can be, for tests that go through its bytes one by one."""
        return (
            b"{",
            b'"kind":"count","request":"%b","time":"2026-11-23T13:07:25.123456Z","version":1}' % request.encode(),
        )

    def start(self, slot: Path | None = None, *, segment_bytes: int = 1 << 20, origin: str = ORIGIN) -> GroupWriter:
        slot = slot or self.slot
        slot.mkdir(parents=True, exist_ok=True)
        recovered = recover((slot,), origin, (self.key,))
        writer = GroupWriter(
            slot,
            recovered.tree,
            self.key,
            origin=origin,
            opened={"program": "test"},
            segment_bytes=segment_bytes,
            segment_seconds=3600,
            clock=lambda: self.now or timestamp(),
        )
        writer.start(recovered.cuts)
        publish_key(slot, self.key)
        finish((slot,), origin, recovered)
        return writer

    def write(
        self, groups: int = 3, each: int = 2, *, segment_bytes: int = 1 << 20, close: bool = True, short: bool = False
    ) -> GroupWriter:
        """A log of `groups` groups; closed, or let go as by a process that dies."""
        writer = self.start(segment_bytes=segment_bytes)
        for group in range(groups):
            record = self.short if short else self.record
            writer.append([record(f"{group}.{n}") for n in range(each)])
            writer.seal_finished()
        if close:
            writer.close()
        else:
            writer.abandon()
        return writer

    def lines(self, slot: Path | None = None) -> list[dict[str, object]]:
        """All lines of all segments in order, as an independent reader would join them."""
        slot = slot or self.slot
        found = sorted([*slot.glob("seg-*.jsonl"), *slot.glob("sealed/seg-*.jsonl")], key=lambda path: path.name)
        by_index = {}
        for path in found:
            for raw in path.read_bytes().rstrip(b"\0").split(b"\n")[:-1]:
                line = json.loads(raw)
                assert by_index.setdefault(line["index"], line) == line
        return [by_index[index] for index in sorted(by_index)]

    def rewrite(self, path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Change the list of lines of a file."""
        lines = path.read_bytes().rstrip(b"\0").split(b"\n")[:-1]
        path.write_bytes(b"".join(line + b"\n" for line in change(lines)))

    def verdict(self, **options: object) -> str:
        options.setdefault("allow_unanchored", True)
        return verify_directory(self.slot, **options).words

    def only_segment(self) -> Path:
        [path] = [*self.slot.glob("seg-*.jsonl"), *self.slot.glob("sealed/seg-*.jsonl")]
        return path


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path / "audit" / "w0")


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


@pytest.fixture(autouse=True)
def _small_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_module, "FILL", 2048)


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """For loops over many small logs: what is tested there is bytes, not the device."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "O_DSYNC", 0)
