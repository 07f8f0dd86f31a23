"""Records that say something about a log or the system: what must stand in them (FORMAT.md, section 3)."""

import re
from typing import Any

from gateway.audit.verify_line import TIME
from gateway.audit.verify_note import Malformed, strict_base64, verifier_key

_HEX = re.compile(r"[0-9a-f]{64}")
_DISK = ("full", "low", "ok")
NOTABLE = frozenset({"clock", "disk", "erase", "heads", "open", "prune", "recover", "rotate"})
"""Kinds that a verifier has to look into; a group with none of them needs no second look."""


def shape_fault(record: dict[str, Any]) -> str:
    """What a record of these kinds lacks; empty where nothing is. `open` is judged where the tree is known."""
    judge = _JUDGES.get(record["kind"])
    return "" if judge is None or judge(record) else f"a record of kind {record['kind']} that does not say what it must"


def read_head(entry: object) -> tuple[str, int, bytes]:
    """(origin, size, root) of one entry of a list of heads. Raises Malformed."""
    if not isinstance(entry, dict):
        raise Malformed("a head that is not an object")
    origin, size, root = entry.get("origin"), entry.get("size"), entry.get("root")
    if not isinstance(origin, str) or not origin or "\n" in origin:
        raise Malformed("a head without an origin")
    if not isinstance(size, int) or not _count(size) or not isinstance(root, str):
        raise Malformed("a head without a size and a root")
    value = strict_base64(root)
    if len(value) != 32:
        raise Malformed("a head whose root is not a SHA-256")
    return origin, size, value


def _count(value: object) -> bool:
    return type(value) is int and value >= 0


def _clock(record: dict[str, Any]) -> bool:
    return isinstance(record.get("was"), str) and TIME.fullmatch(record["was"]) is not None


def _disk(record: dict[str, Any]) -> bool:
    return _count(record.get("free")) and record.get("state") in _DISK


def _erase(record: dict[str, Any]) -> bool:
    return isinstance(record.get("key"), str) and _HEX.fullmatch(record["key"]) is not None


def _heads(record: dict[str, Any]) -> bool:
    try:
        return isinstance(record.get("heads"), list) and all(read_head(each) for each in record["heads"])
    except Malformed:
        return False


def _prune(record: dict[str, Any]) -> bool:
    texts = ("origin", "segment", "root", "leaves")
    return (
        all(isinstance(record.get(name), str) for name in texts)
        and _HEX.fullmatch(record["leaves"]) is not None
        and _count(record.get("first"))
        and _count(record.get("size"))
    )


def _rotate(record: dict[str, Any]) -> bool:
    try:
        return isinstance(record.get("vkey"), str) and bool(verifier_key(record["vkey"]).name)
    except Malformed:
        return False


_JUDGES = {"clock": _clock, "disk": _disk, "erase": _erase, "heads": _heads, "prune": _prune, "rotate": _rotate}
