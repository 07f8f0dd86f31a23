"""The lines that the ledger itself writes about its own life, and checkpoints (FORMAT.md, sections 3 and 4)."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec

from gateway.audit.tree import Tree
from gateway.model.words import Kind

FORMAT_VERSION = 1
LONGEST_LINE = 60 * 1024  # a C2SP tlog-tiles entry is at most 65,535 bytes


class Signer(Protocol):
    """What the ledger needs of `crypto.sign.SigningKey`."""

    @property
    def name(self) -> str: ...

    @property
    def vkey(self) -> str: ...

    def sign(self, body: bytes) -> bytes:
        """Four bytes of key id and the signature, as a signed note holds them."""
        ...


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed tree head: `signature` is key id and Ed25519 signature over `checkpoint_body`."""

    size: int
    root: bytes
    signature: bytes


class Cut(msgspec.Struct, frozen=True):
    """Bytes that recovery moved from `segment`, starting at byte `offset`, into `torn/`."""

    segment: str
    offset: int
    length: int
    sha256: str


class Note(NamedTuple):
    """A record of the log's own life, before it has an index and a time."""

    kind: Kind
    fields: Mapping[str, object]


def timestamp() -> str:
    """Now, in UTC, to the microsecond."""
    return _text(datetime.now(UTC))


def timestamp_of(seconds: float) -> str:
    """A time in seconds since 1970 as records write it."""
    return _text(datetime.fromtimestamp(seconds, UTC))


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def encode(record: Mapping[str, object]) -> bytes:
    """One line without its newline: sorted keys, no spaces, UTF-8."""
    return msgspec.json.encode(record, order="sorted")


def checkpoint_body(origin: str, size: int, root: bytes) -> bytes:
    """The text that is signed (C2SP tlog-checkpoint, without extension lines)."""
    return b"%b\n%d\n%b\n" % (origin.encode(), size, b64encode(root))


def checkpoint_line(checkpoint: Checkpoint) -> bytes:
    return b'{"index":%d,"kind":"checkpoint","root":"%b","signature":"%b","size":%d}' % (
        checkpoint.size,
        b64encode(checkpoint.root),
        b64encode(checkpoint.signature),
        checkpoint.size,
    )


def checkpoint_note(origin: str, key_name: str, checkpoint: Checkpoint) -> bytes:
    """The same checkpoint as a C2SP signed note."""
    signature = b64encode(checkpoint.signature)
    body = checkpoint_body(origin, checkpoint.size, checkpoint.root)
    return body + b"\n\xe2\x80\x94 %b %b\n" % (key_name.encode(), signature)


def open_line(
    tree: Tree, origin: str, vkey: str, opened: Mapping[str, object], time: str, *, durability: str = "group"
) -> bytes:
    """First line of a segment; `previous` is the tree of all lines before it, so a segment can be read alone."""
    previous = {
        "frontier": [b64encode(node).decode() for node in tree.frontier],
        "root": b64encode(tree.root()).decode(),
        "size": tree.size,
    }
    fields = {
        "durability": durability,
        "opened": dict(opened),
        "origin": origin,
        "previous": previous,
        "vkey": vkey,
    }
    return note_line(tree.size, Note(Kind.OPEN, fields), time)


def note_line(index: int, note: Note, time: str) -> bytes:
    return encode({"index": index, "kind": note.kind, "time": time, "version": FORMAT_VERSION, **note.fields})


def recover_note(cut: Cut) -> Note:
    fields = {"length": cut.length, "offset": cut.offset, "segment": cut.segment, "sha256": cut.sha256}
    return Note(Kind.RECOVER, fields)


def close_note(records: int) -> Note:
    """Last record of an orderly end; `records` counts what this run acknowledged."""
    return Note(Kind.CLOSE, {"records": records})


def rotate_note(vkey: str) -> Note:
    """The key that signs from the next group on; the group of this record is the last one of the old key."""
    return Note(Kind.ROTATE, {"vkey": vkey})


def clock_note(was: str) -> Note:
    """The wall clock was set; `was` is what it would show now if it had only gone on."""
    return Note(Kind.CLOCK, {"was": was})


def disk_note(free: int, state: str) -> Note:
    """`state` is `low`, `full` or `ok`, `free` the bytes that are free for the ledger."""
    return Note(Kind.DISK, {"free": free, "state": state})
