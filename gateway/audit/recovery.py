"""Bring a slot's directory into a state from which the log can go on, or refuse the slot.

Every whole signed group is kept, acknowledged or not: to drop one and sign another tree of its size
would be a fork. What a crash left behind the last one is copied to `torn/`, then cut off, then
recorded. A copy is called `*.pending` until its `recover` record is durable, so each step can be
repeated after another crash.
"""

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from gateway.audit.lines import Checkpoint, Cut, Signer, checkpoint_body, checkpoint_note
from gateway.audit.scan import Group, Verify, opening_tree, parse_line, scan
from gateway.audit.segment import SEALED, TORN, seal, segments_in, sync_directory, write_file
from gateway.audit.tree import Tree
from gateway.crypto.sign import verify_signature
from gateway.model.errors import StoreDown
from gateway.model.words import Posture

KEY_FILE = "log.vkey"
PENDING = ".pending"
_PENDING_NAME = re.compile(r"(seg-\d{12,}\.jsonl)\.(\d+)\.[0-9a-f]{64}\.pending")


def refuse(why: str) -> StoreDown:
    return StoreDown(Posture.AUDIT_UNAVAILABLE, why)


class Recovered(msgspec.Struct):
    """`tree` is where the log goes on; `cuts` are still to be recorded; `unsealed` are to be sealed."""

    tree: Tree
    cuts: list[Cut]
    unsealed: list[tuple[Path, Checkpoint]]


def recover(directory: Path, origin: str, signer: Signer) -> Recovered:
    """Read the slot, move torn bytes aside, and say where to go on. The caller holds the slot's lock.

    Raises:
        StoreDown: the log was changed by someone else, or has another key or origin.
        OSError: the directory cannot be read or written.
    """
    _check_key(directory, signer.vkey)

    def verify(head: Checkpoint) -> bool:
        body = checkpoint_body(origin, head.size, head.root)
        return len(head.root) == 32 and verify_signature(signer.vkey, body, head.signature)

    segments = sorted(segments_in(directory / SEALED) + segments_in(directory))
    unsealed = {first for first, _ in segments_in(directory)}
    chain = _Chain(verify, origin, signer.vkey)
    for start in _starts(segments, unsealed):
        chain = _Chain(verify, origin, signer.vkey)
        for first, path in segments[start:]:
            chain.read(first, path, unsealed=first in unsealed)
        if chain.last is not None:
            break
    if chain.last is None and (chain.tree.size or (directory / KEY_FILE).exists()):
        raise refuse("the slot has a key but no signed group: its log was removed")
    for path, tail, data in chain.torn:
        _set_aside(directory, path, tail, data)
    for path, length in chain.filled:
        _cut(path, length)
    return Recovered(chain.tree, _pending(directory), chain.kept)


def finish(directory: Path, origin: str, signer: Signer, recovered: Recovered) -> None:
    """After the `recover` records are durable: name the torn files for good, seal what was left open."""
    torn = directory / TORN
    for cut in recovered.cuts:
        name = _torn_name(cut)
        (torn / (name + PENDING)).rename(torn / name)
    if recovered.cuts:
        sync_directory(torn)
    for path, head in recovered.unsealed:
        seal(path, checkpoint_note(origin, signer.name, head))


def publish_key(directory: Path, signer: Signer) -> None:
    """Leave the verifier key beside the log, after its first group is durable."""
    path = directory / KEY_FILE
    if not path.exists():
        write_file(path, signer.vkey.encode() + b"\n")


def _check_key(directory: Path, vkey: str) -> None:
    path = directory / KEY_FILE
    if path.exists() and path.read_bytes().strip() != vkey.encode():
        raise refuse("the slot's log was signed with another key")


def _starts(segments: list[tuple[int, Path]], unsealed: set[int]) -> Iterator[int]:
    """Where reading can begin: at an `open` line, before all that is unsealed, the newest place first."""
    newest = next((n for n, (first, _) in enumerate(segments) if first in unsealed), len(segments) - 1)
    for start in range(newest, -1, -1):
        if start == 0 or _opening(segments[start]) is not None:
            yield start


def _opening(segment: tuple[int, Path]) -> Tree | None:
    first, path = segment
    with path.open("rb") as file:
        line = parse_line(file.readline().rstrip(b"\n"))
    return opening_tree(line) if line is not None and line.index == first else None


class _Chain:
    """The segments of one log read one after the other."""

    def __init__(self, verify: Verify, origin: str, vkey: str) -> None:
        self.tree = Tree()
        self.torn: list[tuple[Path, int, bytes]] = []
        self.filled: list[tuple[Path, int]] = []
        self.kept: list[tuple[Path, Checkpoint]] = []
        self.last: tuple[Path, Group] | None = None
        self._verify = verify
        self._identity = (origin, vkey)
        self._empty = True

    def read(self, first: int, path: Path, *, unsealed: bool) -> None:
        if self._empty and first:
            tree = _opening((first, path))
            if tree is None:
                raise refuse("the oldest readable segment of the log does not begin with an open record")
            self.tree = tree
        self._empty = False
        stored = path.read_bytes()
        data = stored.rstrip(b"\0") if unsealed else stored  # zeros put ahead hold nothing
        self._check_identity(data)
        base = self._base(first, data)
        found = scan(data, base, self._verify)
        if found.forged:
            raise refuse("the log holds a changed line before a signed checkpoint")
        if found.tail < len(data) or found.group is None:
            if not unsealed:
                raise refuse("a sealed segment of the log was changed")
            self.torn.append((path, found.tail, data[found.tail :]))
        elif len(data) < len(stored):
            self.filled.append((path, len(data)))
        if found.group is not None:
            self.tree = found.group.after
            self.last = (path, found.group)
            if unsealed:
                self.kept.append((path, found.group.head))

    def _base(self, first: int, data: bytes) -> Tree:
        """The tree before leaf `first`; a segment may begin with the last group of the one before it."""
        if first == self.tree.size:
            return self.tree
        if self.last is None or first != self.last[1].before.size:
            raise refuse("a segment of the log is missing")
        path, group = self.last
        with path.open("rb") as file:
            file.seek(group.start)
            written = file.read(group.end - group.start)
        common = min(len(written), len(data))
        if written[:common] != data[:common]:
            raise refuse("two segments of the log hold different lines for the same index")
        return self.tree if common < len(written) else group.before

    def _check_identity(self, data: bytes) -> None:
        line = parse_line(data.partition(b"\n")[0])
        if line is not None and opening_tree(line) is not None and (line.origin, line.vkey) != self._identity:
            raise refuse("the slot holds the log of another origin or key")


def _set_aside(directory: Path, path: Path, tail: int, data: bytes) -> None:
    """Copy the torn bytes to `torn/`, then cut them off; a segment with nothing else goes whole."""
    torn = directory / TORN
    torn.mkdir(mode=0o700, exist_ok=True)
    cut = Cut(path.name, tail, len(data), sha256(data).hexdigest())
    write_file(torn / (_torn_name(cut) + PENDING), data)
    if tail:
        _cut(path, tail)
    else:
        path.unlink()
        sync_directory(directory)


def _cut(path: Path, length: int) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, length)
        os.fsync(fd)
    finally:
        os.close(fd)


def _torn_name(cut: Cut) -> str:
    return f"{cut.segment}.{cut.offset}.{cut.sha256}"


def _pending(directory: Path) -> list[Cut]:
    """Cuts whose `recover` record may not be written yet, from the names and bytes in `torn/`."""
    torn = directory / TORN
    cuts = []
    for path in sorted(torn.iterdir()) if torn.is_dir() else []:
        name = _PENDING_NAME.fullmatch(path.name)
        if name:
            data = path.read_bytes()
            cuts.append(Cut(name[1], int(name[2]), len(data), sha256(data).hexdigest()))
    return cuts
