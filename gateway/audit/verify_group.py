"""Groups of one segment: lines up to and with one checkpoint, whose root and signature are checked.

A checkpoint line is a leaf like all others. So a good signature over a later tree covers it together with its
own signature, and it is enough to check the last one of each key in a segment (FORMAT.md, section 7).
"""

from base64 import b64encode
from typing import Any

import msgspec

from gateway.audit.verify_block import BlockStream
from gateway.audit.verify_line import CHECKPOINT
from gateway.audit.verify_note import Head, Malformed, strict_base64, verifier_key
from gateway.audit.verify_record import NOTABLE, shape_fault
from gateway.audit.verify_report import Broken, Finding, Verdict
from gateway.audit.verify_tree import Counter

LARGEST_GROUP = 64 * 1024 * 1024
BAD_SIGNATURE = "a checkpoint's signature is not good"


class Group(msgspec.Struct):
    """Lines up to and with one good checkpoint; `before` and `after` are the tree around them.

    `signer` is the key of the checkpoint, `key` the one in force after it. `notable` are the records of
    the kinds that a verifier looks into.
    """

    before: Counter
    after: Counter
    signer: str
    key: str
    head: Head | None = None
    length: int = 0
    leaves: list[bytes] = []
    kinds: list[str] = []
    notable: list[dict[str, Any]] = []
    first_time: str = ""
    last_time: str = ""
    opens: bool = False


class GroupReader:
    """Where one segment is being read: `tree` and `key` are what holds before the next group.

    `known` are keys that may come into force without a `rotate` record that can be read: the first one
    of a log, and those after a pruned segment (`hidden`). Unless `every` signature is checked, whoever
    reads has to call `vouch` in the end.
    """

    def __init__(
        self, stream: BlockStream, segment: str, origin: str, tree: Counter, key: str, *, every: bool = True
    ) -> None:
        self.tree = tree
        self.key = key
        self.every = every
        self.unchecked: Group | None = None
        self.known: frozenset[str] = frozenset()
        self.hidden = False
        self.position = self.line = 0
        self.unfinished = 0
        self._stream = stream
        self._segment = segment
        self._origin = origin

    def skip(self, position: int, lines: int) -> None:
        """Go on behind lines that were compared already."""
        self.position, self.line = position, lines
        self._stream.seek(position)

    def next(self) -> Group | None:
        """The next whole group, None at unfinished bytes, of which `unfinished` are whole lines.

        Raises:
            Broken: a line or the checkpoint is bad; the group may be read again after `skip`.
        """
        stream = self._stream
        group = Group(self.tree, self.tree.clone(), self.key, self.key)
        while True:
            if stream.empty:
                if stream.fault:
                    raise self.broken(stream.fault, len(group.leaves) + 1)
                if not stream.fill(group.after.leaves):
                    self.unfinished = len(group.leaves)
                    return None
                continue
            end = stream.checkpoint()
            self._take(group, end)
            if end < len(stream.kinds):
                return self._finish(group)

    def accept(self, group: Group) -> None:
        """Go on behind the group. Raises Broken where another key signed before it, and not well."""
        if self.unchecked is not None and self.unchecked.signer != group.signer:
            self.vouch()
        self.unchecked = None if self.every else group
        self.tree, self.key = group.after, group.key
        self.hidden = self.hidden and not group.opens
        self.position += group.length
        self.line += len(group.leaves)
        self.unfinished = 0

    def vouch(self) -> None:
        """Check the signature of the last group, and so all that its key has signed here. Raises Broken."""
        group = self.unchecked
        if group is not None and not _signed(group):
            raise self.broken(BAD_SIGNATURE, 0)

    def _take(self, group: Group, end: int) -> None:
        """Add the records of the block up to `end`, which are not checkpoints."""
        stream = self._stream
        at, stream.at = stream.at, end
        if at == end:
            return
        kinds = stream.kinds[at:end]
        if not group.first_time:
            group.first_time = stream.times[at]
        group.last_time = stream.times[end - 1]
        group.length += sum(map(len, stream.lines[at:end])) + end - at
        if group.length > LARGEST_GROUP:
            raise self.broken("no checkpoint for too long", len(group.leaves) + end - at)
        for place in range(at, end) if not NOTABLE.isdisjoint(kinds) else ():
            if stream.kinds[place] in NOTABLE:
                done = group.after.leaves - group.before.leaves - len(group.leaves)
                group.after.extend(stream.leaves[at + done : place])
                self._look(group, stream.records[place], len(group.leaves) + place - at)
        done = group.after.leaves - group.before.leaves - len(group.leaves)
        group.after.extend(stream.leaves[at + done : end])
        group.leaves += stream.leaves[at:end]
        group.kinds += kinds

    def _look(self, group: Group, record: dict[str, Any], place: int) -> None:
        fault = shape_fault(record)
        if not fault and record["kind"] == "open":
            fault = self._open_fault(group, record, first=place == 0)
        if not fault and record["kind"] == "rotate":
            fault = self._rotate_fault(group, record)
        if fault:
            raise self.broken(fault, place + 1)
        group.notable.append(record)

    def _open_fault(self, group: Group, record: dict[str, Any], *, first: bool) -> str:
        tree = group.after
        previous = {"frontier": tree.frontier(), "root": b64encode(tree.root()).decode(), "size": tree.leaves}
        if record.get("previous") != previous:
            return "an open record names another tree before it"
        key = record.get("vkey")
        if not isinstance(key, str) or (key != group.signer and not self._may_come(group, key)):
            return "an open record names another key"
        if not self._origin or record.get("origin") != self._origin:
            return "an open record names another origin"
        group.opens = group.opens or first
        group.signer = group.key = key
        return ""

    def _may_come(self, group: Group, key: str) -> bool:
        """Whether a key may be in force that no readable record has introduced."""
        if self.known and key not in self.known:
            return False
        try:
            verifier_key(key)
        except Malformed:
            return False
        return not group.signer or self.hidden

    def _rotate_fault(self, group: Group, record: dict[str, Any]) -> str:
        key = record["vkey"]
        if group.key != group.signer:
            return "a second rotate record in one group"
        if not group.signer or verifier_key(key).name != verifier_key(group.signer).name or key == group.signer:
            return "a rotate record that names no other key of this log"
        group.key = key
        return ""

    def _finish(self, group: Group) -> Group:
        stream = self._stream
        place = stream.at
        line = stream.lines[place]
        count = len(group.leaves) + 1
        tree = group.after
        match = CHECKPOINT.fullmatch(line)
        if match is None or match[1] != b"%d" % tree.leaves:
            raise self.broken("a checkpoint is not well formed", count)
        try:
            root, signature = strict_base64(match[2].decode()), strict_base64(match[3].decode())
        except Malformed:
            raise self.broken("a checkpoint is not well formed", count) from None
        if root != tree.root():
            raise self.broken("a checkpoint's root is not the root of the lines before it", count)
        key = verifier_key(group.signer) if group.signer else None
        if key is None:
            raise self.broken("a checkpoint before the first open record", count)
        group.head = Head(self._origin, tree.leaves, root, ((key.name, signature),))
        if not key.named_in(signature) or (self.every and not _signed(group)):
            raise self.broken(BAD_SIGNATURE, count)
        tree.add(stream.leaves[place])
        group.leaves.append(stream.leaves[place])
        group.length += len(line) + 1
        stream.at = place + 1
        return group

    def broken(self, why: str, count: int, verdict: Verdict = Verdict.TAMPERED) -> Broken:
        """A finding at the `count`-th line from here; 0 where no line can be named."""
        first = self.tree.leaves
        line = self.line + count
        return Broken(Finding(verdict, why, self._segment, line or -1, first, first + count - 1 if count else -1))


def _signed(group: Group) -> bool:
    head = group.head
    return head is not None and verifier_key(group.signer).accepts(head.body(), head.signatures[0][1])
