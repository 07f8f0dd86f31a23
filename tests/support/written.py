"""Logs written line by line, for what a verifier must be able to read whoever has written it."""

import hashlib
import json
from base64 import b64encode
from pathlib import Path

from gateway.audit.lines import Checkpoint, checkpoint_body, checkpoint_line, checkpoint_note
from gateway.audit.tree import Tree, leaf_hash
from gateway.crypto.sign import SigningKey

TIME = "2026-11-23T13:07:25.123456Z"


class Written:
    """One log that grows by calls; each segment is sealed with note and leaf hashes, or left open."""

    def __init__(self, slot: Path, *, seed: int = 0) -> None:
        self.slot = slot
        self.origin = f"example.org/log/{slot.name}"
        self.key = SigningKey(self.origin, bytes([seed]) * 32)
        self.keys = [self.key.vkey]
        self.tree = Tree()
        self.lines: list[bytes] = []
        self._all: list[bytes] = []
        self.first = 0
        self.head: Checkpoint | None = None
        self.heads: list[Checkpoint] = []
        (slot / "sealed").mkdir(parents=True)
        self.publish_keys()

    def publish_keys(self) -> None:
        (self.slot / "log.vkey").write_text("".join(key + "\n" for key in self.keys))

    def add(self, kind: str, **values: object) -> "Written":
        record = {"index": self.tree.size, "kind": kind, "time": TIME, "version": 1} | values
        return self._line(json.dumps(record, separators=(",", ":"), sort_keys=True).encode())

    def _line(self, line: bytes) -> "Written":
        self.lines.append(line)
        self._all.append(line)
        self.tree.append(leaf_hash(line))
        return self

    def open(self) -> "Written":
        tree = self.tree
        previous = {
            "frontier": [b64encode(node).decode() for node in tree.frontier],
            "root": b64encode(tree.root()).decode(),
            "size": tree.size,
        }
        return self.add(
            "open", origin=self.origin, previous=previous, vkey=self.key.vkey, opened={}, durability="group"
        )

    def checkpoint(self) -> "Written":
        size, root = self.tree.size, self.tree.root()
        self.head = Checkpoint(size, root, self.key.sign(checkpoint_body(self.origin, size, root)))
        self.heads.append(self.head)
        return self._line(checkpoint_line(self.head))

    def group(self, count: int = 2, **values: object) -> "Written":
        for _ in range(count):
            self.add("count", **({"number": self.tree.size} | values))
        return self.checkpoint()

    def rotate(self, seed: int) -> "Written":
        """A `rotate` record under the old key; what follows is signed by the new one."""
        new = SigningKey(self.origin, bytes([seed]) * 32)
        self.add("rotate", vkey=new.vkey).checkpoint()
        self.key = new
        self.keys.append(new.vkey)
        self.publish_keys()
        return self

    @property
    def name(self) -> str:
        return f"seg-{self.first:012d}.jsonl"

    def seal(self, *, leaves: bool = True) -> Path:
        """Seal what was written since the last segment ended; gives the body's path."""
        body = self.slot / "sealed" / self.name
        body.write_bytes(b"".join(line + b"\n" for line in self.lines))
        body.with_suffix(".note").write_bytes(checkpoint_note(self.origin, self.key.name, self.head))
        if leaves:
            body.with_suffix(".leaves").write_bytes(b"".join(leaf_hash(line) for line in self.lines))
        self.lines, self.first = [], self.tree.size
        return body

    def leave_open(self) -> Path:
        path = self.slot / self.name
        path.write_bytes(b"".join(line + b"\n" for line in self.lines))
        return path

    def all_lines(self) -> list[bytes]:
        return list(self._all)

    def three_segments(self) -> list[Path]:
        return [self.open().checkpoint().group(size).group(2).seal() for size in (2, 3, 5)]


def prune_record(body: Path, origin: str, **changed: object) -> dict[str, object]:
    """What the operator's log says of a sealed segment that is to be pruned."""
    leaves = body.with_suffix(".leaves").read_bytes()
    return {
        "origin": origin,
        "segment": body.name,
        "first": int(body.stem[4:]),
        "size": len(leaves) // 32,
        "root": body.with_suffix(".note").read_text(encoding="utf-8").split("\n")[2],
        "leaves": hashlib.sha256(leaves).hexdigest(),
        "policy": "retention 400d",
        "by": "ann",
    } | changed
