"""Heads: the newest durable checkpoint of a log, read from its files while its writer goes on.

Nothing is locked and nobody is asked. What counts is a whole checkpoint line with a good signature of
a key in the slot's `log.vkey`. The file is synced before such a line is believed: a head that is kept
elsewhere must not be lost by a power cut here, or the log would look rolled back afterwards.
"""

import contextlib
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.audit.lines import Checkpoint, checkpoint_body, checkpoint_note, encode
from gateway.audit.reading import newest_first
from gateway.audit.recovery import KEY_FILE
from gateway.audit.segment import SEALED, SEGMENT_NAME
from gateway.crypto.sign import VerifyKey, parse_vkey
from gateway.model.errors import StoreDown
from gateway.model.words import Kind, Posture

ANCHOR_SLOT = "anchor"
HEADS_IN_A_RECORD = 200
"""A line has 60 KiB and a head at most 300 bytes."""

_BLOCK = 64 * 1024
_BASE64 = rb"[A-Za-z0-9+/]+={0,2}"
_CHECKPOINT = re.compile(
    rb'^\{"index":(\d{1,16}),"kind":"checkpoint","root":"(%b)","signature":"(%b)","size":\1\}\n' % (_BASE64, _BASE64),
    re.MULTILINE,
)
_NOTE = re.compile(r"seg-(\d{12,})\.note")
_HEADS = b'"kind":"heads"'


class LogHead(msgspec.Struct, frozen=True):
    """The tree of a log at one size; `root` is base64."""

    origin: str
    root: str
    size: int


class SignedHead(msgspec.Struct, frozen=True):
    """A head with the signed note that states it (C2SP tlog-checkpoint)."""

    head: LogHead
    note: str


def slots_with_keys(audit: Path) -> dict[str, Path]:
    """Slot directories of all logs by origin, the anchor log's too.

    Raises:
        OSError: the directory cannot be listed.
    """
    found: dict[str, Path] = {}
    for path in sorted(audit.iterdir()) if audit.is_dir() else ():
        keys = keys_of(path)
        if keys:
            found[keys[-1].name] = path
    return found


def keys_of(slot: Path) -> list[VerifyKey]:
    """The verifier keys in the slot's `log.vkey`, oldest first; empty where there is none that can be read."""
    try:
        return [parse_vkey(line) for line in (slot / KEY_FILE).read_text("ascii").split()]
    except (OSError, ValueError):
        return []


def all_heads(audit: Path) -> list[LogHead]:
    """The newest durable head of every log but the anchor log, sorted by origin.

    Raises:
        OSError: the directory cannot be listed.
    """
    slots = [path for path in slots_with_keys(audit).values() if path.name != ANCHOR_SLOT]
    heads = [found.head for slot in slots if (found := newest_head(slot)) is not None]
    return sorted(heads, key=lambda head: head.origin)


def newest_head(slot: Path) -> SignedHead | None:
    """The slot's newest durable checkpoint; None where no whole, well signed one can be read."""
    keys = keys_of(slot)
    for first in sorted(first_leaves(slot), reverse=True) if keys else ():
        for read in (_of_open_segment, _of_note):  # an open one may have been sealed a moment ago
            with contextlib.suppress(OSError, UnicodeDecodeError):
                found = read(slot, first, keys)
                if found is not None:
                    return found
    return None


def first_leaves(slot: Path) -> set[int]:
    """The first leaf of each segment that is open, or has a note. Raises OSError."""
    return set(_numbers(slot, SEGMENT_NAME)) | set(_numbers(slot / SEALED, _NOTE))


def _numbers(directory: Path, pattern: re.Pattern[str]) -> Iterator[int]:
    for path in directory.iterdir() if directory.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match:
            yield int(match[1])


def _of_open_segment(slot: Path, first: int, keys: list[VerifyKey]) -> SignedHead | None:
    """Raises OSError also where the device does not take what the file holds: then it is not durable."""
    with (slot / f"seg-{first:012d}.jsonl").open("rb") as file:
        found = _last_checkpoint(file.fileno(), keys)
        if found is not None:
            os.fdatasync(file.fileno())
        return found


def _last_checkpoint(fd: int, keys: list[VerifyKey]) -> SignedHead | None:
    """Read backwards, past zeros that were put ahead, until there is a checkpoint that counts."""
    start, data = os.fstat(fd).st_size, b""
    while start:
        end, start = start, max(0, start - _BLOCK)
        data = os.pread(fd, end - start, start) + data
        data = data.rstrip(b"\0")
        for match in reversed(list(_CHECKPOINT.finditer(data))):
            found = _signed(keys, int(match[1]), match[2], match[3])
            if found is not None:
                return found
    return None


def _of_note(slot: Path, first: int, keys: list[VerifyKey]) -> SignedHead | None:
    text = (slot / SEALED / f"seg-{first:012d}.note").read_text("utf-8")
    return read_note(text, keys)


def read_note(text: str, keys: list[VerifyKey]) -> SignedHead | None:
    """The head that a signed note states, if one of these keys signed it; further signatures are left out."""
    body, _, signatures = text.partition("\n\n")
    fields = body.split("\n")
    if len(fields) != 3 or not re.fullmatch(r"\d{1,16}", fields[1]) or fields[0] not in {key.name for key in keys}:
        return None
    for line in signatures.split("\n"):
        parts = line.split(" ")
        if len(parts) == 3 and parts[:2] == ["\u2014", fields[0]]:
            found = _signed(keys, int(fields[1]), fields[2].encode(), parts[2].encode())
            if found is not None:
                return found
    return None


def _signed(keys: list[VerifyKey], size: int, root: bytes, signature: bytes) -> SignedHead | None:
    try:
        checkpoint = Checkpoint(size, b64decode(root, validate=True), b64decode(signature, validate=True))
    except ValueError:
        return None
    if len(checkpoint.root) != 32:
        return None
    for key in keys:
        if key.verify(checkpoint_body(key.name, size, checkpoint.root), checkpoint.signature):
            head = LogHead(key.name, b64encode(checkpoint.root).decode(), size)
            return SignedHead(head, checkpoint_note(key.name, key.name, checkpoint).decode())
    return None


def heads_entries(heads: list[LogHead], time: str) -> list[tuple[bytes, bytes]]:
    """The `heads` record as `Ledger.commit` takes it; several where one line cannot hold all heads."""
    after = encode({"kind": Kind.HEADS, "time": time, "version": 1})[1:]
    parts = [heads[start : start + HEADS_IN_A_RECORD] for start in range(0, len(heads), HEADS_IN_A_RECORD)] or [[]]
    return [(b'{"heads":%b,' % msgspec.json.encode(part, order="sorted"), after) for part in parts]


def remembered_heads(anchor: Path) -> list[LogHead]:
    """The heads in the newest `heads` record of an anchor log (records, where several share them).

    Raises:
        StoreDown: a record cannot be read; `verify` says why.
    """
    found: dict[str, LogHead] = {}
    written = any(SEGMENT_NAME.fullmatch(path.name) for path in anchor.glob("**/seg-*.jsonl"))
    for entry in newest_first([anchor], lambda line: _HEADS in line) if written else ():
        if entry.record.get("kind") != Kind.HEADS:
            continue
        try:
            heads = msgspec.convert(entry.record.get("heads"), list[LogHead])
        except msgspec.ValidationError:
            why = "a record of heads cannot be read: run `privacy-gateway audit verify`"
            raise StoreDown(Posture.AUDIT_UNAVAILABLE, why) from None
        if any(head.origin in found for head in heads):
            break
        found.update({head.origin: head for head in heads})
    return list(found.values())
