"""Making a proof from a log as it lies on disk, its segments pruned or not."""

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
    head = source.head(size)
    if index >= head.size:
        raise Unprovable(f"the newest checkpoint covers {head.size} leaves, so none covers leaf {index}")
    place, tree = source.start(index)
    finder = PathFinder(tree, index)
    leaf = b""
    for batch in source.leaves(place, head.size, lines=False):
        finder.feed(batch.hashes)
        if batch.first <= index < batch.first + len(batch.hashes):
            leaf = batch.hashes[index - batch.first]
    proof = Proof(index, finder.path(), head, source.line(index))
    if not leaf or not proof.proves(leaf) or proof.leaf() not in (None, leaf):
        raise Unprovable("the log does not give the root of its checkpoint: run `audit verify`")
    if not any(key.accepts(head.body(), value) for key in source.keys for _, value in head.signatures):
        raise Unprovable("the checkpoint is not signed with a key of log.vkey: run `audit verify`")
    return proof
