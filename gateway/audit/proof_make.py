"""Making a proof from a log as it lies on disk, its segments pruned or not."""

from collections.abc import Collection

from gateway.audit.proof import Proof
from gateway.audit.proof_path import PathFinder
from gateway.audit.proof_source import Source, Unprovable


def prove(source: Source, index: int, size: int | None = None) -> Proof:
    """The proof that leaf `index` stands in the log, under its newest checkpoint or that of `size` leaves.

    Raises:
        Unprovable: no such checkpoint covers the leaf, leaves are missing, or the log does not give the
            root that it signed.
        OSError: a file cannot be read.
    """
    return prove_together(source, [index], size)[0]


def prove_together(source: Source, indexes: Collection[int], size: int | None = None) -> list[Proof]:
    """Proofs of several leaves under one checkpoint, in the order asked for, for one reading of the log.

    Raises as `prove`.
    """
    head = source.head(size)
    if max(indexes) >= head.size:
        raise Unprovable(f"the newest checkpoint covers {head.size} leaves, so none covers leaf {max(indexes)}")
    place, tree = source.start(min(indexes))
    finder = PathFinder(tree, *indexes)
    leaves: dict[int, bytes] = {}
    for batch in source.leaves(place, head.size, lines=False):
        finder.feed(batch.hashes)
        for index in indexes:
            if batch.first <= index < batch.first + len(batch.hashes):
                leaves[index] = batch.hashes[index - batch.first]
    lines = source.lines_of(indexes)
    proofs = [Proof(index, finder.path(index), head, lines.get(index)) for index in indexes]
    for proof in proofs:
        leaf = leaves.get(proof.index, b"")
        if not leaf or not proof.proves(leaf) or proof.leaf() not in (None, leaf):
            raise Unprovable("the log does not give the root of its checkpoint: run `audit verify`")
    if not any(key.accepts(head.body(), value) for key in source.keys for _, value in head.signatures):
        raise Unprovable("the checkpoint is not signed with a key of log.vkey: run `audit verify`")
    return proofs
