"""One line of a log, read so that two readers cannot understand it differently (FORMAT.md, section 2)."""

import json
import re
from typing import Annotated, Any, NoReturn

import msgspec

LONGEST = 60 * 1024
LARGEST_INTEGER = 2**53 - 1
DEEPEST = 8
TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)\.\d{6}Z", re.ASCII)
KINDS = frozenset(
    {
        "checkpoint",
        "clock",
        "close",
        "collect",
        "consent",
        "count",
        "disclose",
        "disk",
        "erase",
        "heads",
        "key",
        "open",
        "outcome",
        "policy",
        "prune",
        "recover",
        "refuse",
        "reveal",
        "rotate",
        "seal",
    }
)
_CHECKPOINT_KEYS = frozenset({"index", "kind", "root", "signature", "size"})
_INTEGERS = frozenset({int})

Integer = Annotated[int, msgspec.Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
Scalar = Integer | str | bool | None
_common = msgspec.json.Decoder(dict[str, Scalar | list[dict[str, Scalar]] | dict[str, Scalar | list[str]]])
_canonical = msgspec.json.Encoder()
_TIMES = re.compile(f"(?:{TIME.pattern}\n)*", re.ASCII)


class BadLine(ValueError):  # noqa: N818 - a state of the input, not an error of the program
    """The line breaks the format. The text says how and quotes nothing of it."""


def read_good_lines(block: bytes, lines: list[bytes], index: int) -> list[dict[str, Any]] | None:
    """Decode whole lines all at once; None where `read_line` has to look at each one.

    `block` holds `lines` with their newlines, `index` is what the first must be. What is returned has
    passed every check of `read_line`, and each index is its place. The work is done by a few calls for
    the whole block, which is several times as fast as line by line.
    """
    try:
        records: list[dict[str, Any]] = _common.decode_lines(block)
        if len(records) != len(lines) or max(map(len, lines)) > LONGEST or _canonical.encode_lines(records) != block:
            return None
        indexes = [record["index"] for record in records]
        if indexes != list(range(index, index + len(lines))) or set(map(type, indexes)) != _INTEGERS:
            return None
        kinds = [record["kind"] for record in records]
        if not KINDS.issuperset(kinds):
            return None
        others, at = records, -1
        for _ in range(kinds.count("checkpoint")):
            at = kinds.index("checkpoint", at + 1)
            if records[at].keys() != _CHECKPOINT_KEYS:
                return None
        if at >= 0:
            others = [record for record, kind in zip(records, kinds, strict=True) if kind != "checkpoint"]
        versions = [record["version"] for record in others]
        if versions.count(1) != len(versions) or not _INTEGERS.issuperset(map(type, versions)):
            return None
        # As many newlines as were put in, so that none is inside a time.
        times = "".join([record["time"] + "\n" for record in others])
        if times.count("\n") != len(others) or not _TIMES.fullmatch(times):
            return None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return None
    return records


def read_line(raw: bytes) -> dict[str, Any]:
    """Decode one stored line (without its newline).

    Raises:
        BadLine: too long, not UTF-8, not one JSON object, a key twice, a float, an integer over
            2**53 - 1, an unknown kind, a missing or malformed time.
    """
    if len(raw) > LONGEST:
        raise BadLine("a line is longer than 60 KiB")
    record = _decode(raw)
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadLine("a line of unknown kind")
    if type(record.get("index")) is not int:
        raise BadLine("a line without an index")
    if kind == "checkpoint":
        if record.keys() != _CHECKPOINT_KEYS:
            raise BadLine("a checkpoint with other keys")
        return record
    time = record.get("time")
    if not isinstance(time, str) or not TIME.fullmatch(time):
        raise BadLine("a line without a time in UTC with microseconds")
    if record.get("version") != 1 or record["version"] is True:
        raise BadLine("a line that is not of format version 1")
    return record


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        record: dict[str, Any] = _common.decode(raw)
        # Equal bytes prove that no key is there twice, and no spaces and no other spelling.
        if _canonical.encode(record) == raw:
            return record
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_strictly(raw)
    return _decode_strictly(raw)


def _decode_strictly(raw: bytes) -> dict[str, Any]:
    """The slow way for lines in another spelling: correct, but not what our writer writes."""
    if raw.startswith(b"\xef\xbb\xbf") or b"\r" in raw:
        raise BadLine("a line with a byte order mark or carriage return")
    try:
        record = json.loads(
            raw.decode(), object_pairs_hook=unique_keys, parse_float=_no_float, parse_constant=_no_float
        )
    except UnicodeDecodeError:
        raise BadLine("a line that is not UTF-8") from None
    except RecursionError:
        raise BadLine("a line that is nested too deeply") from None
    except json.JSONDecodeError:
        raise BadLine("a line that is not JSON") from None
    if not isinstance(record, dict):
        raise BadLine("a line that is not a JSON object")
    _check_integers(record, 0)
    return record


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads`: an object, unless a key is there twice. Raises BadLine."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadLine("a line with a key twice")
    return members


def _no_float(_: str) -> NoReturn:
    raise BadLine("a line with a number that is not an integer")


def _check_integers(value: object, depth: int) -> None:
    if depth > DEEPEST:
        raise BadLine("a line that is nested too deeply")
    if isinstance(value, dict):
        for member in value.values():
            _check_integers(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check_integers(member, depth + 1)
    elif isinstance(value, int) and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        raise BadLine("a line with an integer over 2**53 - 1")
