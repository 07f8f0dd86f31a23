"""Lines of the routine kinds, a block at a time: the quick way to what `verify_line.read_line` says of each.

Of most lines a verifier needs to know only that they are good, and their index, kind and time. A block is good
if encoding what was decoded gives the very same bytes: then no key is there twice or out of order, and there is
no other spelling. The list under `fields` is most of a record and follows from the rules, so the same ones come
again and again: it is not decoded if the very same bytes were proven before.

Whatever is not proven here is not bad: it is left to `read_line`, which judges it.
"""

import re
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from gateway.audit.verify_line import CHECKPOINT, LONGEST, TIME, Integer, Scalar

Kind = Literal[
    "checkpoint",
    "close",
    "collect",
    "consent",
    "count",
    "disclose",
    "key",
    "outcome",
    "policy",
    "refuse",
    "reveal",
    "seal",
]
"""Kinds that are read here: all but those that a verifier looks into (`verify_record.NOTABLE`)."""

MOST_KEPT = 4096
LONGEST_KEPT = 2048
"""Values of `fields` that are remembered, and bytes of one: 8 MiB at most."""

_Value = Scalar | UnsetType


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The keys of traffic, of consent and of a checkpoint, in the order in which they are written: by their bytes."""

    assurance: _Value = UNSET
    at: _Value = UNSET
    by: _Value = UNSET
    caller: _Value = UNSET
    consent: Scalar | list[str] | UnsetType = UNSET
    counts: dict[str, Integer] | UnsetType | None = UNSET
    direction: _Value = UNSET
    event: _Value = UNSET
    fields: msgspec.Raw | UnsetType = UNSET
    index: Integer | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    method: _Value = UNSET
    mode: _Value = UNSET
    notice: _Value = UNSET
    notice_digest: _Value = UNSET
    notice_version: _Value = UNSET
    policy: _Value = UNSET
    purpose: _Value = UNSET
    reason: _Value = UNSET
    recipient: _Value = UNSET
    records: _Value = UNSET
    request: _Value = UNSET
    root: _Value = UNSET
    route: _Value = UNSET
    salt: _Value = UNSET
    signature: _Value = UNSET
    size: _Value = UNSET
    status: _Value = UNSET
    subject: _Value = UNSET
    time: str | UnsetType = UNSET
    valid_until: _Value = UNSET
    version: Literal[1] | UnsetType = UNSET


_lines = msgspec.json.Decoder(_Line)
_fields = msgspec.json.Decoder(list[dict[str, Scalar]] | None)
_canonical = msgspec.json.Encoder()
_TIMES = re.compile(f"(?:{TIME.pattern}\n)*", re.ASCII)


class PlainLines:
    """Reads blocks of one segment."""

    def __init__(self) -> None:
        self._proven: set[bytes] = set()

    def read(self, block: bytes, lines: list[bytes], index: int) -> tuple[list[str], list[str]] | None:
        """Kinds and times of a block's lines (a checkpoint's time is empty); None where not all are proven good.

        `block` holds `lines` with their newlines, `index` is what the first must be. What is given has
        passed every check of `read_line`, and each index is its place.
        """
        try:
            records = _lines.decode_lines(block)
            if _canonical.encode_lines(records) != block:
                return None
            fields = [bytes(record.fields) for record in records if record.fields is not UNSET]
            if not self._proven.issuperset(fields) and not all(map(self._prove, fields)):
                return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if len(block) > LONGEST and max(map(len, lines)) > LONGEST:
            return None
        if [record.index for record in records] != list(range(index, index + len(lines))):
            return None
        kinds: list[Any] = [record.kind for record in records]
        times = [record.time or "" for record in records]
        versions = [record.version for record in records]
        return (kinds, times) if _whole(lines, kinds, times, versions.count(1)) else None

    def _prove(self, fields: bytes) -> bool:
        """Whether a value of `fields` is spelled as it must be. Raises MsgspecError where it is none."""
        if fields in self._proven:
            return True
        if _canonical.encode(_fields.decode(fields)) != fields:
            return False
        if len(fields) <= LONGEST_KEPT:
            if len(self._proven) >= MOST_KEPT:
                self._proven.clear()
            self._proven.add(fields)
        return True


def _whole(lines: list[bytes], kinds: list[Any], times: list[str], versions: int) -> bool:
    """Whether checkpoints have their exact form, and all other lines a kind, a version and a time."""
    at, checkpoints = -1, kinds.count("checkpoint")
    for _ in range(checkpoints):
        at = kinds.index("checkpoint", at + 1)
        if CHECKPOINT.fullmatch(lines[at]) is None:
            return False
    others = len(lines) - checkpoints
    if UNSET in kinds or versions != others:
        return False
    # A checkpoint of that form has neither time nor version, so each of the others has both. As many
    # newlines as were put in, so that none is inside a time.
    text = "\n".join([*filter(None, times), ""])
    return text.count("\n") == others and _TIMES.fullmatch(text) is not None
