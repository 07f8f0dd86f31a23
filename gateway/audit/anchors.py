"""What anchors have in common: settings, what they are given to keep, and how they fail.

An anchor keeps the newest head of the anchor log, and with it the heads of all logs, where whoever
writes to this directory cannot take it back. Missing one is no loss: the next covers all before it.
"""

from typing import Protocol

import msgspec

from gateway.audit.comparison import Pin
from gateway.audit.consistency import Leaves
from gateway.audit.heads import LogHead, SignedHead, read_note
from gateway.crypto.sign import VerifyKey
from gateway.model.errors import GatewayError


class StdoutAnchor(msgspec.Struct, frozen=True, tag="stdout"):
    """One line on standard output for each head: whoever collects the output keeps it."""


class FileAnchor(msgspec.Struct, frozen=True, tag="file"):
    path: str


class S3Anchor(msgspec.Struct, frozen=True, tag="s3"):
    """Objects that nobody can delete for `retain_days`. Credentials come from the environment."""

    bucket: str
    prefix: str
    retain_days: int
    endpoint: str | None = None
    region: str | None = None


class WitnessAnchor(msgspec.Struct, frozen=True, tag="witness"):
    """`url` is the submission prefix; `vkey` has signature type 0x04."""

    url: str
    vkey: str


class StampAnchor(msgspec.Struct, frozen=True, tag="rfc3161"):
    """`ca` is a PEM file of the roots to trust; without it the system's are."""

    url: str
    ca: str | None = None
    every_seconds: int = 3600


AnchorSettings = StdoutAnchor | FileAnchor | S3Anchor | WitnessAnchor | StampAnchor


class AnchorFailed(GatewayError):  # noqa: N818 - a state of the anchor, not an error of the program
    """The anchor did not keep the head; the next one will be offered in its time."""


class AnchorRefused(AnchorFailed):
    """The anchor cannot do what its settings promise; the text says what to do."""


class AnchorContradicts(AnchorFailed):
    """The anchor knows another history than the one on this disk."""


class Statement(msgspec.Struct, frozen=True):
    """The newest head of the anchor log, and the heads of all logs that it covers.

    `leaves` are those of the anchor log where an anchor needs proofs, else there are none.
    """

    time: str
    signed: SignedHead
    heads: tuple[LogHead, ...]
    leaves: Leaves

    def line(self) -> bytes:
        """One line of JSON, as standard output, file and S3 keep it (FORMAT.md)."""
        kept = {"heads": self.heads, "note": self.signed.note, "time": self.time}
        return msgspec.json.encode(kept, order="sorted") + b"\n"


class Anchor(Protocol):
    """One place outside. `name` is shown to operators and holds no secret."""

    @property
    def name(self) -> str: ...

    async def recall(self, present: Statement, keys: list[VerifyKey]) -> list[Pin]:
        """The heads that it kept last; `present` is what the disk says now, `keys` are the anchor log's.

        Raises:
            AnchorFailed: it does not answer; or, as its kinds, is of no use, or knows another history.
        """
        ...

    async def keep(self, statement: Statement) -> None:
        """Return once it is kept. Raises AnchorFailed, AnchorContradicts."""
        ...


class _Kept(msgspec.Struct):
    heads: tuple[LogHead, ...]
    note: str
    time: str


def pins_of(line: bytes, source: str, keys: list[VerifyKey]) -> list[Pin] | None:
    """The heads that a kept line speaks of, the anchor log's among them; None where it is no such line.

    Raises:
        AnchorRefused: it is one, but none of the anchor log's keys signed it.
    """
    try:
        kept = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    signed = read_note(kept.note, keys)
    if signed is None:
        why = "holds heads that this gateway's anchor log did not sign: another gateway's, or its key was replaced"
        raise AnchorRefused(f"{source} {why}; give each gateway a place of its own")
    return [Pin(source, head) for head in (signed.head, *kept.heads)]


_decoder = msgspec.json.Decoder(_Kept)
