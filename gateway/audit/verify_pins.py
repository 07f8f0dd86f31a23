"""Earlier heads and receipts that were kept outside, in the forms in which they are handed out.

`read_since` takes any of these files; which one it is shows in its first bytes:

* signed notes, one after the other;
* receipts, one to a line: `<origin>:<index>:<leaf hash in base64>`, as the header Disclosure-Receipt has it;
* a C2SP tlog-proof: its checkpoint is a head, and its record, if it has one, a receipt;
* a file anchor: JSON Lines with the `note` of the log of heads and the `heads` of all others.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.audit.proof import HEADER, Proof
from gateway.audit.verify_line import LARGEST_INTEGER, unique_keys
from gateway.audit.verify_memory import Hashes, Memory
from gateway.audit.verify_note import Head, Malformed, VerifierKey, read_note, read_notes, strict_base64
from gateway.audit.verify_record import read_head
from gateway.audit.verify_report import Broken, Finding, Verdict

_RECEIPT = re.compile(
    r"(?:Disclosure-Receipt:[ \t]*)?([^\s:][^\n]*):(0|[1-9]\d{0,15}):([A-Za-z0-9+/]{43}=)", re.IGNORECASE
)


class Receipt(msgspec.Struct, frozen=True):
    """What a caller was given: the leaf hash of the record of its exchange, and where it stands."""

    origin: str
    index: int
    leaf: bytes


def read_receipt(text: str) -> Receipt:
    """One receipt, with or without the header's name. Raises Malformed."""
    match = _RECEIPT.fullmatch(text.strip())
    if match is None or int(match[2]) > LARGEST_INTEGER:
        raise Malformed("not a receipt of the form origin:index:leaf hash")
    return Receipt(match[1], int(match[2]), strict_base64(match[3]))


class Pins:
    """All that is remembered, by log."""

    def __init__(self, heads: Iterable[Head] = (), receipts: Iterable[Receipt] = ()) -> None:
        self._signed: dict[str, list[Head]] = {}
        self._memories: dict[str, Memory] = {}
        self._contradictions: dict[str, int] = {}
        self.add(heads, receipts)

    def add(self, heads: Iterable[Head] = (), receipts: Iterable[Receipt] = ()) -> None:
        """Remember more. Two that differ are kept in mind: they are a fork, whatever the log says."""
        for head in heads:
            if head.signatures:
                self._signed.setdefault(head.origin, []).append(head)
            self._keep(self._memory(head.origin).roots, head.origin, head.size, head.root)
        for receipt in receipts:
            self._keep(self._memory(receipt.origin).leaves, receipt.origin, receipt.index, receipt.leaf)

    def _memory(self, origin: str) -> Memory:
        return self._memories.setdefault(origin, Memory.empty("pinned", "receipt"))

    def _keep(self, hashes: Hashes, origin: str, number: int, value: bytes) -> None:
        if not hashes.add(number, value):
            self._contradictions.setdefault(origin, number)

    def __len__(self) -> int:
        return sum(len(memory.roots) + len(memory.leaves) for memory in self._memories.values())

    def origins(self) -> set[str]:
        return set(self._memories)

    def of(self, origin: str, keys: Iterable[VerifierKey]) -> Memory:
        """What is remembered of one log.

        Raises:
            Broken: a head carries one of these keys' names and ids and a bad signature, so it is no
                memory at all; or two heads of one size, or receipts of one index, differ.
        """
        by_id = {(key.name, key.key_id): key for key in keys}
        for head in self._signed.get(origin, ()):
            for name, signature in head.signatures:
                key = by_id.get((name, signature[:4]))
                if key is not None and not key.accepts(head.body(), signature):
                    raise Broken(Finding(Verdict.CANNOT, "a pinned head carries a bad signature of the log's key"))
        if origin in self._contradictions:
            number = self._contradictions[origin]
            raise Broken(Finding(Verdict.FORK, "two pinned heads or receipts differ", "", -1, number))
        return self._memories.get(origin) or Memory.empty("pinned", "receipt")


def read_since(text: str, pins: Pins) -> None:
    """Add what a file of earlier heads holds to `pins`.

    Raises:
        Malformed: it is none of the forms above, or holds nothing.
    """
    if not text.strip():
        raise Malformed("it holds no earlier head")
    if text.startswith(HEADER):
        proof = Proof.parse(text)
        leaf = proof.leaf()
        if leaf is not None and not proof.proves(leaf):
            raise Malformed("the proof does not prove its own record")
        pins.add([proof.head], [Receipt(proof.head.origin, proof.index, leaf)] if leaf is not None else ())
    elif text.startswith("{"):
        _read_anchors(text, pins)
    elif _RECEIPT.fullmatch(text.split("\n", 1)[0].strip()):
        pins.add((), [read_receipt(line) for line in text.split("\n") if line.strip()])
    else:
        pins.add(read_notes(text))


def _read_anchors(text: str, pins: Pins) -> None:
    """Lines of a file anchor. One that is no whole JSON was being written when the host died: it is passed over."""
    good = 0
    for number, line in enumerate(text.split("\n"), 1):
        try:
            entry: Any = json.loads(line, object_pairs_hook=unique_keys)
        except json.JSONDecodeError:
            continue
        except (ValueError, RecursionError):
            raise Malformed(f"line {number} is not an anchored head") from None
        try:
            pins.add(_anchored(entry))
        except Malformed:
            raise Malformed(f"line {number} is not an anchored head") from None
        good += 1
    if not good:
        raise Malformed("it holds no whole line")


def _anchored(entry: Any) -> list[Head]:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("heads"), list)
        or not isinstance(entry.get("note"), str)
    ):
        raise Malformed("not an object with a note and heads")
    return [read_note(entry["note"]), *(Head(*read_head(each)) for each in entry["heads"])]
