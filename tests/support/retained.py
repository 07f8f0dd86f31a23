"""Logs of several slots with records of given days, for tests of what may be deleted when."""

import hashlib
import json
import os
from base64 import b64decode, b64encode
from pathlib import Path

from gateway.audit.commit import GroupWriter
from gateway.audit.operator_log import OperatorLog
from gateway.audit.recovery import publish_key
from gateway.audit.slot import open_slot
from gateway.audit.tree import Tree, leaf_hash
from gateway.crypto.sign import SigningKey

DEPLOYMENT = "example.org/log"


def at(day: int, second: int = 0) -> str:
    """A time of November 2026, as records have it."""
    return f"2026-11-{day:02}T13:00:{second:02}.000000Z"


def line(kind: str, time: str, **more: object) -> tuple[bytes, bytes]:
    """A record in two parts; `more` are keys after `kind` in the order of their bytes."""
    after = json.dumps({"kind": kind} | dict(sorted((more | {"time": time, "version": 1}).items())))
    return b"{", after.replace(" ", "").encode()[1:]


def key_of(slot: str) -> SigningKey:
    return SigningKey(f"{DEPLOYMENT}/{slot}", hashlib.sha256(slot.encode()).digest())


class Retained:
    """An audit directory."""

    def __init__(self, audit: Path) -> None:
        self.audit = audit
        self.operator = OperatorLog(audit, key_of("operator"))

    def start(self, slot: str, day: int, *, segment_bytes: int = 1 << 20) -> GroupWriter:
        home, key = self.audit / slot, key_of(slot)
        home.mkdir(parents=True, exist_ok=True)
        writer = GroupWriter(
            home,
            self._tree(slot),
            key,
            origin=key.name,
            opened={},
            segment_bytes=segment_bytes,
            segment_seconds=3600,
            clock=lambda: at(day),
        )
        writer.start(())
        publish_key(home, key)
        return writer

    def recover(self, slot: str) -> None:
        """A run that only recovers what another one left, with records of today."""
        key = key_of(slot)
        lock, writer = open_slot(
            self.audit / slot, origin=key.name, signer=key, opened={}, segment_bytes=1 << 20, segment_seconds=3600
        )
        writer.close()
        os.close(lock)

    def _tree(self, slot: str) -> Tree:
        lines = self._raw(slot)
        previous = json.loads(lines[0])["previous"] if lines else {"size": 0, "frontier": []}
        tree = Tree(previous["size"], tuple(b64decode(node) for node in previous["frontier"]))
        for raw in lines:
            tree.append(leaf_hash(raw))
        return tree

    def write(self, slot: str, *days: int, kind: str = "count", **more: object) -> None:
        """A run, and so a sealed segment, for each day, with two groups of two records."""
        for day in days:
            writer = self.start(slot, day)
            for group in (0, 2):
                writer.append([line(kind, at(day, group + n), **more) for n in (0, 1)])
            writer.close()

    def bodies(self, slot: str) -> list[str]:
        return sorted(path.name for path in (self.audit / slot).rglob("seg-*.jsonl"))

    def lines(self, slot: str) -> list[dict]:
        return [json.loads(raw) for raw in self._raw(slot)]

    def _raw(self, slot: str) -> list[bytes]:
        paths = sorted((self.audit / slot).rglob("seg-*.jsonl"), key=lambda path: path.name)
        return [raw for path in paths for raw in path.read_bytes().rstrip(b"\0").splitlines()]

    def heads(self, *, day: int = 28, size: int | None = None) -> None:
        """What the log of heads says when it is written now: the newest checkpoint of each other log, or `size`."""
        heads = []
        for home in sorted(path for path in self.audit.iterdir() if path.name != "anchor"):
            last = [each for each in self.lines(home.name) if each["kind"] == "checkpoint"][-1]
            heads.append({"origin": key_of(home.name).name, "root": last["root"], "size": size or last["size"]})
        writer = self.start("anchor", day)
        before = json.dumps({"heads": heads}).replace(" ", "").encode()[:-1] + b","
        writer.append([(before, line("heads", at(day))[1])])
        writer.close()


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(leaves[:half]) + root_of(leaves[half:])).digest()


def leaves_in(path: Path) -> list[bytes]:
    """The leaf hashes of a `.leaves` file."""
    data = path.read_bytes()
    return [data[start : start + 32] for start in range(0, len(data), 32)]


def root_under(frontier: list[str], size: int, leaves: list[bytes]) -> bytes:
    """The root over `size` leaves of which only the frontier is known, and those that follow them."""
    stack = []
    for height, node in zip([bit for bit in range(60, -1, -1) if size >> bit & 1], frontier, strict=True):
        stack.append((height, b64decode(node)))
    for leaf in leaves:
        node, height = leaf, 0
        while stack and stack[-1][0] == height:
            node = hashlib.sha256(b"\x01" + stack.pop()[1] + node).digest()
            height += 1
        stack.append((height, node))
    root = stack.pop()[1]
    while stack:
        root = hashlib.sha256(b"\x01" + stack.pop()[1] + root).digest()
    return root


def note_of(path: Path) -> tuple[int, str]:
    """Size and root of a signed note."""
    _, size, root = path.read_text().splitlines()[:3]
    return int(size), root


def encoded(root: bytes) -> str:
    return b64encode(root).decode()
