"""How the writer reads back its own segments before it goes on: whole signed groups, and what is left over.

Only the newest signatures are checked here: the root under each covers every line before it, earlier
checkpoints included. The full audit is `verify`, which shares no code with this.
"""

from base64 import b64decode
from collections import deque
from collections.abc import Callable

import msgspec

from gateway.audit.lines import Checkpoint
from gateway.audit.tree import Tree, leaf_hash
from gateway.model.words import Kind

Verify = Callable[[Checkpoint, str], bool]
"""Whether the checkpoint carries a good signature of the given verifier key over its own size and root."""

_ZEROS = bytes(64)


class Previous(msgspec.Struct):
    size: int
    root: str
    frontier: tuple[str, ...]


class Line(msgspec.Struct):
    """The keys that recovery looks at; whatever else a line has is covered by the tree."""

    index: int
    kind: str
    size: int = -1
    root: str = ""
    signature: str = ""
    origin: str = ""
    vkey: str = ""
    previous: Previous | None = None


class Group(msgspec.Struct):
    """One whole group: where it ends, the tree before and after it, its checkpoint, and the keys.

    `vkey` signed it; `next_vkey` signs what follows, another one if the group holds a `rotate` record.
    """

    start: int
    end: int
    before: Tree
    after: Tree
    head: Checkpoint
    vkey: str
    next_vkey: str


class Scan(msgspec.Struct):
    """What one segment holds. `group` is the last whole signed group, None if there is none."""

    group: Group | None
    tail: int
    forged: bool
    """A good signature stands after the tail began, where no loss of power can have put it."""


def parse_line(line: bytes) -> Line | None:
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def opening_tree(line: Line) -> Tree | None:
    """The tree before an `open` line, None if the line does not agree with itself."""
    previous = line.previous
    if line.kind != Kind.OPEN or previous is None or previous.size != line.index:
        return None
    try:
        tree = Tree(previous.size, tuple(b64decode(node, validate=True) for node in previous.frontier))
        return tree if tree.root() == b64decode(previous.root, validate=True) else None
    except ValueError:
        return None


def scan(data: bytes, tree: Tree, vkey: str, verify: Verify) -> Scan:
    """Read a segment whose first line is leaf `tree.size`; `tree` itself is left as it is.

    `vkey` is the key in force before it.
    """
    groups = _groups(data, tree.copy(), vkey)
    while groups and not verify(groups[-1].head, groups[-1].vkey):
        vkey = groups.pop().vkey
    group = groups[-1] if groups else None
    tail = group.end if group else 0
    return Scan(group, tail, _forged(data[tail:], group.next_vkey if group else vkey, verify))


def _groups(data: bytes, tree: Tree, vkey: str) -> deque[Group]:
    """The last few whole groups up to the first line that is out of place."""
    groups: deque[Group] = deque(maxlen=3)
    before = tree.copy()
    start = position = 0
    next_vkey = vkey
    while (end := data.find(b"\n", position)) >= 0:
        raw = data[position:end]
        line = parse_line(raw)
        if line is None or line.index != tree.size:
            break
        position = end + 1
        if line.kind != Kind.CHECKPOINT:
            tree.append(leaf_hash(raw))
            next_vkey = line.vkey if line.kind == Kind.ROTATE else next_vkey
            continue
        head = checkpoint_of(line)
        if head is None or head.size != tree.size or head.root != tree.root():
            break
        tree.append(leaf_hash(raw))
        after = tree.copy()
        groups.append(Group(start, position, before, after, head, vkey, next_vkey))
        start, before, vkey = position, after, next_vkey
    return groups


def checkpoint_of(line: Line) -> Checkpoint | None:
    try:
        root, signature = b64decode(line.root, validate=True), b64decode(line.signature, validate=True)
    except ValueError:
        return None
    return Checkpoint(line.size, root, signature)


def _forged(tail: bytes, vkey: str, verify: Verify) -> bool:
    """Whether the tail is more than a torn group.

    The pages of the one group that was being synced may reach the device in any order, so its own
    checkpoint may stand after a hole of zeros. Anything else that is signed was durable once.
    """
    signed = []
    for raw in tail.split(b"\n")[:-1]:  # what lacks its newline is torn, whatever it says
        line = parse_line(raw)
        if line is not None and line.kind == Kind.CHECKPOINT:
            head = checkpoint_of(line)
            if head is not None and verify(head, vkey):
                signed.append(raw)
    if not signed:
        return False
    hole_before_the_end = _ZEROS in tail and tail.endswith(signed[-1] + b"\n")
    return len(signed) > 1 or not hole_before_the_end


_decoder = msgspec.json.Decoder(Line)
