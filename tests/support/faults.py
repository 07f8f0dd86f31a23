"""Devices that fail, and hosts that lose their power, below the real writer."""

import fcntl
import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.audit.kernel_sync import KernelSync

OPERATIONS = ("pwrite", "fsync", "ftruncate", "open", "fstat", "lseek", "rename", "unlink", "mkdir", "posix_fallocate")


class Faults:
    """Fails the N-th file operation of this process, or every one from the N-th on.

    `short` lets half of a failing write through first; `only` restricts it to some operations;
    `below` to paths in one directory.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arm(-1)
        for name in OPERATIONS:
            if name not in ("rename", "mkdir"):
                monkeypatch.setattr(os, name, self._shim(name, getattr(os, name)))
        for name in ("rename", "mkdir"):
            monkeypatch.setattr(Path, name, self._shim(name, getattr(Path, name)))
        real = KernelSync.result

        def result(kernel):
            real(kernel)
            self._step("result", ())

        monkeypatch.setattr(KernelSync, "result", result)

    def arm(self, fail_at, *, for_good=False, short=False, code=5, only=(), below=None) -> None:
        self.fail_at, self.for_good, self.short, self.count = fail_at, for_good, short, 0
        self.code, self.only, self.below = code, only, below

    def _step(self, name, args):
        if (self.only and name not in self.only) or not self._is_below(args):
            return
        self.count += 1
        if self.count == self.fail_at or (self.for_good and 0 < self.fail_at < self.count):
            raise OSError(self.code, f"injected at {name}")

    def _is_below(self, args):
        below = self.below  # another thread may disarm meanwhile
        if below is None:
            return True
        target = args[0] if args else ""
        path = str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else os.fspath(target)
        return path == os.fspath(below) or path.startswith(f"{below}/")

    def _shim(self, name, real):
        def operation(*args, **kwargs):
            try:
                self._step(name, args)
            except OSError:
                if name == "pwrite" and self.short:
                    real(args[0], bytes(args[1])[: len(args[1]) // 2], args[2])
                raise
            return real(*args, **kwargs)

        return operation


class PowerLoss:
    """What of one directory tree would be left if the power went now: only what was synced, and no more.

    A userspace stand-in for LazyFS: contents count as of the last sync of each file (fsync, or a write
    to a descriptor opened with O_DSYNC), names as of the last sync of each directory.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.images: list[tuple[dict[str, bytes], int]] = []
        self.acknowledged = 0
        self._root = root
        self._contents: dict[int, bytes] = {}
        self._names: dict[str, dict[str, tuple[int, bool]]] = {}
        for name in ("pwrite", "fsync"):
            monkeypatch.setattr(os, name, self._shim(name, getattr(os, name)))
        for name in ("rename", "unlink"):
            monkeypatch.setattr(Path, name, self._shim(name, getattr(Path, name)))
        self._watch_kernel(monkeypatch, KernelSync.start, KernelSync.result)

    def _watch_kernel(self, monkeypatch, real_start, real_result):
        descriptors = []

        def start(kernel, descriptor):
            descriptors[:] = [descriptor]
            self.images.append((self._image(self._root), self.acknowledged))
            real_start(kernel, descriptor)

        def result(kernel):
            real_result(kernel)
            self._synced(descriptors[0])

        monkeypatch.setattr(KernelSync, "start", start)
        monkeypatch.setattr(KernelSync, "result", result)

    def _shim(self, name, real):
        def operation(*args, **kwargs):
            answer = real(*args, **kwargs)
            if name == "fsync" or (name == "pwrite" and fcntl.fcntl(args[0], fcntl.F_GETFL) & os.O_DSYNC):
                self._synced(args[0])
            self.images.append((self._image(self._root), self.acknowledged))
            return answer

        return operation

    def _synced(self, fd):
        status = os.fstat(fd)
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if stat.S_ISDIR(status.st_mode):
            self._names[str(path)] = {each.name: (each.stat().st_ino, each.is_dir()) for each in path.iterdir()}
        else:
            self._contents[status.st_ino] = path.read_bytes()

    def _image(self, directory: Path) -> dict[str, bytes]:
        found = {}
        for name, (inode, is_directory) in self._names.get(str(directory), {}).items():
            path = directory / name
            if is_directory:
                found |= self._image(path)
            else:
                found[str(path.relative_to(self._root))] = self._contents.get(inode, b"")
        return found


def restore(image: dict[str, bytes], root: Path) -> None:
    for name, content in image.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def run(logs, writer, groups=6):
    """Commit groups of two; return the indexes that were acknowledged, by request."""
    acknowledged = {}
    for group in range(groups):
        try:
            first = writer.append([logs.record(f"{group}.0"), logs.record(f"{group}.1")])
        except OSError:
            continue
        acknowledged |= {f"{group}.0": first, f"{group}.1": first + 1}
        writer.seal_finished()
    return acknowledged


def check_log(logs, acknowledged):
    """Whatever happened: no gap, what was acknowledged is there, nothing is there twice, and it verifies."""
    lines = logs.lines()
    assert [line["index"] for line in lines] == list(range(len(lines)))
    for request, index in acknowledged.items():
        assert lines[index]["request"] == request
    requests = [line["request"] for line in lines if "request" in line]
    assert len(requests) == len(set(requests))
    assert logs.verdict() == "VERIFIED"
    check_leaves(logs.slot)


def check_leaves(slot: Path) -> None:
    """Beside every sealed segment there are the hashes of its lines."""
    for path in (slot / "sealed").glob("*.jsonl"):
        lines = path.read_bytes().split(b"\n")[:-1]
        assert path.with_suffix(".leaves").read_bytes() == b"".join(sha256(b"\0" + line).digest() for line in lines)
