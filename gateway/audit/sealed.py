"""A sealed segment read once more before its body goes: its lines, leaf hashes and dates, against its signed note."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import msgspec

from gateway.audit.recovery import KEY_FILE, refuse
from gateway.audit.scan import Line, opening_tree
from gateway.audit.slot import second_of
from gateway.audit.tree import Tree, leaf_hash
from gateway.crypto.sign import verify_signature
from gateway.model.words import Kind

LEAF = 32
_SIGNATURE = "\u2014 "


class Note(msgspec.Struct, frozen=True):
    """The head that a sealed segment ends in; `root` in base64, as the note has it."""

    origin: str
    size: int
    root: str


class Body(msgspec.Struct, frozen=True):
    """What one body holds: `leaves` are its leaf hashes in order, and `size` says how many."""

    path: Path
    first: int
    note: Note
    leaves: bytes
    size: int
    tree: Tree
    oldest: str
    newest: str
    length: int

    @property
    def leaves_path(self) -> Path:
        return self.path.with_suffix(".leaves")

    @property
    def digest(self) -> str:
        """SHA-256 of the leaves, in hex."""
        return sha256(self.leaves).hexdigest()


class _Dated(Line):
    time: str = ""


def keys_of(slot: Path) -> list[str]:
    """The verifier keys of a slot's log, the oldest first; without a key file, none."""
    path = slot / KEY_FILE
    return path.read_text("ascii").split() if path.exists() else []


def homes_of(slot: Path) -> list[Path]:
    """The directories that a slot's log lies in: its own, and a second one where it names one that is there."""
    second = second_of(slot)
    return [slot, second] if second is not None and second.is_dir() else [slot]


def begins_alone(path: Path) -> bool:
    """Whether the segment begins with an `open` record, so that it can be judged without the one before it."""
    with path.open("rb") as file:
        return opening_tree(_parse(file.readline().rstrip(b"\n"), path)) is not None


def read_note(path: Path, keys: Iterable[str]) -> Note:
    """The note of a sealed segment (its body's path), if one of the log's keys signed it.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; it is missing, malformed, or not signed by any of them.
    """
    try:
        text = path.with_suffix(".note").read_text("utf-8")
        body, _, signatures = text.partition("\n\n")
        origin, size, root = body.split("\n")
        note = Note(origin, int(size), root)
        given = [b64decode(line.split(" ")[2], validate=True) for line in _lines(signatures)]
    except (FileNotFoundError, ValueError, IndexError):
        raise refuse(f"{path.stem}.note is missing or no signed note: run `privacy-gateway audit verify`") from None
    signed = f"{body}\n".encode()
    if not any(verify_signature(key, signed, signature) for key in keys for signature in given):
        raise refuse(f"{path.stem}.note is not signed by the log's key: run `privacy-gateway audit verify`")
    return note


def read_body(path: Path, first: int, keys: Iterable[str], before: Body | None) -> Body:
    """Read a body, and check that its leaves lead to its note's root, and to its `.leaves` if it has them.

    `before` is the segment before it, needed where the body does not begin with an `open` record.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; something does not agree, which is for `verify` to judge.
    """
    note = read_note(path, keys)
    tree = before.tree.copy() if before is not None else None
    leaves, oldest, newest, length = bytearray(), "", "", 0
    root = before.note.root if before is not None else ""
    with path.open("rb") as file:
        for index, raw in enumerate(file, first):
            line = _parse(raw.rstrip(b"\n"), path)
            length += len(raw)
            tree = opening_tree(line) if tree is None else tree
            if tree is None or line.index != index or index > tree.size:
                raise _changed(path)
            leaf = leaf_hash(raw.rstrip(b"\n"))
            leaves += leaf
            if index == tree.size:
                root = b64encode(tree.root()).decode()
                tree.append(leaf)
            elif before is None or leaf != before.leaves[(index - before.first) * LEAF :][:LEAF]:
                raise _changed(path)  # not the group that the segment before it ends in
            if line.kind != Kind.CHECKPOINT:
                oldest, newest = min(oldest or line.time, line.time), max(newest, line.time)
    if tree is None or (tree.size - 1, root) != (note.size, note.root):
        raise _changed(path)
    body = Body(path, first, note, bytes(leaves), len(leaves) // LEAF, tree, oldest, newest, length)
    if body.leaves_path.exists() and body.leaves_path.read_bytes() != body.leaves:
        raise refuse(f"{body.leaves_path.name} does not hold the leaves of its segment")
    return body


def _lines(signatures: str) -> list[str]:
    return [line for line in signatures.split("\n") if line.startswith(_SIGNATURE)]


def _parse(raw: bytes, path: Path) -> _Dated:
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _changed(path) from None


def _changed(path: Path) -> Exception:
    return refuse(f"{path.name} is not what its note says: run `privacy-gateway audit verify`")


_decoder = msgspec.json.Decoder(_Dated)
