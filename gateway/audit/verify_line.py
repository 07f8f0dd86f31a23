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
CHECKPOINT = re.compile(
    rb'\{"index":(\d{1,16}),"kind":"checkpoint","root":"([A-Za-z0-9+/=]*)","signature":"([A-Za-z0-9+/=]*)","size":\1\}'
)
"""A checkpoint line: its index, root and signature."""

Integer = Annotated[int, msgspec.Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
Scalar = Integer | str | bool | None
_common = msgspec.json.Decoder(dict[str, Scalar | list[dict[str, Scalar]] | dict[str, Scalar | list[str]]])
_canonical = msgspec.json.Encoder()


class BadLine(ValueError):  # noqa: N818 - a state of the input, not an error of the program
    """The line breaks the format. The text says how and quotes nothing of it."""


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
