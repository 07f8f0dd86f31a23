"""A log as static files that tools for transparency logs read: C2SP tlog-tiles (c2sp.org/tlog-tiles).

`publish` goes on where the last run ended. The checkpoint is put in place last, so that whoever reads
meanwhile sees the older tree, whole.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.audit.proof_source import Source, Unprovable
from gateway.audit.verify_note import Head, Malformed, read_note
from gateway.audit.verify_report import Verdict
from gateway.audit.verify_tree import Counter, leaf_hash

FULL = 256
_WIDTH = 32


class Refused(Unprovable):
    """What is published already and the log do not belong together; `verdict` says how."""

    def __init__(self, verdict: Verdict, why: str) -> None:
        super().__init__(why)
        self.verdict = verdict


class Published(NamedTuple):
    """The tree now published, how many leaves are new, and how many entries have no bytes because they were pruned."""

    head: Head
    added: int
    pruned: int


def tile_path(level: str, number: int, width: int = FULL) -> str:
    """Path below the prefix: level `entries` or a decimal, number in groups of three digits, `.p/W` if partial."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03d}")
    partial = "" if width == FULL else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def publish(source: Source, directory: Path) -> Published:
    """Write the tiles up to the log's newest checkpoint.

    Raises:
        Refused: the directory holds another log, more leaves than the log has, or another tree.
        Unprovable: leaves are missing, or do not give the signed root.
        OSError: a file cannot be read or written.
    """
    head = source.head()
    if not any(key.accepts(head.body(), value) for key in source.keys for _, value in head.signatures):
        raise Unprovable("the checkpoint is not signed with a key of log.vkey: run `audit verify`")
    old = _published(directory, head)
    size = old.size if old is not None else 0
    bundle = size - size % FULL
    place, tree = source.start(bundle)
    hashes = _Tiles(directory, size, old)
    entries = _Bundles(directory, bundle, head.size)
    added = 0
    for batch in source.leaves(place, head.size, lines=True):
        until = min(max(0, size - batch.first), len(batch.hashes))
        tree.extend(batch.hashes[:until])
        if old is not None and tree.leaves == size and tree.root() != old.root:
            raise Refused(Verdict.FORK, "the published tree is another one than the log's")
        tree.extend(batch.hashes[until:])
        for leaf in batch.hashes[until:]:
            hashes.add(leaf)
        added += len(batch.hashes) - until
        entries.add(batch.first, batch.lines, len(batch.hashes))
    if tree.root() != head.root:
        raise Unprovable("the log does not give the root of its checkpoint: run `audit verify`")
    hashes.finish()
    pruned = entries.finish()
    os.sync()  # a checkpoint must not survive a loss of power that its tiles do not
    _put(directory / "checkpoint", head.note().encode())
    for path in [*hashes.outgrown, *entries.outgrown]:
        _drop_partials(path)
    return Published(head, added, pruned)


def _published(directory: Path, head: Head) -> Head | None:
    """The checkpoint of the last run, None if this is the first. Raises Refused."""
    path = directory / "checkpoint"
    if not path.exists():
        if directory.exists() and any(entry.name != "tile" for entry in directory.iterdir()):
            raise Refused(Verdict.CANNOT, f"{directory} holds something else: give an empty directory")
        return None
    try:
        old = read_note(path.read_bytes().decode())
    except (Malformed, UnicodeDecodeError):
        raise Refused(Verdict.TAMPERED, f"{path} is not a checkpoint") from None
    if old.origin != head.origin:
        raise Refused(Verdict.CANNOT, f"{directory} holds the tiles of {old.origin}: give another directory")
    if old.size > head.size:
        why = f"{old.size} leaves were published, the log has {head.size}: it was rolled back"
        raise Refused(Verdict.ROLLED_BACK, why)
    if old.size == head.size and old.root != head.root:
        raise Refused(Verdict.FORK, "the published tree is another one than the log's")
    return old


class _Tiles:
    """The tiles of hashes, one being filled on each level."""

    def __init__(self, directory: Path, size: int, old: Head | None) -> None:
        self.outgrown: list[Path] = []
        self._directory = directory
        self._tiles: list[list[bytes]] = []
        self._numbers: list[int] = []
        level = 0
        while size >> 8 * level:
            width = (size >> 8 * level) % FULL
            number = size >> 8 * (level + 1)
            self._numbers.append(number)
            self._tiles.append(self._read(level, number, width) if width else [])
            level += 1
        if old is not None and self._root() != old.root:
            raise Refused(Verdict.TAMPERED, "the published tiles do not give the root of their checkpoint")

    def add(self, leaf: bytes) -> None:
        """One more leaf. A tile that is full is written, and becomes a hash of the level above."""
        level, value = 0, leaf
        while True:
            if level == len(self._tiles):
                self._tiles.append([])
                self._numbers.append(0)
            tile = self._tiles[level]
            tile.append(value)
            if len(tile) < FULL:
                return
            path = self._directory / tile_path(str(level), self._numbers[level])
            _put(path, b"".join(tile))
            self.outgrown.append(path)
            whole = Counter()
            whole.extend(tile)
            value = whole.root()
            self._tiles[level] = []
            self._numbers[level] += 1
            level += 1

    def finish(self) -> None:
        for level, tile in enumerate(self._tiles):
            if tile:
                _put(self._directory / tile_path(str(level), self._numbers[level], len(tile)), b"".join(tile))

    def _read(self, level: int, number: int, width: int) -> list[bytes]:
        path = self._directory / tile_path(str(level), number, width)
        data = path.read_bytes() if path.is_file() else b""
        if len(data) != width * _WIDTH:
            raise Refused(Verdict.TAMPERED, f"{path} is not a tile of {width} hashes")
        return [data[at : at + _WIDTH] for at in range(0, len(data), _WIDTH)]

    def _root(self) -> bytes:
        """The root, from the tiles that are not full: what a reader of the published files computes."""
        peaks = Counter()
        for level, tile in enumerate(self._tiles):
            inner = Counter()
            inner.extend(tile)
            peaks.place(8 * level, inner.levels)
        return peaks.root()


class _Bundles:
    """The bundles of entries: the lines themselves, each behind its length in two bytes."""

    def __init__(self, directory: Path, first: int, size: int) -> None:
        self.outgrown: list[Path] = []
        self._directory = directory
        self._index = first
        self._size = size
        self._entries: list[bytes] = []
        self._pruned = 0

    def add(self, first: int, lines: list[bytes] | None, count: int) -> None:
        """Leaves from index `first` on; those before the first bundle that changes are passed over."""
        for index in range(max(first, self._index), first + count):
            line = None if lines is None else lines[index - first]
            if line is None:
                self._pruned += 1
            else:
                self._entries.append(len(line).to_bytes(2, "big") + line)
            self._index = index + 1
            if self._index % FULL == 0:
                self._write(FULL)

    def finish(self) -> int:
        """Write what is left; gives the number of entries that have no bytes."""
        if self._size % FULL:
            self._write(self._size % FULL)
        return self._pruned

    def _write(self, width: int) -> None:
        """A bundle that lacks an entry is left out: the log is pruned up to behind it (tlog-tiles, Pruning)."""
        path = self._directory / tile_path("entries", (self._index - 1) // FULL, width)
        if len(self._entries) == width:
            _put(path, b"".join(self._entries))
            if width == FULL:
                self.outgrown.append(path)
        self._entries = []


def read_bundle(data: bytes) -> Iterator[bytes]:
    """The entries of a bundle. Raises Malformed."""
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise Malformed("a bundle that ends within an entry")
        yield data[at + 2 : end]
        at = end


def bundle_hashes(data: bytes) -> list[bytes]:
    """The leaf hashes of a bundle's entries. Raises Malformed."""
    return [leaf_hash(entry) for entry in read_bundle(data)]


def _put(path: Path, data: bytes) -> None:
    """Put a whole file in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        if path.name == "checkpoint":
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)


def _drop_partials(path: Path) -> None:
    """Remove the partial tiles of one that is full now: they may go (tlog-tiles, Partial Tiles)."""
    home = path.with_name(path.name + ".p")
    if home.is_dir():
        for each in home.iterdir():
            each.unlink()
        home.rmdir()
