"""What the index keeps of one line of the log: whom it names, when, what it says, and where it stands.

Most records say the same as many others: one route, one recipient, the same fields for the same
purposes. What they say is therefore kept once, as a *form*, and a record refers to it by a number.
Subjects and request ids are kept as 64 bits of their hash: enough to find them, and whatever is found
is compared with the record itself.
"""

from calendar import timegm
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import Any, TypeAlias

import msgspec

from gateway.audit.reading import CHECKPOINT, unreadable
from gateway.audit.search import caller_group

LEAF_BYTES = 16
"""So much of the leaf hash tells a line from every other one."""
INDEX_BITS = 40
"""A row's id is its slot's number, then so many bits of its leaf."""
MEMO = 50_000
"""Raw forms that are remembered; the same form is written in as many ways as its counts differ."""

Row: TypeAlias = tuple[int, int, int | None, int | None, int, int, int, int, bytes]
"""id, time, subject, request, form, segment, offset, length, leaf: the columns of table `record`."""


class _Line(msgspec.Struct):
    """The keys that the index looks at."""

    index: int
    kind: str
    time: str
    subject: str | None = None
    request: str | None = None
    recipient: str | None = None
    route: str | None = None
    direction: str | None = None
    reason: str | None = None
    purpose: str | None = None
    caller: str | None = None
    fields: msgspec.Raw = msgspec.Raw(b"null")


class _Field(msgspec.Struct, frozen=True, order=True, omit_defaults=True, rename={"data_class": "class"}):
    data_class: str = ""
    purpose: str = ""
    reason: str = ""


class Forms:
    """Numbers of what records say. `number` is asked for the number of a form that was not met before."""

    def __init__(self, number: Callable[[bytes], int]) -> None:
        self._number = number
        self._memo: dict[tuple[object, ...], int] = {}

    def of(self, line: _Line) -> int:
        caller = line.caller if line.caller is None else caller_group(line.caller)
        words = (line.kind, line.route, line.recipient, line.direction, line.reason, caller)
        key = (*words, line.purpose, bytes(line.fields))
        found = self._memo.get(key)
        if found is None:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            found = self._memo[key] = self._number(_form(line, words))
        return found


class LineReader:
    """Makes rows of the lines of one slot, and keeps what the next line is likely to share with the last."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        self._second = ""
        self._micros = 0

    def rows(self, data: bytes, slot: int, segment: int, offset: int, index: int) -> tuple[list[Row], int]:
        """Rows of whole lines whose first is leaf `index` at `offset`, and the leaf that follows them.

        Raises:
            StoreDown: AUDIT_UNAVAILABLE; a line is no record or is not in its place.
        """
        rows: list[Row] = []
        base = slot << INDEX_BITS
        for raw in data.split(b"\n")[:-1]:
            length = len(raw)
            if CHECKPOINT not in raw:
                line = _decode(raw)
                if line.index != index:
                    raise unreadable("a line of the log is not in its place")
                subject = None if line.subject is None else word_hash(line.subject)
                request = None if line.request is None else word_hash(line.request)
                leaf = sha256(b"\x00" + raw).digest()[:LEAF_BYTES]
                time = self._time(line.time)
                rows.append((base | index, time, subject, request, self._forms.of(line), segment, offset, length, leaf))
            index += 1
            offset += length + 1
        return rows, index

    def _time(self, text: str) -> int:
        second = text[:19]
        if second != self._second:
            self._micros = micros(second + ".000000Z")
            self._second = second
        try:
            return self._micros + int(text[20:26])
        except ValueError:
            raise unreadable("a time of the log cannot be read") from None


def micros(text: str) -> int:
    """Microseconds from 1970 to a time as records write it.

    Raises:
        StoreDown: AUDIT_UNAVAILABLE; it is not written so.
    """
    try:
        parts = (text[:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19])
        return timegm(tuple(int(part) for part in parts)) * 1_000_000 + int(text[20:26])
    except ValueError:
        raise unreadable("a time of the log cannot be read") from None


def word_hash(word: str) -> int:
    """64 bits that stand for a word, as SQLite keeps integers."""
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big", signed=True)


def _decode(raw: bytes) -> _Line:
    try:
        return _lines.decode(raw)
    except msgspec.ValidationError:
        return _lenient(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise unreadable() from None


def _lenient(raw: bytes) -> _Line:
    """A record whose kind gives a key another type: what is no text cannot be asked for."""
    try:
        record = msgspec.json.decode(raw, type=dict[str, Any])
        words = {key: value for key, value in record.items() if key in _WORDS and isinstance(value, str)}
        fields = msgspec.Raw(msgspec.json.encode(record.get("fields")))
        return _Line(record["index"], record["kind"], record["time"], fields=fields, **words)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        raise unreadable() from None


def _form(line: _Line, words: tuple[str | None, ...]) -> bytes:
    """The form as JSON: keys as in a record, each different field once; a purpose without fields as one."""
    try:
        fields = msgspec.json.decode(line.fields, type=list[dict[str, Any]] | None) or []
    except msgspec.ValidationError:
        raise unreadable() from None
    own = [{"purpose": line.purpose}] if line.purpose else []
    seen = {_Field(*(_text(field.get(key)) for key in ("class", "purpose", "reason"))) for field in fields or own}
    said = {key: value for key, value in zip(_SAID, words, strict=True) if value is not None}
    return msgspec.json.encode(said | {"fields": sorted(seen)}, order="sorted")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


_SAID = ("kind", "route", "recipient", "direction", "reason", "caller")
_WORDS = ("caller", "subject", "request", "recipient", "route", "direction", "reason", "purpose")
_lines = msgspec.json.Decoder(_Line)
