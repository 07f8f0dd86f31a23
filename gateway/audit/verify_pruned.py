"""A segment whose body was removed on purpose: its leaf hashes, its note, and the record that says so."""

from base64 import b64encode
from hashlib import sha256
from typing import Any, NoReturn

from gateway.audit.verify_files import SegmentFile
from gateway.audit.verify_leaves import WIDTH, first_leaves
from gateway.audit.verify_note import Head, Malformed, read_note, verifier_key
from gateway.audit.verify_report import Broken, Finding, Verdict
from gateway.audit.verify_segment import Job, Part, Progress, State
from gateway.audit.verify_tree import Counter

_BATCH = 4096
MOST_REPEATED = 1_000_000
"""Leaves of a group that are looked up; the largest group of a writer has some hundred."""


def read_pruned(job: Job, state: State, progress: Progress) -> Part:
    """The part of the log that a pruned segment was. Raises OSError where a file cannot be read.

    Its leaves must give the signed root of its note, what its `prune` record says, and, with the next
    segment's `open` record, the tree of the log.
    """
    reader = _PrunedReader(job, state, progress)
    try:
        reader.read()
    except Broken as broken:
        reader.part.broken = broken.finding
    return reader.part


def repeated_leaves(pruned: SegmentFile, first: int, due: int) -> list[bytes]:
    """Leaf hashes from `first` on of a pruned segment that ends before `due`; those that the next one repeats.

    Raises OSError where the file cannot be read.
    """
    if not pruned.first < first < due <= first + MOST_REPEATED:
        return []
    with pruned.leaves.open("rb") as file:
        file.seek((first - pruned.first) * WIDTH)
        data = file.read((due - first) * WIDTH)
    return [data[at : at + WIDTH] for at in range(0, len(data), WIDTH)]


class _PrunedReader:
    def __init__(self, job: Job, state: State, progress: Progress) -> None:
        self.part = Part(state, pruned=True)
        self._job = job
        self._segment = job.segment
        self._progress = progress

    def read(self) -> None:
        state, segment, job = self.part.state, self._segment, self._job
        head = self._note()
        repeated = self._repeated(state)
        tree, root, digest = self._leaves(state.tree.clone(), head, repeated)
        if tree.leaves != head.size + 1 or root != head.root:
            self._broken("leaf hashes that do not give the root of their note", segment.first, head.size)
        signer = self._signer(state, head)
        self._check_record(digest, head)
        if job.newest and not job.live:
            self._finding(Verdict.INCOMPLETE, "the newest segment of the log was removed")
        state.tree, state.key, state.pruned = tree, signer, segment
        state.before, state.last, state.loose = None, [], None
        self.part.head = state.head = head
        self.part.checkpoints = 1
        self.part.signers = [signer]

    def _note(self) -> Head:
        try:
            head = read_note(self._segment.note.read_bytes().decode())
        except (Malformed, UnicodeDecodeError):
            raise Broken(
                Finding(Verdict.TAMPERED, "a sealed note is not one signed note", self._segment.note.name)
            ) from None
        if head.origin != self._job.origin:
            raise Broken(Finding(Verdict.TAMPERED, "a sealed note of another log", self._segment.note.name))
        return head

    def _signer(self, state: State, head: Head) -> str:
        """The key whose signature the note carries: the one in force, or one that a pruned `rotate` introduced."""
        for text in (state.key, *sorted(self._job.known)) if state.key else sorted(self._job.known):
            key = verifier_key(text)
            if any(name == key.name and key.accepts(head.body(), value) for name, value in head.signatures):
                return text
        raise Broken(Finding(Verdict.TAMPERED, "no known key has signed a sealed note", self._segment.note.name))

    def _repeated(self, state: State) -> list[bytes]:
        due, first = state.tree.leaves, self._segment.first
        if first > due:
            why = f"leaves {due} to {first - 1} are missing"
            raise Broken(Finding(Verdict.INCOMPLETE, why, self._segment.leaves.name, -1, due, first - 1))
        if state.loose is not None or due - first not in (0, len(state.last)):
            self._broken("the segment begins with leaves that an earlier one holds", first, first)
        return state.last if first < due else []

    def _leaves(self, tree: Counter, head: Head, repeated: list[bytes]) -> tuple[Counter, bytes, str]:
        """(tree behind the note's checkpoint, root at the note's size, SHA-256 of the file)."""
        digest, index = sha256(), self._segment.first + len(repeated)
        known = self.part.state.head
        root = known.root if known is not None and known.size == head.size else b""
        torn: list[bytes] = []
        with self._segment.leaves.open("rb") as file:
            data = file.read(len(repeated) * WIDTH)
            digest.update(data)
            if data != b"".join(repeated):
                self._broken("the segment repeats leaves, but not the same ones", self._segment.first, index - 1)
            while data := file.read(_BATCH * WIDTH):
                digest.update(data)
                leaves = [data[at : at + WIDTH] for at in range(0, len(data), WIDTH)]
                room = max(0, head.size + 1 - index)
                torn += leaves[room:]
                del leaves[room:]
                if len(data) % WIDTH or len(torn) > MOST_REPEATED:
                    self._broken("leaf hashes that go on behind their note's checkpoint", head.size, head.size)
                self._remember(tree, leaves)
                tree.extend(leaves[:-1])
                index += len(leaves)
                if index == head.size + 1 and leaves:
                    root = tree.root()
                tree.extend(leaves[-1:])
                self._progress(len(data))
        self._check_torn(torn, head)
        return tree, root, digest.hexdigest()

    def _check_torn(self, torn: list[bytes], head: Head) -> None:
        """Lines behind the last checkpoint are of a group that the next segment repeats (FORMAT.md, section 6)."""
        after = self._job.following
        if torn and (after is None or after.first != head.size + 1 or first_leaves(after, len(torn)) != torn):
            self._broken("leaf hashes that go on behind their note's checkpoint", head.size + 1, head.size + len(torn))

    def _remember(self, tree: Counter, leaves: list[bytes]) -> None:
        for memory in self._job.memories:
            self.part.findings += memory.conflicts(tree, leaves, self._segment.leaves.name)

    def _check_record(self, digest: str, head: Head) -> None:
        record = self._job.prune
        if record is None:
            why = "the segment's body is missing, and no prune record of the operator's log names it"
            self._finding(Verdict.INCOMPLETE, why)
            return
        said: dict[str, Any] = {
            "first": self._segment.first,
            "leaves": digest,
            "root": b64encode(head.root).decode(),
            "size": self._segment.leaves.stat().st_size // WIDTH,
        }
        wrong = [name for name, value in said.items() if record.get(name) != value]
        if wrong:
            self._broken(
                "what is left of a pruned segment is not what its prune record says", self._segment.first, head.size
            )

    def _finding(self, verdict: Verdict, why: str) -> None:
        first = self._segment.first
        self.part.findings.append(Finding(verdict, why, self._segment.path.name, -1, first, -1))

    def _broken(self, why: str, first: int, last: int) -> NoReturn:
        raise Broken(Finding(Verdict.TAMPERED, why, self._segment.leaves.name, -1, first, last))
