"""Bring a slot's directories into a state from which the log can go on, or refuse the slot.

Every whole signed group is kept, acknowledged or not: to drop one and sign another tree of its size
would be a fork. What a crash left behind the last one is copied to `torn/`, then cut off, then
recorded. A copy is called `*.pending` until its `recover` record is durable, so each step can be
repeated after another crash.

A log may lie in two directories. Of two files of one name the one with more whole groups counts, and
the other, which must agree with it, goes once everything else is done.
"""

import os
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from gateway.audit.lines import Checkpoint, Cut, Signer, checkpoint_body, checkpoint_note
from gateway.audit.scan import Group, Scan, opening_tree, parse_line, scan
from gateway.audit.sealing import bring_level, leaves_of, seal
from gateway.audit.segment import SEALED, TORN, segments_in, sync_directory, write_file
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
    """`tree` is where the log goes on and `signer` has its key.

    `cuts` are still to be recorded, `unsealed` to be sealed, `copies` to be removed.
    """

    tree: Tree
    signer: Signer
    cuts: list[Cut]
    unsealed: list[tuple[Path, Checkpoint]]
    copies: list[Path]


class _File(msgspec.Struct):
    path: Path
    sealed: bool


class _Segment(msgspec.Struct):
    """The files of one name, in one directory or in two."""

    first: int
    files: list[_File]

    @property
    def unfinished(self) -> bool:
        """Whether one is open: not sealed yet, or a copy that has to go (a move may be half done, too)."""
        return not all(file.sealed for file in self.files)


def recover(directories: Sequence[Path], origin: str, signers: Sequence[Signer]) -> Recovered:
    """Read the slot, move torn bytes aside, and say where to go on. The caller holds the slot's lock.

    `signers` are the slot's key and, after a rotation that did not come to its end, the next one.

    Raises:
        StoreDown: the log was changed by someone else, or has another key or origin.
        OSError: a directory cannot be read or written.
    """
    _check_key(directories, signers)
    segments = _segments(directories)
    chain = _Chain(origin, signers)
    for start in _starts(segments):
        chain = _Chain(origin, signers)
        for segment in segments[start:]:
            chain.read(segment)
        if chain.last is not None:
            break
    if chain.last is None and (chain.tree.size or any((each / KEY_FILE).exists() for each in directories)):
        raise refuse("the slot has a key but no signed group: its log was removed")
    signer = next((each for each in signers if each.vkey == (chain.vkey or signers[0].vkey)), None)
    if signer is None:
        raise refuse("the slot's log was signed with another key; if `keys rotate` was cut off, run it again")
    for path, tail, data in chain.torn:
        _set_aside(path, tail, data)
    for path, length in chain.filled:
        _cut(path, length)
    cuts = [cut for directory in directories for cut in _pending(directory)]
    return Recovered(chain.tree, signer, cuts, chain.kept, chain.copies)


def finish(directories: Sequence[Path], origin: str, recovered: Recovered, *, mirrored: bool = False) -> None:
    """After the `recover` records are durable: name the torn files for good, seal what was left open.

    With `mirrored` each directory gets the sealed segments that the other one has.
    """
    for directory in directories:
        torn = directory / TORN
        for name in {_torn_name(cut) for cut in recovered.cuts}:
            if (torn / (name + PENDING)).exists():
                (torn / (name + PENDING)).rename(torn / name)
                sync_directory(torn)
    for path, head in recovered.unsealed:
        seal(path, checkpoint_note(origin, recovered.signer.name, head), leaves_of(path.read_bytes()))
    if mirrored:
        for source in directories:
            for target in directories:
                if source is not target:
                    bring_level(source, target)
    for path in recovered.copies:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)


def publish_key(directory: Path, signer: Signer) -> None:
    """Leave the verifier key beside the log, after its first group is durable; below those that it follows."""
    path = directory / KEY_FILE
    text = path.read_bytes() if path.exists() else b""
    line = signer.vkey.encode() + b"\n"
    if not text.endswith(line):
        write_file(path, text + line)


def _check_key(directories: Sequence[Path], signers: Sequence[Signer]) -> None:
    known = {signer.vkey.encode() for signer in signers}
    for directory in directories:
        path = directory / KEY_FILE
        if path.exists() and path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2] not in known:
            raise refuse("the slot's log was signed with another key; if `keys rotate` was cut off, run it again")


def _segments(directories: Sequence[Path]) -> list[_Segment]:
    found: dict[int, _Segment] = {}
    for directory in directories:
        for home, sealed in ((directory / SEALED, True), (directory, False)):
            for first, path in segments_in(home):
                found.setdefault(first, _Segment(first, [])).files.append(_File(path, sealed))
    return [found[first] for first in sorted(found)]


def _starts(segments: list[_Segment]) -> Iterator[int]:
    """Where reading can begin: at an `open` line, before all that is unsealed, the newest place first."""
    newest = next((n for n, segment in enumerate(segments) if segment.unfinished), len(segments) - 1)
    for start in range(newest, -1, -1):
        if start == 0 or _opening(segments[start]) is not None:
            yield start


def _opening(segment: _Segment) -> tuple[Tree, str] | None:
    """The tree and the key that the segment's `open` line names."""
    for each in segment.files:
        with each.path.open("rb") as file:
            line = parse_line(file.readline().rstrip(b"\n"))
        tree = opening_tree(line) if line is not None and line.index == segment.first else None
        if tree is not None and line is not None:
            return tree, line.vkey
    return None


class _Chain:
    """The segments of one log read one after the other. `vkey` is the key in force, empty before the first line."""

    def __init__(self, origin: str, signers: Sequence[Signer]) -> None:
        self.tree = Tree()
        self.vkey = ""
        self.torn: list[tuple[Path, int, bytes]] = []
        self.filled: list[tuple[Path, int]] = []
        self.kept: list[tuple[Path, Checkpoint]] = []
        self.copies: list[Path] = []
        self.last: tuple[Path, Group] | None = None
        self._origin = origin
        self._known = [signer.vkey for signer in signers]
        self._empty = True

    def read(self, segment: _Segment) -> None:
        if self._empty:
            self._begin(segment)
        self._empty = False
        read = []
        for file in segment.files:
            stored = file.path.read_bytes()
            data = stored if file.sealed else stored.rstrip(b"\0")  # zeros put ahead hold nothing
            tree, vkey = self._base(segment.first, data)
            self._check_identity(data, vkey)
            found = scan(data, tree, vkey, self._verify)
            if found.forged:
                raise refuse("the log holds a changed line before a signed checkpoint")
            read.append((file, stored, data, found))
        best = max(read, key=lambda each: (each[0].sealed, each[3].tail))
        for file, _, data, found in read:
            if file is not best[0]:
                self._compare(file, data, found, best[2])
        self._take(*best)

    def _begin(self, segment: _Segment) -> None:
        opening = _opening(segment)
        if opening is None and segment.first:
            raise refuse("the oldest readable segment of the log does not begin with an open record")
        self.tree, self.vkey = opening or (Tree(), self._known[0])
        if self.vkey not in self._known:
            raise refuse("the slot holds the log of another origin or key")

    def _take(self, file: _File, stored: bytes, data: bytes, found: Scan) -> None:
        if found.tail < len(data) or found.group is None:
            if file.sealed:
                raise refuse("a sealed segment of the log was changed")
            self.torn.append((file.path, found.tail, data[found.tail :]))
        elif len(data) < len(stored):
            self.filled.append((file.path, len(data)))
        if found.group is not None:
            self.tree, self.vkey = found.group.after, found.group.next_vkey
            self.last = (file.path, found.group)
            if not file.sealed:
                self.kept.append((file.path, found.group.head))

    def _compare(self, file: _File, data: bytes, found: Scan, best: bytes) -> None:
        """The same segment in the other directory, with no more groups than the one that counts."""
        if data[: found.tail] != best[: found.tail] or (file.sealed and data != best):
            raise refuse("two copies of one segment of the log hold different lines")
        if file.sealed:
            return
        if not best.startswith(data):
            self.torn.append((file.path, found.tail, data[found.tail :]))
        self.copies.append(file.path)

    def _verify(self, head: Checkpoint, vkey: str) -> bool:
        if vkey not in self._known or len(head.root) != 32:
            return False
        return verify_signature(vkey, checkpoint_body(self._origin, head.size, head.root), head.signature)

    def _base(self, first: int, data: bytes) -> tuple[Tree, str]:
        """Tree and key before leaf `first`; a segment may begin with the last group of the one before it."""
        if first == self.tree.size:
            return self.tree, self.vkey
        if self.last is None or first != self.last[1].before.size:
            raise refuse("a segment of the log is missing")
        path, group = self.last
        with path.open("rb") as file:
            file.seek(group.start)
            written = file.read(group.end - group.start)
        common = min(len(written), len(data))
        if written[:common] != data[:common]:
            raise refuse("two segments of the log hold different lines for the same index")
        return (self.tree, self.vkey) if common < len(written) else (group.before, group.vkey)

    def _check_identity(self, data: bytes, vkey: str) -> None:
        line = parse_line(data.partition(b"\n")[0])
        if line is not None and opening_tree(line) is not None and (line.origin, line.vkey) != (self._origin, vkey):
            raise refuse("the slot holds the log of another origin or key")


def _set_aside(path: Path, tail: int, data: bytes) -> None:
    """Copy the torn bytes to `torn/`, then cut them off; a segment with nothing else goes whole."""
    torn = path.parent / TORN
    torn.mkdir(mode=0o700, exist_ok=True)
    cut = Cut(path.name, tail, len(data), sha256(data).hexdigest())
    write_file(torn / (_torn_name(cut) + PENDING), data)
    if tail:
        _cut(path, tail)
    else:
        path.unlink()
        sync_directory(path.parent)


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
