"""Proofs for records that the index found, read from the logs on disk, one reading for all of a segment."""

from collections.abc import Collection, Iterable, Iterator

from gateway.audit.index import Index
from gateway.audit.proof import Proof
from gateway.audit.proof_make import prove_together
from gateway.audit.proof_source import Source
from gateway.audit.reading import Entry


def by_segment(source: Source, indexes: Iterable[int]) -> list[list[int]]:
    """Leaves that lie in one segment belong together: one reading of it proves them all."""
    groups: dict[int, list[int]] = {}
    for index in sorted(indexes):
        first = max(segment.first for segment in source.segments if segment.first <= index)
        groups.setdefault(first, []).append(index)
    return list(groups.values())


def prove_in_segment(index: Index, source: Source, leaves: Collection[int]) -> Iterator[Proof]:
    """The proofs of leaves of one segment, in rising order, under the first checkpoint that covers the last of them.

    Raises:
        Unprovable, OSError: as `prove_together`.
        StoreDown: AUDIT_UNAVAILABLE; the index cannot be read.
    """
    wanted = sorted(leaves)
    # So that nothing after their segment has to be read.
    head = index.head(Entry(source.origin, source.slot.name, wanted[-1], "", {}))
    yield from prove_together(source, wanted, None if head is None else head.size)
